import { suite } from "uvu";
import * as assert from "uvu/assert";
import { runCase } from "../support/case";

const test = suite("axi-dma-both-channels");

/** The two channels of an AXI DMA in direct register mode (AMD PG021), with a FIFO of 1 KiB from one to the other. */
const CORE = {
  kind: "dma",
  model: `const [CONTROL, STATUS, ADDRESS, UPPER, LENGTH] = [0, 4, 0x18, 0x1c, 0x28];
class Channel {
  running = false; address = 0; upper = 0; length = 0; left = 0; moved = 0; at = 0; ended = false;
  get status() { return (this.running ? 0 : 1) | (this.running && this.left === 0 ? 2 : 0) | (this.ended ? 0x1000 : 0); }
  read(offset) { return offset === CONTROL ? Number(this.running) : offset === STATUS ? this.status
    : offset === ADDRESS ? this.address : offset === UPPER ? this.upper : offset === LENGTH ? this.length : 0; }
  write(offset, value) {
    if (offset === CONTROL) this.running = (value & 1) === 1;
    if (offset === STATUS && value & 0x1000) this.ended = false;
    if (offset === ADDRESS) this.address = value;
    if (offset === UPPER) this.upper = value;
    if (offset !== LENGTH) return;
    Object.assign(this, { length: value, left: value, moved: 0, at: this.upper * 2 ** 32 + this.address });
    trace("length " + value);
  }
  step(bytes) { this.at += bytes; this.left -= bytes; this.moved += bytes; this.ended = this.left === 0; }
}
export default { kind: "dma", uioName: "Dma", registerBytes: 0x60, handshake: [0x04, 0x34, 0x28, 0x58],
  cores: [{ address: 0xa0100000, port: "hpc" }],
  create: ({ bus }) => {
    const [send, receive] = [new Channel(), new Channel()];
    const fifo = [];
    const of = (offset) => offset < 0x30 ? [send, offset] : [receive, offset - 0x30];
    return {
      get busy() { return send.left > 0 || receive.left > 0; },
      regRead: (offset) => { const [channel, at] = of(offset); return channel.read(at); },
      regWrite: (offset, value) => { const [channel, at] = of(offset); channel.write(at, value); },
      advance(cycles) {
        for (let credit = cycles; credit >= 8; credit -= 8) {
          if (send.left > 0 && fifo.length + 64 <= 1024) {
            const bytes = new Uint8Array(Math.min(64, send.left));
            bus.read(send.at, bytes);
            fifo.push(...bytes);
            send.step(bytes.length);
          }
          if (receive.left > 0 && fifo.length > 0) {
            const bytes = Uint8Array.from(fifo.splice(0, Math.min(64, receive.left)));
            bus.write(receive.at, bytes);
            receive.step(bytes.length);
          }
        }
      },
    };
  } };`,
  description: {
    ...{ kind: "Dma", summary: "Two channels, and a FIFO.", source: "AMD PG021", match: { uioNames: ["Dma"] } },
    registers: ["MM2S", "S2MM"].flatMap((name, index) => [
      { name: `${name}_DMACR`, offset: 0x30 * index, access: "RW", fields: [{ name: "RS", bits: 0 }] },
      {
        ...{ name: `${name}_DMASR`, offset: 0x30 * index + 4, access: "RW" },
        fields: [
          { name: "HALTED", bits: 0, access: "RO" },
          { name: "IDLE", bits: 1, access: "RO" },
          { name: "IOC", bits: 12, access: "W1C" },
        ],
      },
      { name: `${name}_ADDRESS`, offset: 0x30 * index + 0x18, access: "RW" },
      { name: `${name}_UPPER`, offset: 0x30 * index + 0x1c, access: "RW" },
      {
        ...{ name: `${name}_LENGTH`, offset: 0x30 * index + 0x28, access: "RW" },
        fields: [{ name: "BYTES", bits: "13:0" }],
      },
    ]),
    dma: {
      ...{ alignmentBytes: 4, burstBytes: 64 },
      transfers: ["MM2S", "S2MM"].map((name, index) => ({
        ...{ name, direction: index === 0 ? "reads" : "writes", start: `${name}_LENGTH` },
        address: { low: `${name}_ADDRESS`, high: `${name}_UPPER`, bits: 40 },
        length: { register: `${name}_LENGTH.BYTES`, unitBytes: 1 },
        idle: [{ anyOf: [{ [`${name}_DMASR.IDLE`]: 1 }, { [`${name}_DMASR.HALTED`]: 1 }] }],
        done: { [`${name}_DMASR.IOC`]: 1 },
      })),
    },
  },
};

const LOOP = `
const dma = UioDevice.open("Dma");
const order = process.argv[1];
const length = I32.parseInt(process.argv[2]);
const source = DmaBuffer.alloc(8192, { contiguous: Contiguous.Single });
const target = DmaBuffer.alloc(8192, { contiguous: Contiguous.Single });
for (let i = 0; i < length; i++) source.u8[i] = <u8>(i * 3 + 1);
dma.write32(0x00, 1);
dma.write32(0x30, 1);
function prepare(base: u32, at: u64): void {
  dma.write32(base + 0x18, <u32>at);
  dma.write32(base + 0x1c, <u32>(at >> 32));
}
function finish(base: u32): void {
  if (!dma.poll32(base + 4, 0x1002, 0x1002, 5000)) throw new Error("not done");
  dma.write32(base + 4, 0x1000);
}
{
  if (order == "together") { prepare(0, source.physicalAddress); prepare(0x30, target.physicalAddress); }
  if (order == "receive" || order == "together") {
    if (order == "receive") prepare(0x30, target.physicalAddress);
    dma.write32(0x58, length);
    // The receiver is armed, and at work, for a while.
    for (const end = Date.now() + 20; Date.now() < end; ) {}
  }
  if (order != "together") prepare(0, source.physicalAddress);
  dma.write32(0x28, length);
  if (order == "send") { prepare(0x30, target.physicalAddress); dma.write32(0x58, length); }
  finish(0x30);
  finish(0);
  let wrong = 0;
  for (let i = 0; i < length; i++) if (target.u8[i] != source.u8[i]) wrong++;
  console.log(wrong.toString());
}
source.free();
target.free();
`;

for (const order of ["receive", "send", "together"]) {
  for (const length of ["64", "4096"]) {
    test(`loops ${length} bytes back, in the order "${order}"`, async () => {
      const { stdout, error, trace } = await runCase({ ...CORE, script: LOOP }, [order, length]);
      assert.is(error, undefined);
      assert.is(stdout, "0\n");
      assert.is(trace.length, 2);
    });
  }
}

test("a channel that is at work keeps its parameters, and the memory of both", async () => {
  for (const [statement, message] of [
    ["dma.write32(0x48, 0);", /^ERR_AXI_DMA_REFUSED: .*S2MM_ADDRESS/],
    ["dma.write32(0x58, 64);", /^ERR_AXI_DMA_REFUSED: .*S2MM_LENGTH/],
    ["source.free();", /^ERR_AXI_DEVICE_BUSY/],
  ] as const) {
    const script = LOOP.replace("// The receiver", `${statement} // The receiver`);
    const { error } = await runCase({ ...CORE, script }, ["receive", "64"]);
    assert.match(error ?? "", message);
  }
});

test.run();
