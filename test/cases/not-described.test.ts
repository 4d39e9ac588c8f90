import { suite } from "uvu";
import * as assert from "uvu/assert";
import { parseDescription } from "../../host/description/description-file";
import { rejectsWith } from "../support/expect";

const test = suite("hls-clear-on-read, write-zero-to-clear and others: what cannot be said is refused");

const CONTROL = {
  ...{ name: "CTRL", offset: 0, access: "RW" },
  fields: [
    { name: "AP_START", bits: 0, access: "pulse" },
    { name: "AP_DONE", bits: 1, access: "RO" },
    { name: "AP_IDLE", bits: 2, access: "RO" },
  ],
};
/** A kernel of HLS with a pointer. */
const KERNEL = {
  ...{ kind: "Kernel", summary: "A kernel.", match: { uioNames: ["Kernel"] } },
  registers: [CONTROL, { name: "OUT", offset: 0x10, access: "RW" }, { name: "OUT_HI", offset: 0x14, access: "RW" }],
  dma: {
    address: { low: "OUT", high: "OUT_HI", bits: 40 },
    ...{ length: { bytes: 64 }, alignmentBytes: 64, burstBytes: 64 },
    transfers: [{ name: "run", direction: "writes", start: "CTRL.AP_START" }],
  },
  idle: [{ "CTRL.AP_IDLE": 1 }],
};

const registersWith = (...more: object[]) => [...KERNEL.registers, ...more];
const [WIDE, BELL] = [
  { name: "WIDE", offset: 0x20, access: "RW", widthBits: 64 },
  { name: "BELL", offset: 0x30, access: "RW" },
];
const transfer = (changes: object) => ({ ...KERNEL.dma, transfers: [{ ...KERNEL.dma.transfers[0], ...changes }] });

const REFUSED: [what: string, changes: Record<string, unknown>, message: RegExp][] = [
  [
    "a start in a register that reading changes",
    { registers: [{ ...CONTROL, readSideEffect: "clears AP_DONE" }, ...KERNEL.registers.slice(1)] },
    /Cannot use register CTRL in a DMA engine: reading it has a side effect \(clears AP_DONE\)/,
  ],
  ["an engine that does not say when it is idle", { idle: [] }, /Cannot use a DMA engine without "idle"/],
  [
    "a field that is cleared by writing 0",
    {
      registers: registersWith({
        name: "SR",
        offset: 8,
        access: "RW",
        fields: [{ name: "OVR", bits: 8, access: "W0C" }],
      }),
    },
    /Cannot use "W0C" as a field's access in an RW register: it is one of .*W1C/,
  ],
  [
    "an address in a register of 64 bits",
    { registers: registersWith(WIDE), dma: { ...KERNEL.dma, address: { low: "WIDE", bits: 40 } } },
    /Cannot use register WIDE as an address: it has 64 bits, and in which order .*"low" and "high"/,
  ],
  [
    "how soon it is at work after a write of a whole register",
    { registers: registersWith(BELL), dma: transfer({ start: "BELL", busyWithinUs: 0 }) },
    /Cannot say how soon the device is at work after a write of BELL/,
  ],
  ["a time that is too long to wait", { dma: transfer({ busyWithinUs: 11 }) }, /microseconds.*0 to 10|0 to 10/],
  [
    "an encoding that nobody knows",
    { dma: { ...KERNEL.dma, length: { register: "OUT", encoding: "bcd" } } },
    /units-minus-one/,
  ],
  [
    "an encoding of no register",
    { dma: { ...KERNEL.dma, length: { bytes: 4, encoding: "units" } } },
    /Cannot encode a length/,
  ],
  ["an engine of another name", { dma: "sg" }, /it is an object, "none" for a device without one, or "unchecked"/],
  [
    "two starts of which one has bits of the other",
    {
      dma: { ...KERNEL.dma, transfers: [KERNEL.dma.transfers[0], { name: "all", direction: "reads", start: "CTRL" }] },
    },
    /some of the bits start transfer run, too/,
  ],
];

for (const [what, changes, message] of REFUSED) {
  test(`a description with ${what} is refused`, async () => {
    const read = () => parseDescription(JSON.stringify({ ...KERNEL, ...changes }), "kernel.json");
    const error = await rejectsWith("ERR_AXI_DESCRIPTION", read);
    assert.match(error.message, /^kernel\.json:1:\d+: /);
    assert.match(error.message, message);
  });
}

test("the kernel itself, and one whose engine is unchecked, is not", () => {
  assert.is(parseDescription(JSON.stringify(KERNEL), "kernel.json").kind, "Kernel");
  assert.is(
    parseDescription(JSON.stringify({ ...KERNEL, dma: "unchecked", idle: [] }), "kernel.json").dma,
    "unchecked",
  );
});

test.run();
