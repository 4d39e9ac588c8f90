import { suite } from "uvu";
import * as assert from "uvu/assert";
import { runCase } from "../support/case";

const test = suite("flush-of-unchecked");

/** GO reads 64 bytes at SOURCE; a write of PUSH writes 64 bytes at TARGET. */
const CORE = {
  kind: "pair",
  model: `export default { kind: "pair", uioName: "Pair", registerBytes: 0x1c, handshake: [0x18, 0x04, 0x00],
  cores: [{ address: 0xa0100000, port: "hpc" }],
  create: ({ bus }) => {
    const words = new Map();
    let count = 0;
    const at = (offset) => (words.get(offset + 4) ?? 0) * 2 ** 32 + (words.get(offset) ?? 0);
    return {
      regRead: (offset) => offset === 0 ? 0 : offset === 4 ? 0x51000000 : offset === 0x18 ? count : words.get(offset) ?? 0,
      regWrite(offset, value) {
        if (offset >= 8) return void words.set(offset, value);
        if (offset === 0 && (value & 1) === 0) return;
        trace(offset === 0 ? "read " + bus.read(at(8), new Uint8Array(64)) : "write " + bus.write(at(16), new Uint8Array(64).fill(0x66)));
        trace("target " + at(16).toString(16));
        count++;
      },
    };
  } };`,
  description: {
    ...{ kind: "Pair", summary: "A reader and a writer.", match: { uioNames: ["Pair"] } },
    registers: [
      { name: "CONTROL", offset: 0, access: "RW", fields: [{ name: "GO", bits: 0, access: "pulse" }] },
      { name: "PUSH", offset: 4, access: "RW" },
      { name: "SOURCE", offset: 8, access: "RW" },
      { name: "SOURCE_HI", offset: 12, access: "RW" },
      { name: "TARGET", offset: 16, access: "RW" },
      { name: "TARGET_HI", offset: 20, access: "RW" },
      { name: "COUNT", offset: 24, access: "RO" },
    ],
    dma: {
      ...{ length: { bytes: 64 }, alignmentBytes: 64, burstBytes: 64 },
      transfers: [
        {
          ...{ name: "read", direction: "reads", start: "CONTROL.GO", busyWithinUs: 0 },
          address: { low: "SOURCE", high: "SOURCE_HI", bits: 40 },
          idle: [{ "CONTROL.GO": 0 }],
        },
        {
          ...{ name: "write", direction: "writes", start: "PUSH" },
          address: { low: "TARGET", high: "TARGET_HI", bits: 40 },
          ...{ idle: [{ "CONTROL.GO": 0 }], done: { COUNT: 2 } },
        },
      ],
    },
  },
};

const READ = `
const pair = UioDevice.open("Pair");
const own = DmaBuffer.alloc(4096);
own.restrict(1);
const at = own.segments[0].physicalAddress;
pair.write32(16, 0x7e005000);
pair.write32(20, 0xff);
pair.write32(8, <u32>at);
pair.write32(12, <u32>(at >> 32));
pair.write32(0, 1);
if (!pair.poll32(24, 0xffffffff, 1, 5000)) throw new Error("no read");
console.log("read");
`;

test("a start that is checked gives the device no address of another transfer", async () => {
  const { error, trace } = await runCase({ ...CORE, script: READ });
  assert.is(error, undefined);
  assert.equal(trace, ["read OKAY", "target 0"]);
});

test("the other transfer is checked with its own address when it is started", async () => {
  const { stdout, error, trace } = await runCase({ ...CORE, script: `${READ}pair.write32(4, 0);` });
  assert.match(error ?? "", /^ERR_AXI_DMA_REFUSED: .*64 bytes at physical address 0xff7e005000 are not all memory/);
  assert.is(stdout, "read\n");
  assert.equal(trace, ["read OKAY", "target 0"]);
});

test.run();
