import { suite } from "uvu";
import * as assert from "uvu/assert";
import { runCase } from "../support/case";

const test = suite("length-minus-one, length-read-back");

/** GO fills memory: X_LENGTH + 1 bytes of it; but never more than 4096, and LENGTH then holds how many they were. */
const CORE = {
  kind: "filler",
  model: `export default { kind: "filler", uioName: "Filler", registerBytes: 0x18, handshake: [0x04, 0x14, 0x00],
  cores: [{ address: 0xa0100000, port: "hpc" }],
  create: ({ bus }) => {
    const words = new Map();
    let count = 0;
    return {
      regRead: (offset) => offset === 0 || offset === 4 ? 0 : offset === 0x14 ? count : words.get(offset) ?? 0,
      regWrite(offset, value) {
        if (offset !== 0) return void words.set(offset, value);
        if ((value & 1) === 0) return;
        const at = (words.get(12) ?? 0) * 2 ** 32 + (words.get(8) ?? 0);
        const length = Math.min(4096, (words.get(16) ?? 0) + 1);
        for (let done = 0; done < length; done += 64) {
          bus.write(at + done, new Uint8Array(Math.min(64, length - done)).fill(0x77));
        }
        trace(length + " bytes");
        words.set(16, length - 1);
        count++;
      },
    };
  } };`,
  description: {
    ...{ kind: "Filler", summary: "Holds bytes minus one.", match: { uioNames: ["Filler"] } },
    registers: [
      { name: "SUBMIT", offset: 0, access: "RW", fields: [{ name: "GO", bits: 0, access: "pulse" }] },
      { name: "STATUS", offset: 4, access: "RO", fields: [{ name: "BUSY", bits: 0 }] },
      { name: "ADDRESS", offset: 8, access: "RW" },
      { name: "ADDRESS_HI", offset: 12, access: "RW" },
      { name: "X_LENGTH", offset: 16, access: "RW" },
      { name: "COUNT", offset: 20, access: "RO" },
    ],
    dma: {
      address: { low: "ADDRESS", high: "ADDRESS_HI", bits: 40 },
      length: { register: "X_LENGTH", unitBytes: 1, encoding: "units-minus-one" },
      ...{ alignmentBytes: 64, burstBytes: 64, busyWithinUs: 0 },
      transfers: [{ name: "fill", direction: "writes", start: "SUBMIT.GO" }],
    },
    idle: [{ "STATUS.BUSY": 0 }],
  },
};
const START = `
const filler = UioDevice.open("Filler");
const buffer = DmaBuffer.alloc(I32.parseInt(process.argv[1]), { contiguous: Contiguous.Single });
const at = buffer.physicalAddress;
filler.write32(8, <u32>at);
filler.write32(12, <u32>(at >> 32));
filler.write32(16, <u32>I32.parseInt(process.argv[2]));
filler.write32(0, 1);
if (!filler.poll32(20, 0xffffffff, 1, 5000)) throw new Error("not done");
`;

test("as many bytes as are granted are moved with one less in the register, and one byte with 0", async () => {
  for (const [bytes, value] of [
    [64, 63],
    [64, 0],
  ] as const) {
    const script = `${START}console.log(buffer.u8[${value}].toString());`;
    const { stdout, error, trace } = await runCase({ ...CORE, script }, [String(bytes), String(value)]);
    assert.is(error, undefined);
    assert.is(stdout, "119\n");
    assert.equal(trace, [`${value + 1} bytes`]);
  }
});

test("one byte more is refused, and the device moves nothing", async () => {
  const { error, trace } = await runCase({ ...CORE, script: START }, ["64", "64"]);
  assert.match(error ?? "", /^ERR_AXI_DMA_REFUSED: .*65 bytes at physical address/);
  assert.equal(trace, []);
});

test("a length that the device changes reads as the device has it once the transfer is over", async () => {
  const script = `${START}
console.log(filler.read32(16).toString());
console.log(filler.poll32(16, 0xffffffff, 4095, 1000) ? "polled" : "not polled");
filler.write32(16, 99);
console.log(filler.read32(16).toString());`;
  const { stdout, error } = await runCase({ ...CORE, script }, ["8192", "8191"]);
  assert.is(error, undefined);
  assert.is(stdout, "4095\npolled\n99\n");
});

test.run();
