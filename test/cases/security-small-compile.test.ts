import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { createRuntime } from "../../host/index";
import { axiscript } from "../support/cli";
import { rejectsWith } from "../support/expect";
import { temporaryDirectory, temporaryFile } from "../support/temporary";
import { assemble } from "../support/wasm";

const test = suite("compilations that take long, and what else is read for a script");

/** Nested blocks with many results, and branch tables over all of them, each of which V8 checks with each result. */
const [BLOCKS, RESULTS, TABLES] = [30_000, 200, 60];

function leb(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...leb(value >>> 7)];
}

function section(id: number, content: Buffer): Buffer {
  return Buffer.concat([Buffer.of(id, ...leb(content.length)), content]);
}

function text(value: string): number[] {
  return [value.length, ...Buffer.from(value)];
}

function slowModule(): Buffer {
  const types = Buffer.from([2, 0x60, 0, 0, 0x60, 0, ...leb(RESULTS), ...new Array<number>(RESULTS).fill(0x7f)]);
  const targets = Array.from({ length: BLOCKS }, (_, index) => leb(index)).flat();
  // unreachable; i32.const 0; br_table
  const table = Buffer.from([0x00, 0x41, 0, 0x0e, ...leb(BLOCKS - 1), ...targets]);
  const code = Buffer.concat([
    Buffer.of(0),
    Buffer.alloc(2 * BLOCKS, Buffer.of(0x02, 1)),
    ...new Array<Buffer>(TABLES).fill(table),
    Buffer.alloc(BLOCKS, 0x0b),
    Buffer.of(0x00, 0x0b),
  ]);
  return Buffer.concat([
    Buffer.from("0061736d01000000", "hex"),
    section(1, types),
    section(2, Buffer.from([1, ...text("env"), ...text("memory"), 2, 0, 1])),
    section(3, Buffer.of(1, 0)),
    section(7, Buffer.from([1, ...text("_start"), 0, 0])),
    section(10, Buffer.concat([Buffer.of(1, ...leb(code.length)), code])),
  ]);
}

const SLOW = temporaryFile("slow.wasm", slowModule());

test("--timeout counts what V8 takes to compile", async () => {
  const { status, stderr, leftBehind } = await axiscript(["run", "--board=virtual", "--timeout=500ms", SLOW]);
  assert.is(status, 124, stderr);
  assert.match(stderr, /^ERR_AXI_TIMEOUT: .*500 ms/);
  assert.equal(leftBehind, []);
});

test("a signal ends the program while V8 compiles", async () => {
  // It arrives before, or while, V8 compiles: an ordinary start takes half of this.
  const through = ["timeout", "--preserve-status", "--signal=INT", "--kill-after=30", "1"];
  const { status, stderr, leftBehind } = await axiscript(["run", "--board=virtual", SLOW], { through });
  assert.is(status, 130, stderr);
  assert.equal(leftBehind, []);
});

test("a time limit and an AbortSignal of the library count what V8 takes to compile", async () => {
  const runtime = await createRuntime({ board: "virtual" });
  await rejectsWith("ERR_AXI_TIMEOUT", () => runtime.run(SLOW, { timeoutMs: 200 }));
  await rejectsWith("ERR_AXI_ABORTED", () => runtime.run(SLOW, { signal: AbortSignal.timeout(200) }));
  await runtime.close();
});

/** A module that traps, and names a source map. */
function trapping(directory: string): string {
  const wasm = assemble({ importMemory: [1], start: [0x00] });
  const name = [...text("sourceMappingURL"), ...text("script.map")];
  const path = join(directory, "script.wasm");
  spawnSync("cp", [temporaryFile("script.wasm", Buffer.concat([wasm, section(0, Buffer.from(name))])), path]);
  return path;
}

for (const [what, command] of [
  ["a pipe without a writer", "mkfifo script.map"],
  ["gigabytes", "truncate --size=8G script.map"],
] as const) {
  test(`a source map that is ${what} is none`, async () => {
    const directory = temporaryDirectory();
    assert.is(spawnSync("sh", ["-c", command], { cwd: directory }).status, 0);
    const { status, stderr } = await axiscript(["run", "--board=virtual", trapping(directory)]);
    assert.is(status, 134, stderr);
    assert.match(stderr, /^ERR_AXI_TRAP: .*unreachable/);
  });
}

test("notes to a full pipe that nobody reads do not outlive --timeout", async () => {
  const source = 'import { note } from "axiscript/assembly"; while (true) note("x".repeat(1000));';
  const script = temporaryFile("note.ts", source);
  const main = join(__dirname, "../../host/cli/main.js");
  const run = `"${process.execPath}" "${main}" run --board=virtual --timeout=1s "${script}"`;
  // What sleeps holds the pipe open and does not read; the program's exit code goes past it.
  const piped = `exec 3>&1; ( { ${run} >/dev/null 2>&4; echo $? >&3; kill $(cat pid) ; } 4>&1 ) | sh -c 'echo $$ > pid; exec sleep 50'`;
  const { stdout } = spawnSync("bash", ["-c", piped], { encoding: "utf8", timeout: 55_000, cwd: temporaryDirectory() });
  assert.is(stdout.trim(), "124");
});

test.run();
