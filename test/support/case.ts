import { closeSync, mkdirSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { AxiscriptError, createRuntime, type OptimizationLevel, type PermissionOptions } from "../../host/index";
import { temporaryDirectory } from "./temporary";

const cacheDirectory = temporaryDirectory();
const optimize = (process.env["AXISCRIPT_TEST_OPTIMIZE"] ?? "2") as OptimizationLevel;

/** A device, its model and a script, as somebody brings them. */
export interface Case {
  /** Of the model, and so of its firmware. */
  readonly kind: string;
  /** The module of the model; `trace(text)` writes a line. */
  readonly model: string;
  /** The device's description; absent: it has none. */
  readonly description?: Record<string, unknown>;
  /** What comes after the SDK's imports and the programming. */
  readonly script: string;
  /** What the script may do; absent: all that a virtual board has. */
  readonly permissions?: PermissionOptions;
}

export interface CaseResult {
  readonly stdout: string;
  /** `CODE: message` of the error that ended the script; `undefined`: it came to its end. */
  readonly error: string | undefined;
  readonly notes: readonly string[];
  /** What the model has written down, line by line. */
  readonly trace: readonly string[];
}

/** Runs a case's script on a virtual board of its own with the model. */
export async function runCase(
  { kind, model, description, script, permissions }: Case,
  args: readonly string[] = [],
): Promise<CaseResult> {
  const directory = temporaryDirectory();
  const devices = join(directory, "devices");
  mkdirSync(devices);
  const path = (name: string, content: string) => {
    writeFileSync(join(directory, name), content);
    return join(directory, name);
  };
  const trace = path("trace", "");
  if (description) path(`devices/${kind}.json`, JSON.stringify(description));
  const models = [
    path(
      "model.mjs",
      `import { appendFileSync } from "node:fs";
const trace = (text) => appendFileSync(${JSON.stringify(trace)}, text + "\\n");
${model}`,
    ),
  ];
  const firmware = `/lib/firmware/xilinx/${kind}/${kind}`;
  const file = path(
    "script.ts",
    `import { Backing, Contiguous, DmaBuffer, DmaOptions, FpgaManager, hex, UioDevice } from "axiscript/assembly";
const fpga = new FpgaManager();
if (!fpga.isProgrammed()) fpga.programBitstream("${firmware}.bit.bin", "${firmware}.dtbo");
${script}`,
  );
  const stdout = openSync(path("stdout", ""), "w");
  const notes: string[] = [];
  let error: string | undefined;
  const options = { cacheDirectory, optimize, models, deviceDirectories: [devices] };
  const runtime = await createRuntime({ board: "virtual", ...options, ...(permissions && { permissions }) });
  try {
    await runtime.run(file, { args, stdout, timeoutMs: 20_000, onNote: (note) => notes.push(note) });
  } catch (caught) {
    if (!(caught instanceof AxiscriptError)) throw caught;
    error = `${caught.code}: ${caught.message}`;
  } finally {
    await runtime.close();
    closeSync(stdout);
  }
  const lines = readFileSync(trace, "utf8").split("\n").filter(Boolean);
  return { stdout: readFileSync(join(directory, "stdout"), "utf8"), error, notes, trace: lines };
}
