import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { createRuntime } from "../../host/index";
import { axiscript, type CliResult } from "../support/cli";
import { rejectsWith } from "../support/expect";
import { WITH_PROXY } from "../support/run-script";
import { temporaryDirectory, temporaryFile } from "../support/temporary";
import { assemble } from "../support/wasm";

const test = suite("loops round instructions that take long");

const [LOOP, VOID, AGAIN, END, I32] = [0x03, 0x40, [0x0c, 0x00], 0x0b, 0x41];
const MEBIBYTES_64 = [0x80, 0x80, 0x80, 0x20];
/** Of 64 MiB each, in a memory of 128. */
const INSTRUCTIONS = {
  "memory.fill": [I32, 0, I32, 1, I32, ...MEBIBYTES_64, 0xfc, 0x0b, 0],
  "memory.copy": [I32, 0, I32, ...MEBIBYTES_64, I32, ...MEBIBYTES_64, 0xfc, 0x0a, 0, 0],
} as const;

function endless(name: keyof typeof INSTRUCTIONS): string {
  const start = [LOOP, VOID, ...INSTRUCTIONS[name], ...AGAIN, END];
  return temporaryFile("bulk.wasm", assemble({ importMemory: [2048], start }));
}

/** Has a device that did something and was not acknowledged, and memory that it was given, when it comes to the loop. */
const WITH_DEVICE = `${WITH_PROXY}
const xs = new CacheLineArray<i32>(16);
const paddr = new VirtualToPhysical().getPhysicalAddress(virtualAddressOf(xs));
device.write32(0x40, <u32>paddr);
device.write32(0x44, <u32>(paddr >> 32));
device.write32(0x14, 1);
const place = <usize>memory.grow(2048) << 16;
console.log("filling");
for (;;) memory.fill(place, 1, 1 << 26);`;
const CONTROL = 0x14;

/** CONTROL of every AXI Proxy on a board that is kept. */
function controls(sysroot: string): number[] {
  const devices = readdirSync(join(sysroot, "sys/class/uio")).filter((id) =>
    readFileSync(join(sysroot, "sys/class/uio", id, "name"), "utf8").startsWith("AxiProxy"),
  );
  return devices.map((id) => readFileSync(join(sysroot, "dev", id)).readUInt32LE(CONTROL));
}

/** Interrupts a run as soon as it has printed something. */
function interrupted(script: string, flags: readonly string[] = []): Promise<CliResult> {
  return axiscript(["run", "--board=virtual", ...flags, script], {
    onOutput: (_, child) => child.kill("SIGINT"),
  });
}

for (const name of ["memory.fill", "memory.copy"] as const) {
  test(`--timeout stops a loop round ${name}`, async () => {
    const { status, stderr, leftBehind } = await axiscript([
      ...["run", "--board=virtual", "--timeout", "1s"],
      endless(name),
    ]);
    assert.is(status, 124, stderr);
    assert.match(stderr, /^ERR_AXI_TIMEOUT: .*1000 ms/);
    assert.equal(leftBehind, []);
  });

  test(`a time limit and an AbortSignal of the library stop a loop round ${name}, and its thread`, async () => {
    const runtime = await createRuntime({ board: "virtual" });
    await rejectsWith("ERR_AXI_TIMEOUT", () => runtime.run(endless(name), { timeoutMs: 300 }));
    await rejectsWith("ERR_AXI_ABORTED", () => runtime.run(endless(name), { signal: AbortSignal.timeout(300) }));
    await rejectsWith("ERR_AXI_TIMEOUT", () => runtime.runSync(endless(name), { timeoutMs: 300 }));
    await runtime.close();
  });
}

test("Ctrl-C stops a loop round memory.fill; its device is at rest, and nothing is left", async () => {
  const sysroot = join(temporaryDirectory(), "board");
  const { status, stderr } = await interrupted(temporaryFile("script.ts", WITH_DEVICE), ["--sysroot", sysroot]);
  assert.is(status, 130, stderr);
  assert.match(stderr, "ERR_AXI_INTERRUPTED: The script was stopped by SIGINT.");
  assert.equal(controls(sysroot), [0, 0, 0]);
  const next = temporaryFile("next.ts", `${WITH_PROXY}console.log("went on");`);
  const { stdout } = await axiscript(["run", "--board=virtual", "--sysroot", sysroot, next]);
  assert.match(stdout, "went on");
});

test("a single instruction that fills gigabytes ends with the program", async () => {
  const source = `
const place = <usize>memory.grow(32768) << 16;
console.log("filling");
memory.fill(place, 1, 1 << 31);
for (;;) {}`;
  const { status, stderr, leftBehind } = await interrupted(temporaryFile("script.ts", source), ["--max-memory=3G"]);
  assert.is(status, 130, stderr);
  assert.equal(leftBehind, []);
});

test.run();
