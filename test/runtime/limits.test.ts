import { suite } from "uvu";
import * as assert from "uvu/assert";
import { createRuntime, type RunResult } from "../../host/index";
import { rejectsWith } from "../support/expect";
import { runText } from "../support/run-script";
import { temporaryFile } from "../support/temporary";
import { assemble, type ModuleSketch } from "../support/wasm";

const test = suite("limits");

const END = 0x0b;
const PAGE_BYTES = 65536;
const EXIT = { module: "wasi_snapshot_preview1", name: "proc_exit", parameters: ["i32" as const] };
const CALL_EXIT = [0x10, 0];
/** `table.grow` of table 0 by 1,000,000 null references; its result. */
const GROW_TABLE = [0xd0, 0x70, 0x41, 0xc0, 0x84, 0x3d, 0xfc, 0x0f, 0x00];
const PLUS_ONE = [0x41, 1, 0x6a];

/** Runs a module in both ways and compares. */
async function run(sketch: ModuleSketch, maxMemoryBytes?: number): Promise<RunResult> {
  const script = temporaryFile("limits.wasm", assemble({ importMemory: [1], imports: [EXIT], ...sketch }));
  const options = { timeoutMs: 20_000, ...(maxMemoryBytes === undefined ? {} : { maxMemoryBytes }) };
  const runtime = await createRuntime({ board: "virtual" });
  try {
    const result = await runtime.run(script, options);
    assert.equal(runtime.runSync(script, options), result);
    return result;
  } finally {
    await runtime.close();
  }
}

test("memory grows to its limit, and not beyond", async () => {
  const growBy = (pages: number) => [0x41, pages, 0x40, 0x00, ...PLUS_ONE, ...CALL_EXIT];
  const limit = 4 * PAGE_BYTES;
  assert.is((await run({ start: growBy(3) }, limit)).exitCode, 2);
  assert.is((await run({ start: growBy(4) }, limit)).exitCode, 0);
  assert.is((await run({ start: growBy(4) }, limit + PAGE_BYTES)).exitCode, 2);
  // A part of a page is none; the module's own maximum holds as well.
  assert.is((await run({ start: growBy(4) }, limit + PAGE_BYTES - 1)).exitCode, 0);
  assert.is((await run({ start: growBy(4), importMemory: [1, 4] }, 2 ** 32)).exitCode, 0);
});

test("an initial memory above the limit is refused, with what to do", async () => {
  const { message } = await rejectsWith("ERR_AXI_LIMIT", () => run({ importMemory: [17], start: [] }, 2 ** 20));
  assert.match(message, `${17 * PAGE_BYTES} bytes; the limit is ${2 ** 20}`);
  assert.match(message, "--max-memory");
});

test("without a limit of its own a script gets no more than half of the machine's memory", async () => {
  const source = `
    let pages = 0;
    while (memory.grow(1024) >= 0) pages += 1024;
    console.log(memory.size().toString());`;
  const { stdout } = await runText(source, {}, {});
  const { totalmem } = await import("node:os");
  assert.ok(Number(stdout) * PAGE_BYTES <= totalmem() / 2, stdout);
});

test("limits that make no sense are refused", async () => {
  for (const maxMemoryBytes of [0, -1, 65535, 1.5, Number.NaN, 2 ** 32 + 1]) {
    await rejectsWith("ERR_AXI_USAGE", () => run({ start: [] }, maxMemoryBytes));
  }
});

test("tables that grow without end stop growing, and do not end the process", async () => {
  // grows while it can; the exit code tells that it could not in the end
  const loop = [0x03, 0x40, ...GROW_TABLE, 0x41, 0x7f, 0x47, 0x0d, 0x00, END];
  const start = [...loop, 0x41, 5, ...CALL_EXIT];
  for (const bounds of [[1], [1, 10_000_000], [1, 4]] as const) {
    assert.is((await run({ tables: [bounds], start })).exitCode, 5);
  }
});

test("a table keeps its own maximum, and grows to the host's", async () => {
  // by 100,000: more than 1 to 4, and less than what the host allows
  const start = [0xd0, 0x70, 0x41, 0xa0, 0x8d, 0x06, 0xfc, 0x0f, 0x00, ...PLUS_ONE, ...CALL_EXIT];
  assert.is((await run({ tables: [[1]], start })).exitCode, 2);
  assert.is((await run({ tables: [[1, 4]], start })).exitCode, 0);
});

test("tables of an absurd number or size are refused", async () => {
  const many = await rejectsWith("ERR_AXI_LIMIT", () =>
    run({ tables: Array.from({ length: 17 }, () => [1]), start: [] }),
  );
  assert.match(many.message, "this one has 17");
  const large = await rejectsWith("ERR_AXI_LIMIT", () => run({ tables: [[1], [5_000_000]], start: [] }));
  assert.match(large.message, "one of 5000000 entries");
});

test("places in the source are right behind a table that was bounded", async () => {
  const source = `
type Operation = (a: i32, b: i32) => i32;
function divide(a: i32, b: i32): i32 {
  return a / b;
}
const operations: Operation[] = [divide, (a: i32, b: i32): i32 => a + b];
console.log(operations[process.argv.length - 1](1, process.argv.length - 1).toString());`;
  for (const optimize of ["0", "2"] as const) {
    const { scriptStack } = await rejectsWith("ERR_AXI_TRAP", () => runText(source, { optimize }));
    assert.is(scriptStack[0]?.line, 4);
  }
});

test("recursion without end is a trap, in a thread of its own and on the calling one", async () => {
  // the function calls itself
  await rejectsWith("ERR_AXI_TRAP", () => run({ start: [0x10, 1] }));
  const script = temporaryFile("deep.wasm", assemble({ importMemory: [1], start: [0x10, 0] }));
  const runtime = await createRuntime({ board: "virtual" });
  const { message } = await rejectsWith("ERR_AXI_TRAP", () => runtime.runSync(script));
  assert.match(message, "call stack");
  await runtime.close();
});

test("a module of more than 256 MiB is refused before it is compiled", async () => {
  const wasm = new Uint8Array(2 ** 28 + 1);
  const script = { path: "large.wasm", wasm, sourceMap: () => undefined, sourceDirectory: "." };
  const runtime = await createRuntime({ board: "virtual" });
  await rejectsWith("ERR_AXI_LIMIT", () => runtime.run(script));
  await rejectsWith("ERR_AXI_LIMIT", () => runtime.runSync(script));
  await runtime.close();
});

test("what is not WebAssembly is refused as such", async () => {
  for (const bytes of [
    [],
    [0, 1, 2],
    [...assemble({ start: [] }), 4, 200],
    [...assemble({ start: [] }), 4, 2, 255, 255],
  ]) {
    const script = temporaryFile("broken.wasm", new Uint8Array(bytes));
    const runtime = await createRuntime({ board: "virtual" });
    await rejectsWith("ERR_AXI_NOT_WASM", () => runtime.run(script));
    await rejectsWith("ERR_AXI_NOT_WASM", () => runtime.runSync(script));
    await runtime.close();
  }
});

test.run();
