import { closeSync, openSync, statSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { parseSize } from "../../../host/cli/size";
import { createRuntime, type RunOptions } from "../../../host/index";
import { endScript, reasonOf } from "../../../host/runtime/run/uncatchable";
import { AxiscriptError } from "../../../host/util/errors";
import { rejectsWith } from "../../support/expect";
import { runText } from "../../support/run-script";
import { temporaryDirectory, temporaryFile } from "../../support/temporary";
import { assemble } from "../../support/wasm";

const test = suite("limit on output");

const FD_WRITE = {
  module: "wasi_snapshot_preview1",
  name: "fd_write",
  parameters: ["i32" as const, "i32" as const, "i32" as const, "i32" as const],
  results: ["i32" as const],
};

/** Writes 100 bytes to a stream without end, and catches all that can be caught. */
function endless(stream: number): string {
  const store = (address: number, value: number) => [
    0x41,
    address,
    0x41,
    ...(value > 63 ? [value | 0x80, 0] : [value]),
    0x36,
    2,
    0,
  ];
  const write = [0x41, stream, 0x41, 0, 0x41, 1, 0x41, 32, 0x10, 0, 0x1a];
  const caught = [0x06, 0x40, ...write, 0x19, 0x0b];
  const start = [...store(0, 64), ...store(4, 100), 0x03, 0x40, ...caught, 0x0c, 0, 0x0b];
  return temporaryFile("endless.wasm", assemble({ imports: [FD_WRITE], importMemory: [1], start }));
}

async function printed(script: string, options: RunOptions): Promise<[out: number, err: number]> {
  const directory = temporaryDirectory();
  const [stdout, stderr] = [join(directory, "out"), join(directory, "err")].map((path) => openSync(path, "w"));
  const runtime = await createRuntime({ board: "virtual" });
  try {
    const error = await rejectsWith("ERR_AXI_LIMIT", () =>
      runtime.run(script, { timeoutMs: 60_000, ...options, stdout: stdout ?? 1, stderr: stderr ?? 2 }),
    );
    assert.is(error.kind, "stopped");
    assert.match(error.message, `printed more than ${options.maxOutputBytes} bytes`);
    return [statSync(join(directory, "out")).size, statSync(join(directory, "err")).size];
  } finally {
    await runtime.close();
    for (const fd of [stdout, stderr]) if (fd !== undefined) closeSync(fd);
  }
}

test("a script that prints without end is stopped at the limit, though it catches everything", async () => {
  for (const maxOutputBytes of [0, 1, 99, 100, 101, 12_345]) {
    assert.equal(await printed(endless(1), { maxOutputBytes }), [maxOutputBytes, 0]);
  }
  assert.equal(await printed(endless(2), { maxOutputBytes: 1000 }), [0, 1000]);
});

test("both streams and what is told to the user count together", async () => {
  const script = temporaryFile(
    "both.ts",
    `import { note } from "axiscript/assembly";
     console.log("x".repeat(99));
     process.stderr.write("y".repeat(100));
     note("z".repeat(100));
     while (true) note("more");`,
  );
  const notes: string[] = [];
  const options = { maxOutputBytes: 302, onNote: (message: string) => notes.push(message) };
  assert.equal(await printed(script, options), [100, 100]);
  assert.equal(notes, ["z".repeat(100)]);
});

test("a script that stays below the limit is not stopped", async () => {
  const { stdout } = await runText('console.log("x".repeat(99));', {}, { maxOutputBytes: 100 });
  assert.is(stdout.length, 100);
});

test("a limit that makes no sense is refused", async () => {
  for (const maxOutputBytes of [-1, 1.5, Number.NaN]) {
    await rejectsWith("ERR_AXI_USAGE", () => runText("", {}, { maxOutputBytes }));
  }
});

test("what ends a script is told apart from other traps", () => {
  const reason = new AxiscriptError("ERR_AXI_LIMIT", "enough");
  let thrown: unknown;
  try {
    endScript(reason);
  } catch (error) {
    thrown = error;
  }
  assert.instance(thrown, WebAssembly.RuntimeError);
  assert.is(reasonOf(thrown), reason);
  assert.is(reasonOf(7), 7);
  const other = new Error("other");
  assert.is(reasonOf(other), other);
});

test("sizes are read as people write them", () => {
  const sizes = { "0": 0, "1000": 1000, "64K": 65_536, "1.5M": 1_572_864, "2GiB": 2 ** 31, "10kb": 10_240 };
  for (const [text, bytes] of Object.entries(sizes)) assert.is(parseSize(text), bytes);
  for (const text of ["", "-1", "1T", "K", "1e3", " 1", "99999999999G"]) assert.throws(() => parseSize(text));
});

test.run();
