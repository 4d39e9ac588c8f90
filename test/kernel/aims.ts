import { AxiscriptError, createRuntime } from "../../host/index";

/** In the guest: runs a script once for each aim, `aims.js DEVICES SCRIPT AIM…`, and prints what became of it, as JSON. */
async function main([devices = "", script = "", ...aims]: string[]): Promise<void> {
  const runtime = await createRuntime({
    ...{ board: "linux", deviceDirectories: [devices], permissions: { allow: { all: true } } },
  });
  const outcomes = aims.map((aim) => {
    try {
      return [aim, runtime.runSync(script, { args: [aim], stdout: 2 }).exitCode];
    } catch (error) {
      if (!(error instanceof AxiscriptError)) throw error;
      return [aim, error.code];
    }
  });
  await runtime.close();
  process.stdout.write(JSON.stringify(outcomes));
}

void main(process.argv.slice(2));
