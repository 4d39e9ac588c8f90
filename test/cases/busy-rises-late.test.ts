import { suite } from "uvu";
import * as assert from "uvu/assert";
import { runCase } from "../support/case";

const test = suite("busy-rises-late");

/** BUSY rises some cycles after START, and the burst lands 20 ms after that. */
const CORE = {
  kind: "late",
  model: `export default { kind: "late", uioName: "Late", registerBytes: 0x14, handshake: [0x04, 0x10, 0x00],
  cores: [{ address: 0xa0100000, port: "hpc" }],
  create: ({ bus }) => {
    const words = new Map();
    const late = Number(process.env.LATE_CYCLES);
    let [waiting, working, count] = [0, 0, 0];
    return {
      get busy() { return waiting > 0 || working > 0; },
      regRead: (offset) => offset === 0 ? 0 : offset === 4 ? (working > 0 ? 1 : 0) : offset === 0x10 ? count : words.get(offset) ?? 0,
      regWrite(offset, value) {
        if (offset !== 0) return void words.set(offset, value);
        if (value & 1) { waiting = late; trace("start"); }
      },
      advance(cycles) {
        if (waiting > 0) {
          const passed = Math.min(cycles, waiting);
          waiting -= passed;
          cycles -= passed;
          if (waiting === 0) working = 2_000_000;
        }
        if (working === 0 || cycles === 0) return;
        working -= Math.min(cycles, working);
        if (working > 0) return;
        count++;
        trace("burst " + bus.write((words.get(12) ?? 0) * 2 ** 32 + (words.get(8) ?? 0), new Uint8Array(64).fill(0x77)));
      },
    };
  } };`,
};

function describe(engine: Record<string, unknown>) {
  return {
    ...{ kind: "Late", summary: "Begins a while after its start.", match: { uioNames: ["Late"] } },
    registers: [
      { name: "CONTROL", offset: 0, access: "RW", fields: [{ name: "START", bits: 0, access: "pulse" }] },
      { name: "STATUS", offset: 4, access: "RO", fields: [{ name: "BUSY", bits: 0 }] },
      { name: "ADDRESS_LO", offset: 8, access: "RW" },
      { name: "ADDRESS_HI", offset: 12, access: "RW" },
      { name: "COUNT", offset: 16, access: "RO" },
    ],
    dma: {
      address: { low: "ADDRESS_LO", high: "ADDRESS_HI", bits: 40 },
      ...{ length: { bytes: 64 }, alignmentBytes: 64, burstBytes: 64 },
      transfers: [{ name: "fill", direction: "writes", start: "CONTROL.START" }],
      ...engine,
    },
    idle: [{ "STATUS.BUSY": 0 }],
  };
}

const START = `
const late = UioDevice.open("Late");
const buffer = DmaBuffer.alloc(4096);
const at = buffer.segments[0].physicalAddress;
late.write32(8, <u32>at);
late.write32(12, <u32>(at >> 32));
late.write32(0, 1);
`;
const WHAT = [
  ["its memory is not given back", "buffer.free();", /^ERR_AXI_DEVICE_BUSY: Cannot free/],
  ["it is not started again", "late.write32(0, 1);", /^ERR_AXI_DMA_REFUSED: Cannot write register CONTROL/],
  ["its address is not changed", "late.write32(8, <u32>at + 64);", /^ERR_AXI_DMA_REFUSED: .*ADDRESS_LO/],
] as const;

for (const lateCycles of ["1", "900"]) {
  for (const [what, statement, message] of WHAT) {
    test(`right after a start whose BUSY rises ${lateCycles} cycles late, ${what}`, async () => {
      const script = `${START}${statement}\nconsole.log("admitted");`;
      for (const engine of [{}, { busyWithinUs: 10 }]) {
        process.env["LATE_CYCLES"] = lateCycles;
        const { stdout, error, trace } = await runCase({ ...CORE, description: describe(engine), script });
        assert.is(stdout, "");
        assert.match(error ?? "", message);
        // The run ends when the transfer has ended, in memory that is still the script's.
        assert.equal(trace, ["start", "burst OKAY"]);
      }
    });
  }
}

test("once it is done the memory is given back", async () => {
  const script = `${START}
if (!late.poll32(16, 0xffffffff, 1, 5000)) throw new Error("not done");
console.log(buffer.u8[63].toString());
buffer.free();
`;
  process.env["LATE_CYCLES"] = "900";
  const description = describe({ busyWithinUs: 10 });
  const { stdout, error } = await runCase({ ...CORE, description, script });
  assert.is(error, undefined);
  assert.is(stdout, "119\n");
});

test.run();
