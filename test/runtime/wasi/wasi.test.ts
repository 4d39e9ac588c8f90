import { spawn } from "node:child_process";
import { fstatSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { randomNumbers } from "../../../host/board/fabric/port-timing";
import { AxiscriptError } from "../../../host/index";
import { LinearMemory } from "../../../host/memory/linear-memory";
import { ABI_TABLE } from "../../../host/runtime/abi/abi";
import { createWasi } from "../../../host/runtime/wasi/wasi";
import { PACKAGE } from "../../support/cli";
import { rejectsWith } from "../../support/expect";
import { runFile, runText } from "../../support/run-script";
import { temporaryFile } from "../../support/temporary";
import { assemble } from "../../support/wasm";

const test = suite("WASI");

const FUNCTIONS = [...(ABI_TABLE.get("wasi_snapshot_preview1") ?? [])];
/** These end a run, as they should. */
const ENDING = ["proc_exit"];

test("no call with any arguments harms the host, closes its descriptors, or blocks it", () => {
  const random = randomNumbers(5);
  const odd = [0, 1, 2, 3, 8, 64, 1024, 65535, 65536, 0x10000001, 0x20000001, 0x7fffffff, -1, -8, -0x80000000];
  const pick = () => odd[Math.floor(random() * odd.length)] ?? 0;
  const memory = new LinearMemory({ initial: 1 });
  const wasi = createWasi({ args: ["a"], env: { B: "c" }, stdin: 97, stdout: 98, stderr: 99 }, memory);
  wasi.start(new WebAssembly.Instance(new WebAssembly.Module(assemble({ start: [] })), {}));
  for (const [name, { signature }] of FUNCTIONS) {
    if (ENDING.includes(name)) continue;
    const call = wasi.imports[name] as (...args: unknown[]) => number;
    for (let round = 0; round < 500; round++) {
      memory.bytes.fill(0);
      const args = signature.parameters.map((type) => (type === "i64" ? BigInt(pick()) : pick()));
      try {
        assert.type(call(...args), "number");
      } catch (error) {
        assert.ok(error instanceof AxiscriptError, String(error));
      }
    }
  }
  for (const fd of [0, 1, 2]) fstatSync(fd);
});

test("a script that closes its streams does not close the host's", async () => {
  const { stdout } = await runText('process.stdout.close(); console.log("still there");');
  assert.is(stdout, "still there\n");
});

test("a script that sleeps is stopped in time", async () => {
  // poll_oneoff with one relative clock of 60 s at address 0, its event at 64
  const timeoutNs = 60_000_000_000n;
  const low = Number(timeoutNs & 0xffffffffn) | 0;
  const store = (address: number, value: number) => [0x41, ...leb(address), 0x41, ...leb(value), 0x36, 0x02, 0x00];
  const poll = {
    module: "wasi_snapshot_preview1",
    name: "poll_oneoff",
    parameters: ["i32" as const, "i32" as const, "i32" as const, "i32" as const],
    results: ["i32" as const],
  };
  const start = [
    ...store(16, 1),
    ...store(24, low),
    ...store(28, Number(timeoutNs >> 32n)),
    ...[0x41, 0, 0x41, ...leb(64), 0x41, 1, 0x41, ...leb(128), 0x10, 0, 0x1a],
  ];
  const module = temporaryFile("sleep.wasm", assemble({ imports: [poll], importMemory: [1], start }));
  const started = performance.now();
  await rejectsWith("ERR_AXI_TIMEOUT", () => runFile(module, {}, { timeoutMs: 300 }));
  assert.ok(performance.now() - started < 10_000);
});

test("a script reads standard input to its end, and is stopped while it waits for more", async () => {
  const script = temporaryFile(
    "stdin.ts",
    `const buffer = new ArrayBuffer(64);
     for (let n = process.stdin.read(buffer); n > 0; n = process.stdin.read(buffer)) console.log(n.toString());
     console.log("end");`,
  );
  const main = join(PACKAGE, "dist/host/cli/main.js");
  const run = (flags: string[], input: string | undefined) =>
    new Promise<{ status: number | null; stdout: string }>((resolve) => {
      const child = spawn(process.execPath, [main, "run", "--board=virtual", ...flags, script]);
      let stdout = "";
      child.stdout.on("data", (chunk: Buffer) => {
        stdout += chunk.toString();
      });
      if (input !== undefined) child.stdin.end(input);
      child.once("close", (status) => resolve({ status, stdout }));
    });
  assert.equal(await run([], "x".repeat(100)), { status: 0, stdout: "64\n36\nend\n" });
  assert.equal(await run(["--timeout", "1s"], undefined), { status: 124, stdout: "" });
});

/** Signed LEB128. */
function leb(value: number): number[] {
  const low = value & 0x7f;
  const rest = value >> 7;
  const done = (rest === 0 && (low & 0x40) === 0) || (rest === -1 && (low & 0x40) !== 0);
  return done ? [low] : [low | 0x80, ...leb(rest)];
}

test.run();
