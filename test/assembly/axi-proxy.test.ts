import { readFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { rejectsWith } from "../support/expect";
import { runText, WITH_PROXY } from "../support/run-script";
import { addUioDevice } from "../support/uio-device";
import { temporaryDirectory } from "../support/temporary";

const test = suite("AxiProxy driver");

const TARGET = `${WITH_PROXY}
const proxy = new AxiProxy(device);
const xs = CacheLineArray.arange<i32>(48);
const paddr = new VirtualToPhysical().getPhysicalAddress(virtualAddressOf(xs));
`;

test("reads what the script wrote, and the script sees what the device wrote", async () => {
  const { stdout } = await runText(`${TARGET}
proxy.configAxi(0xf, 2, 1);
console.log(list(proxy.read(paddr + 64).words));
proxy.write(paddr + 64, [100, 200, 300, 400]);
console.log(xs.toString());`);
  const [words, array = ""] = stdout.split("\n");
  assert.is(words, "[16, 17, 18, 19]");
  const expected = Array.from({ length: 48 }, (_, i) => (i < 16 || i >= 32 ? i : i < 20 ? (i - 15) * 100 : 0));
  assert.equal(JSON.parse(array), expected);
});

test("hundreds of transfers in a row bring the right data each time", async () => {
  const { stdout } = await runText(`${TARGET}
for (let i: i32 = 0; i < 500; i++) {
  const words: i32[] = [i, i * 3, ~i, i << 16];
  proxy.write(paddr, words);
  for (let k = 0; k < 16; k++) assert(xs[k] == (k < 4 ? words[k] : 0));
  xs[2] = i * 7;
  assert(proxy.read(paddr).words[2] == i * 7);
}
console.log("fine");`);
  assert.is(stdout, "fine\n");
});

for (const [kind, words] of [
  ["Array<i32>", "[1, 2, 3, -4]"],
  ["StaticArray<u32>", "StaticArray.fromArray<u32>([1, 2, 3, 0xfffffffc])"],
  ["Int32Array", 'Int32Array.wrap(Uint8Array.wrap(String.UTF16.encode("abcdefgh")).buffer)'],
  ["CacheLineArray<u32>", "CacheLineArray.arange<u32>(4)"],
] as const) {
  test(`writes words out of ${kind}`, async () => {
    const { stdout } = await runText(`${TARGET}
const words = ${words};
proxy.write(paddr, words);
for (let i = 0; i < 4; i++) assert(<u32>xs[i] == <u32>words[i]);
console.log("fine");`);
    assert.is(stdout, "fine\n");
  });
}

test("durations are what was measured on hardware", async () => {
  const { stdout } = await runText(`${TARGET}
for (let i = 0; i < 20; i++) console.log(proxy.write(paddr, [1, 2, 3, 4]).toString() + " " + proxy.read(paddr).cycles.toString());`);
  const durations = stdout
    .trim()
    .split("\n")
    .map((line) => line.split(" ").map(Number));
  for (const [index, [write = 0, read = 0]] of durations.entries()) {
    assert.ok(write >= 46 && write <= (index === 0 ? 47 : 71), `write ${write}`);
    assert.ok(read >= 40 && read <= (index === 0 ? 43 : 73), `read ${read}`);
  }
});

const REFUSALS = [
  ["ERR_AXI_WORD_COUNT", "proxy.write(paddr, [1, 2, 3]);", /exactly 4 words.*found 3/],
  ["ERR_AXI_WORD_COUNT", "proxy.write(paddr, [1, 2, 3, 4, 5]);", /found 5/],
  ["ERR_AXI_UNALIGNED", "proxy.write(paddr + 4, [1, 2, 3, 4]);", /multiple of 64.*0x[0-9a-f]+4\b/],
  ["ERR_AXI_UNALIGNED", "proxy.read(paddr + 32);", /multiple of 64/],
  ["ERR_AXI_ADDRESS_RANGE", "proxy.read(<u64>1 << 40);", /40 address bits.*0x10000000000/],
  ["ERR_AXI_BAD_ARGUMENT", "proxy.configAxi(16, 0, 0);", /cache is 0 to 15/],
  ["ERR_AXI_BAD_ARGUMENT", "proxy.configAxi(0, 8, 0);", /prot 0 to 7/],
  ["ERR_AXI_BAD_ARGUMENT", "proxy.configAxi(0, 0, 4);", /user 0 to 3/],
] as const;

for (const [code, statement, text] of REFUSALS) {
  test(`${statement} is refused with ${code}, at its line`, async () => {
    const source = `${TARGET}${statement}`;
    const error = await rejectsWith(code, () => runText(source));
    assert.match(error.message, text);
    assert.match(error.message, "AxiProxy:hpc");
    assert.is(error.scriptStack[0]?.line, source.split("\n").length);
  });
}

test("a refused write changes nothing", async () => {
  const { stdout } = await runText(`${TARGET}
const status = device.read32(0x10);
console.log(status.toString() + " " + device.read32(0x60).toString() + " " + xs[0].toString());
if (process.argv.length > 5) proxy.write(paddr + 4, [1, 2, 3, 4]);`);
  assert.is(stdout, "768 0 0\n");
});

test("a device that is not ready is refused", async () => {
  const error = await rejectsWith("ERR_AXI_NOT_READY", () =>
    runText(`${TARGET}proxy.read(paddr);`, { faults: { hpc: "never-ready" } }),
  );
  assert.match(error.message, "not ready");
});

test("a transfer that never finishes ends at the deadline: one second, or what the script says", async () => {
  const faults = { hpc: "never-done" } as const;
  const started = performance.now();
  const error = await rejectsWith("ERR_AXI_TRANSFER_TIMEOUT", () => runText(`${TARGET}proxy.read(paddr);`, { faults }));
  assert.ok(performance.now() - started >= 1000);
  assert.match(error.message, "1000 ms");
  const quick = await rejectsWith("ERR_AXI_TRANSFER_TIMEOUT", () =>
    runText(`${TARGET}proxy.timeoutMs = 20; proxy.write(paddr, [1, 2, 3, 4]);`, { faults }),
  );
  assert.match(quick.message, "20 ms");
});

test("a DONE bit that somebody left set is not taken for this transfer's", async () => {
  const { stdout } = await runText(`${TARGET}
device.write32(0x40, <u32>paddr); device.write32(0x44, <u32>(paddr >> 32));
device.write32(0x14, 2);
while ((device.read32(0x10) & 2) == 0) {}
console.log(list(proxy.read(paddr + 128).words));`);
  assert.is(stdout, "[32, 33, 34, 35]\n");
});

test("a device that is no AXI Proxy is refused with what its ID register reads", async () => {
  const sysroot = temporaryDirectory();
  addUioDevice(sysroot, "uio0", { name: "Other", registers: Buffer.alloc(4096, 0x5a) });
  const source = `
import { AxiProxy, UioDevice } from "axiscript/assembly";
new AxiProxy(UioDevice.open("Other"));`;
  const { message } = await rejectsWith("ERR_AXI_WRONG_DEVICE", () =>
    runText(source, { board: "linux", sysroot, permissions: { allow: { device: true, uncheckedDma: true } } }),
  );
  assert.match(message, "5a5a5a5a");
  assert.ok(readFileSync(join(sysroot, "dev/uio0")).every((byte) => byte === 0x5a));
});

test.run();
