import { suite } from "uvu";
import * as assert from "uvu/assert";
import { compileScript, createRuntime, type Runtime } from "../../host/index";
import { rejectsWith } from "../support/expect";
import { temporaryFile } from "../support/temporary";
import { assemble, type ModuleSketch } from "../support/wasm";

const test = suite("scripts that catch what should end them");

const TRY = [0x06, 0x40];
const CATCH_ALL = 0x19;
const END = 0x0b;
const LOOP_WITHOUT_END = [0x03, 0x40, 0x0c, 0x00, END];

const call = (index: number) => [0x10, index];
const i32 = (value: number) => [0x41, value];
const caught = (body: readonly number[]) => [...TRY, ...body, CATCH_ALL, END];

const EXIT = { module: "wasi_snapshot_preview1", name: "proc_exit", parameters: ["i32" as const] };
const RAISE = { module: "axiscript:error@1", name: "raise" };
const CLOSE = {
  ...{ module: "axiscript:uio@1", name: "close" },
  ...{ parameters: ["i32" as const], results: ["i32" as const] },
};
const NOTE = { module: "axiscript:error@1", name: "note", parameters: ["i32" as const, "i32" as const] };

/** Runs a module in both ways; gives what each did. */
async function inBothWays<T>(sketch: ModuleSketch, look: (run: () => unknown) => Promise<T>): Promise<T[]> {
  const script = await compileScript(temporaryFile("caught.wasm", assemble({ importMemory: [1], ...sketch })));
  const runtime: Runtime = await createRuntime({ board: "virtual" });
  try {
    return [
      await look(() => runtime.run(script, { timeoutMs: 20_000 })),
      await look(() => runtime.runSync(script, { timeoutMs: 20_000 })),
    ];
  } finally {
    await runtime.close();
  }
}

test("an exit that the script catches is its exit all the same", async () => {
  const start = [...caught([...i32(7), ...call(0)]), ...caught([...i32(9), ...call(0)])];
  const results = await inBothWays({ imports: [EXIT], start }, async (run) => run());
  assert.equal(results, [{ exitCode: 7 }, { exitCode: 7 }]);
});

test("after a fatal error every call of a host function fails, and the first error counts", async () => {
  // raise, caught; then an exit, caught; then a close that is not
  const start = [...caught(call(0)), ...caught([...i32(3), ...call(1)]), ...i32(1), ...call(2), 0x1a];
  await inBothWays({ imports: [RAISE, EXIT, CLOSE], start }, async (run) => {
    const { message } = await rejectsWith("ERR_AXI_ABORT", run);
    assert.match(message, "no host call has failed");
  });
});

test("a note after a fatal error is not told", async () => {
  const start = [...caught(call(0)), ...caught([...i32(0), ...i32(1), ...call(1)])];
  const script = temporaryFile("note.wasm", assemble({ importMemory: [1], imports: [RAISE, NOTE], start }));
  const runtime = await createRuntime({ board: "virtual" });
  const notes: string[] = [];
  await rejectsWith("ERR_AXI_ABORT", () => runtime.run(script, { onNote: (note) => notes.push(note) }));
  await rejectsWith("ERR_AXI_ABORT", () => runtime.runSync(script, { onNote: (note) => notes.push(note) }));
  assert.equal(notes, []);
  await runtime.close();
});

test("a stop cannot be caught", async () => {
  const start = [...TRY, ...LOOP_WITHOUT_END, CATCH_ALL, ...LOOP_WITHOUT_END, END];
  const script = temporaryFile("loop.wasm", assemble({ importMemory: [1], start }));
  const runtime = await createRuntime({ board: "virtual" });
  await rejectsWith("ERR_AXI_TIMEOUT", () => runtime.run(script, { timeoutMs: 100 }));
  await rejectsWith("ERR_AXI_TIMEOUT", () => runtime.runSync(script, { timeoutMs: 100 }));
  await runtime.close();
});

test("a fatal error counts also if the script then runs into its time limit", async () => {
  const start = [...caught(call(0)), ...LOOP_WITHOUT_END];
  const script = temporaryFile("loop.wasm", assemble({ imports: [RAISE], importMemory: [1], start }));
  const runtime = await createRuntime({ board: "virtual" });
  await rejectsWith("ERR_AXI_ABORT", () => runtime.run(script, { timeoutMs: 1000 }));
  await rejectsWith("ERR_AXI_ABORT", () => runtime.runSync(script, { timeoutMs: 1000 }));
  await runtime.close();
});

test.run();
