import { readFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { runCase } from "../support/case";
import { PACKAGE } from "../support/cli";

const test = suite("busy-of-the-documented-example");

interface Documented {
  readonly match: object;
  readonly registers: object[];
  readonly dma: { readonly address: object };
}

/** The example of docs/devices.md, for any position, and with an address that has an upper half. */
function documented(): Record<string, unknown> {
  const text = readFileSync(join(PACKAGE, "docs/devices.md"), "utf8");
  const [, example = ""] = /## An example\n+```json\n([^]*?)```/.exec(text) ?? [];
  const description = JSON.parse(example) as Documented;
  const upper = { name: "ADDRESS_HI", offset: "0x1c", access: "RW", summary: "Its upper half." };
  return {
    ...description,
    match: { ...description.match, properties: {} },
    registers: [...description.registers, upper],
    dma: { ...description.dma, address: { low: "ADDRESS", high: "ADDRESS_HI", bits: 40 } },
  };
}

/** BUSY is in the register of the start, and rises at once; 20 ms later a frame of one line is written. */
const CORE = {
  kind: "grabber",
  model: `export default { kind: "grabber", uioName: "frame-grabber", registerBytes: 0x2000, handshake: [0x08],
  cores: [{ address: 0xa0100000, port: "hpc", note: "left" }],
  create: ({ bus }) => {
    const words = new Map([[0, 0x46524d47], [4, 0x00010002]]);
    let working = 0;
    return {
      get busy() { return working > 0; },
      regRead: (offset) => offset === 8 ? (working > 0 ? 0x80000000 : 0) : words.get(offset) ?? 0,
      regWrite(offset, value) {
        if (offset !== 8) return void words.set(offset, value);
        if (value & 1) working = 2_000_000;
      },
      advance(cycles) {
        if (working === 0) return;
        working -= Math.min(cycles, working);
        if (working > 0) return;
        const at = (words.get(0x1c) ?? 0) * 2 ** 32 + (words.get(0x10) ?? 0);
        for (let done = 0; done < 4096; done += 256) trace(bus.write(at + done, new Uint8Array(256).fill(0x77)));
      },
    };
  } };`,
};
const START = `
const grabber = UioDevice.open("frame-grabber");
const buffer = DmaBuffer.alloc(4096);
const at = buffer.segments[0].physicalAddress;
grabber.write32(0x10, <u32>at);
grabber.write32(0x1c, <u32>(at >> 32));
grabber.write32(0x14, 1);
grabber.write32(8, 1);
`;

for (const [what, statement] of [
  ["at once", ""],
  ["after a look at CONTROL", "grabber.read32(8);"],
  ["after another write of CONTROL", "grabber.write32(8, 0x10);"],
  ["after a write that says that it is idle", "grabber.write32(8, 0); grabber.write32(8, 0);"],
] as const) {
  test(`memory that a frame goes to is not given back ${what}`, async () => {
    const script = `${START}${statement}\nbuffer.free();\nconsole.log("freed at " + grabber.read32(8).toString());`;
    const { stdout, error, trace } = await runCase({ ...CORE, description: documented(), script });
    // Where the gate waits for what was written to be put back, the frame may be there meanwhile.
    if (error === undefined) assert.is(stdout, "freed at 0\n");
    else assert.match(error, /^ERR_AXI_DEVICE_BUSY: Cannot free/);
    if (statement === "" || statement.includes("read32")) assert.is(stdout, "");
    assert.equal(
      trace,
      Array.from({ length: 16 }, () => "OKAY"),
    );
  });
}

test("once the frame is there it is", async () => {
  const script = `${START}
if (!grabber.poll32(8, 0x80000001, 0, 5000)) throw new Error("no frame");
console.log(buffer.u8[4095].toString());
buffer.free();`;
  const { stdout, error } = await runCase({ ...CORE, description: documented(), script });
  assert.is(error, undefined);
  assert.is(stdout, "119\n");
});

test.run();
