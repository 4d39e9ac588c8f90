import { suite } from "uvu";
import * as assert from "uvu/assert";
import { rejectsWith } from "../support/expect";
import { runText } from "../support/run-script";

const test = suite("AxiTrafficGen driver");

/** A programmed board, the `hpc` core, and a buffer of several pages. */
const WITH_GENERATOR = `
import { AxiTrafficGen, DmaBuffer, FpgaManager, UioDevice, logging, virtualAddressOf, VirtualToPhysical } from "axiscript/assembly";
const firmware = "/lib/firmware/xilinx/axi_traffic_gen/axi_traffic_gen";
new FpgaManager().programBitstream(firmware + ".bit.bin", firmware + ".dtbo");
const device = UioDevice.open("AxiTrafficGen", "hpc");
const generator = new AxiTrafficGen(device);
const buffer = DmaBuffer.alloc(3 * 4096 + 256);
const paddr = buffer.segments[0].physicalAddress;
`;

test("writes the pattern and counts what matches, burst by burst", async () => {
  const { stdout } = await runText(`${WITH_GENERATOR}
generator.configAxi(0xf, 2, 1);
buffer.u8.fill(0xff);
assert(generator.write(paddr, 3) > 0);
for (let beat = 0; beat < 12; beat++) {
  for (let word = 0; word < 4; word++) assert(buffer.i32[4 * beat + word] == (word == 0 ? beat : 0));
}
assert(buffer.i32[48] == -1);
const all = generator.read(paddr, 3);
assert(all.beatsOk == 12 && all.cycles > 0);
buffer.i32[4 * 5 + 2] = 1;
assert(generator.read(paddr, 3).beatsOk == 11);
assert(generator.read(paddr + 64, 1).beatsOk == 0);
console.log("fine");`);
  assert.is(stdout, "fine\n");
});

test("goes over a buffer segment by segment", async () => {
  const { stdout } = await runText(`${WITH_GENERATOR}
buffer.u8.fill(0xff);
const written = generator.writeBuffer(buffer);
const read = generator.readBuffer(buffer);
assert(written.cycles > 0 && written.beatsOk == 0 && read.cycles > 0);
assert(read.beatsOk == buffer.lengthBytes / 16);
let at = 0;
for (let i = 0; i < buffer.segments.length; i++) {
  assert(buffer.i32[at / 4] == 0 && buffer.i32[at / 4 + 4] == 1);
  at += <i32>buffer.segments[i].lengthBytes;
}
console.log("fine");`);
  assert.is(stdout, "fine\n");
});

test("a DONE bit that somebody left set does not hold up the next transfer", async () => {
  const { stdout } = await runText(`${WITH_GENERATOR}
generator.write(paddr, 1);
generator.LENGTH = 1;
generator.pulseCONTROL_START_RD();
while (!generator.STATUS.DONE_RD) {}
assert(!generator.STATUS.READY_RD);
assert(generator.read(paddr, 1).beatsOk == 4);
console.log(generator.STATUS.READY_RD && generator.STATUS.READY_WR && !generator.STATUS.DONE_RD ? "idle" : "busy");`);
  assert.is(stdout, "idle\n");
});

test("logs what the device is", async () => {
  const { stdout } = await runText(`${WITH_GENERATOR}logging.basicConfig(logging.INFO); generator.printInfo();`);
  assert.is(stdout, "INFO:AxiTrafficGen:id  = a8172a9e\nINFO:AxiTrafficGen:ver = 00000907\n");
});

const REFUSALS = [
  ["ERR_AXI_BAD_ARGUMENT", "generator.write(paddr, 0);", /1 burst or more/],
  ["ERR_AXI_UNALIGNED", "generator.write(paddr + 16, 1);", /multiple of 64/],
  ["ERR_AXI_ADDRESS_RANGE", "generator.read(<u64>1 << 40, 1);", /40 address bits/],
  ["ERR_AXI_ADDRESS_RANGE", "generator.read((<u64>1 << 40) - 64, 2);", /40 address bits/],
  ["ERR_AXI_BAD_ARGUMENT", "generator.configAxi(16, 0, 0);", /cache is 0 to 15/],
  ["ERR_AXI_UNALIGNED", "generator.writeBuffer(DmaBuffer.of(new StaticArray<u8>(100)));", /DmaBuffer\.alloc/],
  ["ERR_AXI_NOT_READY", "generator.read(paddr, 1);", /not ready/, "never-ready"],
  ["ERR_AXI_TRANSFER_TIMEOUT", "generator.timeoutMs = 20; generator.read(paddr, 1);", /20 ms/, "never-done"],
] as const;
for (const [code, statement, text, fault] of REFUSALS) {
  test(`${statement} is refused with ${code}${fault ? ` (${fault})` : ""}`, async () => {
    const faults = fault ? { faults: { hpc: fault } } : {};
    const error = await rejectsWith(code, () => runText(`${WITH_GENERATOR}${statement}`, faults));
    assert.match(error.message, text);
    assert.match(error.message, "AxiTrafficGen:hpc");
  });
}

test("a line that an array has only in part is not written, wherever in the range it is", async () => {
  const source = `${WITH_GENERATOR}
const lent = DmaBuffer.of(new StaticArray<u8>(9999));
const last = lent.segments[lent.segments.length - 1];
const line = (last.physicalAddress + last.lengthBytes - 1) & ~63;
const before = line - 64 >= last.physicalAddress ? line - 64 : line;
generator.write(before, <u32>((line - before) / 64) + 1);`;
  const { message } = await rejectsWith("ERR_AXI_SHARED_CACHE_LINE", () => runText(source));
  assert.match(message, /changes (64|128) bytes/);
});

test("a device that is no AXI Traffic Generator is refused with what its ID register reads", async () => {
  const source = `
import { AxiTrafficGen, FpgaManager, UioDevice } from "axiscript/assembly";
const firmware = "/lib/firmware/xilinx/axi_proxy/axi_proxy";
new FpgaManager().programBitstream(firmware + ".bit.bin", firmware + ".dtbo");
new AxiTrafficGen(UioDevice.open("AxiProxy", "hp"));`;
  assert.match((await rejectsWith("ERR_AXI_WRONG_DEVICE", () => runText(source))).message, "a8122081");
});

test.run();
