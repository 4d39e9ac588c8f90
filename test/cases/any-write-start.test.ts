import { suite } from "uvu";
import * as assert from "uvu/assert";
import { runCase } from "../support/case";

const test = suite("any-write-start");

/** Every write of RING fills 64 bytes at ADDRESS. DONE is shown from then on, until the next ring. */
const CORE = {
  kind: "bell",
  model: `export default { kind: "bell", uioName: "Bell", registerBytes: 0x14, handshake: [0x10, 0x0c, 0x00],
  cores: [{ address: 0xa0100000, port: "hpc" }],
  create: ({ bus }) => {
    const words = new Map();
    let rings = 0;
    return {
      // Never what software writes, so that the board sees every write.
      regRead: (offset) => offset === 0 ? 0x51000000 : offset === 0x0c ? (rings > 0 ? 1 : 0) : offset === 0x10 ? rings : words.get(offset) ?? 0,
      regWrite(offset, value) {
        if (offset !== 0) return void words.set(offset, value);
        const at = (words.get(8) ?? 0) * 2 ** 32 + (words.get(4) ?? 0);
        trace("ring " + ++rings + " with " + value + ": " + bus.write(at, new Uint8Array(64).fill(rings)));
      },
    };
  } };`,
  description: {
    ...{ kind: "Bell", summary: "Fills memory whenever it is rung.", match: { uioNames: ["Bell"] } },
    registers: [
      { name: "RING", offset: 0, access: "RW" },
      { name: "ADDRESS_LO", offset: 4, access: "RW" },
      { name: "ADDRESS_HI", offset: 8, access: "RW" },
      {
        name: "STATUS",
        offset: 12,
        access: "RO",
        fields: [
          { name: "DONE", bits: 0 },
          { name: "BUSY", bits: 1 },
        ],
      },
      { name: "RINGS", offset: 16, access: "RO" },
    ],
    dma: {
      address: { low: "ADDRESS_LO", high: "ADDRESS_HI", bits: 40 },
      ...{ length: { bytes: 64 }, alignmentBytes: 64, burstBytes: 64 },
      transfers: [{ name: "fill", direction: "writes", start: "RING", done: { "STATUS.DONE": 1 } }],
    },
    idle: [{ "STATUS.BUSY": 0 }],
  },
};

const RING = `
const bell = UioDevice.open("Bell");
const buffer = DmaBuffer.alloc(4096);
const at = buffer.segments[0].physicalAddress;
bell.write32(4, <u32>at);
bell.write32(8, <u32>(at >> 32));
bell.write32(0, I32.parseInt(process.argv[1]));
if (!bell.poll32(16, 0xffffffff, 1, 5000)) throw new Error("no ring");
console.log(buffer.u8[63].toString());
`;

for (const value of ["0", "1"]) {
  test(`a ring with ${value} is a start: checked, and at work until it is done`, async () => {
    const script = `${RING}buffer.free();\nconsole.log("freed");`;
    const { stdout, error, trace } = await runCase({ ...CORE, script }, [value]);
    assert.is(error, undefined);
    assert.is(stdout, "1\nfreed\n");
    assert.equal(trace, [`ring 1 with ${value}: OKAY`]);
  });
}

test("once the memory is free, a ring with 0 is refused, and the device hears nothing of it", async () => {
  const script = `${RING}buffer.free();\nbell.write32(0, 0);\nconsole.log("rung");`;
  const { stdout, error, trace } = await runCase({ ...CORE, script }, ["1"]);
  assert.match(
    error ?? "",
    /^ERR_AXI_DMA_REFUSED: .*"fill" of device Bell.*not all memory that this script was granted/,
  );
  assert.is(stdout, "1\n");
  assert.is(trace.length, 1);
});

test.run();
