import { closeSync, openSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { axiscript, type CliOptions, type CliResult } from "../support/cli";
import { tameScript } from "../support/random-modules";
import { WITH_PROXY } from "../support/run-script";
import { temporaryFile } from "../support/temporary";

const test = suite("scripts without end");

/** Has a device open and memory pinned when it comes to what does not end. */
const HOLDING = `${WITH_PROXY}
new VirtualToPhysical().getPhysicalAddress(virtualAddressOf(new CacheLineArray<i32>(16)));
`;

interface Expected {
  readonly status: number;
  /** Of the one message, after its code. */
  readonly message: RegExp;
}

/** Runs a script; it ends as expected, says so once, and leaves nothing. */
async function endsWith(
  { status, message }: Expected,
  script: string,
  flags: readonly string[],
  options: CliOptions = {},
): Promise<CliResult> {
  const result = await axiscript(["run", "--board=virtual", ...flags, script], options);
  assert.is(result.status, status, result.stderr);
  // What a script or the host tells besides begins so.
  const lines = result.stderr.split("\n").filter((line) => !line.startsWith("axiscript: "));
  assert.match(lines.join("\n"), message);
  const [, ...rest] = lines.join("\n").trimEnd().split("\n");
  const others = rest.filter((line) => !/^ {4}(?:at|near) /.test(line));
  assert.equal(others, [], "more than one message");
  assert.equal(result.leftBehind, []);
  return result;
}

test("recursion without end is a trap at its line, which is told once", async () => {
  const script = temporaryFile(
    "recursion.ts",
    `${HOLDING}function down(n: i32): i32 { return down(n + 1) + 1; }\nconsole.log(down(0).toString());`,
  );
  const expected = { status: 134, message: /^ERR_AXI_TRAP: The script trapped: its call stack is exhausted/ };
  const { stderr } = await endsWith(expected, script, []);
  assert.match(stderr, /recursion\.ts:\d+:\d+ \(down\), \d+ times or more/);
});

/** The memory that a script had, which prints its pages after each step: more than half of the limit, and no more. */
function assertEndedAtLimit(stdout: string, limitBytes: number): void {
  const bytes = 65536 * Math.max(...stdout.trim().split("\n").map(Number));
  assert.ok(bytes > limitBytes / 2 && bytes <= limitBytes, `${bytes}`);
}

test("allocation without end ends at --max-memory", async () => {
  const script = temporaryFile(
    "allocation.ts",
    `${HOLDING}const kept: ArrayBuffer[] = [];
    while (true) {
      kept.push(new ArrayBuffer(1 << 20));
      console.log(memory.size().toString());
    }`,
  );
  const expected = { status: 1, message: /^ERR_AXI_OUT_OF_MEMORY: .*67108864 bytes .*--max-memory/ };
  assertEndedAtLimit((await endsWith(expected, script, ["--max-memory=64M"])).stdout, 2 ** 26);
});

test("memory for devices without end ends at --max-memory", async () => {
  const script = temporaryFile(
    "buffers.ts",
    `import { DmaBuffer } from "axiscript/assembly";${HOLDING}
    const kept: DmaBuffer[] = [];
    while (true) {
      kept.push(DmaBuffer.alloc(1 << 20));
      console.log(memory.size().toString());
    }`,
  );
  // An ordinary user may not pin that much.
  const expected = { status: 1, message: /^ERR_AXI_(?:OUT_OF_MEMORY|PIN): / };
  const { stdout, stderr } = await endsWith(expected, script, ["--max-memory=64M"]);
  if (!stderr.includes("ERR_AXI_PIN")) assertEndedAtLimit(stdout, 2 ** 26);
});

test("printing without end ends at --max-output, to the byte", async () => {
  const script = temporaryFile("print.ts", `${HOLDING}while (true) console.log("${"y".repeat(99)}");`);
  const expected = { status: 1, message: /^ERR_AXI_LIMIT: .*printed more than 65536 bytes/ };
  const { stdout } = await endsWith(expected, script, ["--max-output=64K"]);
  assert.is(stdout.length, 65536);
});

/** Prints 64 KiB again and again, whatever comes of it. */
const STUBBORN = `
  (i32.store (i32.const 0) (i32.const 1024))
  (i32.store (i32.const 4) (i32.const 65536))
  (loop $ever
    (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))
    (br $ever))`;

async function stubborn(): Promise<string> {
  return temporaryFile("stubborn.wasm", await tameScript({ design: "axi_proxy", port: "hpc" }, STUBBORN));
}

const TIMED_OUT: Expected = { status: 124, message: /^ERR_AXI_TIMEOUT: .*2000 ms/ };

test("printing without end to a pipe that nobody reads ends at --timeout", async () => {
  await endsWith(TIMED_OUT, await stubborn(), ["--timeout=2s"], { stdout: "unread" });
});

test("printing without end to a full disk ends at --timeout, if the script does not heed it", async () => {
  const full = openSync("/dev/full", "w");
  await endsWith(TIMED_OUT, await stubborn(), ["--timeout=2s"], { stdout: full });
  closeSync(full);
});

test("printing without end to a reader that is gone ends quietly, though the script does not heed it", async () => {
  await endsWith({ status: 141, message: /^$/ }, await stubborn(), [], { stdout: "closed" });
});

test("telling without end ends at --max-output", async () => {
  const script = temporaryFile(
    "note.ts",
    `import { note } from "axiscript/assembly";\nwhile (true) note("z".repeat(99));`,
  );
  const result = await axiscript(["run", "--board=virtual", "--max-output=64K", script]);
  assert.is(result.status, 1);
  assert.match(result.stderr, /^ERR_AXI_LIMIT: .*printed more than 65536 bytes/m);
  assert.ok(result.stderr.length < 2 * 65536, `${result.stderr.length}`);
  assert.equal(result.leftBehind, []);
});

test.run();
