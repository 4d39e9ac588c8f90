import { suite } from "uvu";
import * as assert from "uvu/assert";
import { compileScript, createRuntime, type RunOptions, type RuntimeOptions, startBoard } from "../../host/index";
import { rejectsWith } from "../support/expect";
import { temporaryFile } from "../support/temporary";

const test = suite("options of the library");

type Wrong = readonly (readonly [options: unknown, message: string | RegExp])[];

const BOTH: Wrong = [
  [{ coherencies: "strict" }, "Did you mean coherency?"],
  [{ coherency: "loose" }, "coherency is one of relaxed, strict"],
  [{ faults: { hpx: "never-done" } }, "faults is an object with hp, hpc, acp"],
  [{ faults: { hpc: "broken" } }, "each never-ready, never-done, slow"],
  [{ faults: "hpc:slow" }, 'current value is "hpc:slow"'],
  [{ seed: "1" }, "seed is a number"],
  [{ models: "crc32.mjs" }, "models is a list of texts"],
  [{ sysroot: 5 }, "sysroot is a text"],
  ["virtual", "the options are an object"],
  [null, "the options are an object"],
];

test("createRuntime refuses what does not exist or is of another kind", async () => {
  const wrong: Wrong = [
    ...BOTH,
    [{ bord: "virtual" }, "there is no option bord. Did you mean board?"],
    [{ timeout: 5 }, "there is no option timeout. There are "],
    [{ board: "Virtual" }, "board is one of auto, virtual, linux"],
    [{ deviceDirectories: "." }, "deviceDirectories is a list of texts"],
    [{ pinMechanism: "glue" }, "pinMechanism is one of io_uring"],
    [{ optimize: 3 }, "optimize is one of 0, 1, 2, 3, s, z; current value is 3"],
    [{ permissions: [] }, "permissions is an object"],
    [{ __proto__: null, toString: 1 }, "there is no option toString"],
  ];
  for (const [options, message] of wrong) {
    const error = await rejectsWith("ERR_AXI_USAGE", () => createRuntime(options as RuntimeOptions));
    assert.match(error.message, message);
  }
});

test("startBoard refuses what does not exist or is of another kind", async () => {
  for (const [options, message] of [...BOTH, [{ keep: "yes" }, "keep is true or false"]] as Wrong) {
    const error = await rejectsWith("ERR_AXI_USAGE", () => startBoard(options as object));
    assert.match(error.message, message);
  }
});

test("run, runSync and compileScript refuse what does not exist or is of another kind", async () => {
  const wrong: Wrong = [
    [{ timeout: 5 }, "there is no option timeout. Did you mean timeoutMs?"],
    [{ timeoutMs: "5s" }, "timeoutMs is a number"],
    [{ maxMemory: 5 }, "Did you mean maxMemoryBytes?"],
    [{ args: "hpc" }, "args is a list of texts"],
    [{ args: [1] }, "args is a list of texts"],
    [{ env: { A: 1 } }, "env is an object of texts"],
    [{ stdout: process.stdout }, "stdout is the number of an open file descriptor"],
    [{ stdout: "out.txt" }, "stdout is the number of an open file descriptor"],
    [{ stdin: 1.5 }, "stdin is the number of an open file descriptor"],
    [{ stderr: 9999 }, "stderr is the number of an open file descriptor"],
    [{ onNote: "stderr" }, "onNote is a function"],
    [{ audit: true }, "audit is a text"],
  ];
  const script = temporaryFile("script.ts", `console.log("never");`);
  const runtime = await createRuntime({ board: "virtual" });
  try {
    for (const [options, message] of wrong) {
      for (const call of [
        () => runtime.run(script, options as RunOptions),
        () => runtime.runSync(script, options as RunOptions),
      ]) {
        assert.match((await rejectsWith("ERR_AXI_USAGE", call)).message, message);
      }
    }
    const signal = { signal: {} } as unknown as RunOptions;
    assert.match((await rejectsWith("ERR_AXI_USAGE", () => runtime.run(script, signal))).message, "is an AbortSignal");
  } finally {
    await runtime.close();
  }
  const optimise = { optimise: "2" } as object;
  const error = await rejectsWith("ERR_AXI_USAGE", () => compileScript(script, optimise));
  assert.match(error.message, "Did you mean optimize?");
});

test("an option that is undefined is absent", async () => {
  const options = {
    board: "virtual",
    seed: undefined,
    faults: undefined,
    record: undefined,
  } as unknown as RuntimeOptions;
  await (await createRuntime(options)).close();
});

test.run();
