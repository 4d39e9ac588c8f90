import type { DeviceDescription, DmaTransfer, RegisterDescription } from "../host/description/description";
import { heldRegisters } from "../host/gate/channels";
import { writeRules } from "../host/gate/device-rules";
import type { GrantedMemory } from "../host/gate/granted-memory";
import { ATTRIBUTE, ATTRIBUTES_OFFSET, FIRST_WINDOW_OFFSET, GATE_MEMORY_PAGES } from "../host/gate/layout";
import { WASM_PAGE_BYTES } from "../host/memory/linear-memory";

const { notReadable, notWritable, held, start, wide, upper } = ATTRIBUTE;
const READ_SPECIAL = notReadable | held | wide | upper;
const WRITE_SPECIAL = notWritable | held | start | wide | upper;

/** Memory that was granted. */
type Interval = ReturnType<GrantedMemory["at"]>;

/** The gate's functions on registers of 32 bits, with the gate's checks. */
export interface JavascriptGate {
  readonly read32: (window: number, offset: number) => number;
  readonly write32: (window: number, offset: number, value: number) => void;
}

/**
 * The baseline of the gate: one window's checks, as one would write them in JavaScript, for scripts to import. What it
 * refuses, and what the device sees, is what the gate does.
 *
 * @param window the number that scripts have for the device
 * @param registers the device's, mapped
 * @param granted what transfers may use: disjoint, in the order of their addresses
 */
export function javascriptGate(
  window: number,
  registers: Int32Array,
  description: DeviceDescription,
  granted: readonly Interval[],
): JavascriptGate {
  const lengthBytes = registers.byteLength;
  const attributes = attributesOf(description, lengthBytes);
  const heldValues = Int32Array.from(registers);
  const starts = transferStarts(description, registers, heldValues, granted);
  const deny = (offset: number): never => {
    throw new Error(`access at offset ${offset} is denied`);
  };
  const writeSpecial = (offset: number, value: number, attribute: number) => {
    if ((attribute & (notWritable | wide | upper)) !== 0) deny(offset);
    if ((attribute & held) !== 0) {
      starts.holdIfIdle();
      heldValues[offset >> 2] = value;
      if ((attribute & start) === 0) return;
    }
    starts.start(offset, value);
    registers[offset >> 2] = value;
  };
  return {
    read32: (number, signedOffset) => {
      const offset = signedOffset >>> 0;
      if (number !== window || (offset & 3) !== 0 || offset >= lengthBytes) deny(offset);
      const attribute = attributes[offset >> 2] ?? 0;
      if ((attribute & READ_SPECIAL) === 0) return registers[offset >> 2] ?? 0;
      if ((attribute & (notReadable | wide | upper)) !== 0) deny(offset);
      return heldValues[offset >> 2] ?? 0;
    },
    write32: (number, signedOffset, value) => {
      const offset = signedOffset >>> 0;
      if (number !== window || (offset & 3) !== 0 || offset >= lengthBytes) deny(offset);
      const attribute = attributes[offset >> 2] ?? 0;
      if ((attribute & WRITE_SPECIAL) === 0) registers[offset >> 2] = value;
      else writeSpecial(offset, value, attribute);
    },
  };
}

/** A byte for each 32 bits of registers, as the gate has it. */
function attributesOf(description: DeviceDescription, lengthBytes: number): Uint8Array {
  const buffer = new ArrayBuffer(GATE_MEMORY_PAGES * WASM_PAGE_BYTES);
  writeRules(buffer, { index: 0, start: FIRST_WINDOW_OFFSET, lengthBytes }, description, true);
  const first = ATTRIBUTES_OFFSET + FIRST_WINDOW_OFFSET / 4;
  return new Uint8Array(buffer.slice(first, first + lengthBytes / 4));
}

/** Checks and makes the starts of a device's transfers. */
function transferStarts(
  description: DeviceDescription,
  registers: Int32Array,
  heldValues: Int32Array,
  granted: readonly Interval[],
) {
  const transfers =
    typeof description.dma === "string" ? [] : description.dma.transfers.map(numbersOf(description.dma));
  const conditions = description.idle.map(({ register, values }) => ({ index: register.offset >> 2, values }));
  const flushed = Int32Array.from(heldRegisters(description), indexOf);
  const isGranted = grantedCheck(granted);
  let started = true;
  const isIdle = () => {
    for (const { index, values } of conditions) {
      const found = registers[index] ?? 0;
      let holds = false;
      for (const { mask, value } of values) holds ||= (found & mask) === (value | 0);
      if (!holds) return false;
    }
    return true;
  };
  const isAllowed = (transfer: ReturnType<ReturnType<typeof numbersOf>>): boolean => {
    const low = heldValues[transfer.low] ?? 0;
    const address = ((heldValues[transfer.high] ?? 0) >>> 0) * 2 ** 32 + (low >>> 0);
    if (address >= transfer.limit) return false;
    const units = transfer.length < 0 ? 1 : (heldValues[transfer.length] ?? 0);
    if ((units & ~transfer.lengthMask) !== 0) return false;
    const lengthBytes = (units >>> 0) * transfer.unitBytes;
    const end = address + lengthBytes;
    if (lengthBytes === 0 || (low & transfer.alignmentMask) !== 0 || end > transfer.limit) return false;
    if ((low & transfer.burstMask) !== 0 && Math.floor(address / 4096) !== Math.floor((end - 1) / 4096)) return false;
    return isGranted(address, end, transfer.reads);
  };
  return {
    holdIfIdle: () => {
      if (!started) return;
      if (!isIdle()) throw new Error("the device is at work");
      started = false;
    },
    start: (offset: number, value: number) => {
      let starts = false;
      for (const transfer of transfers) {
        if (transfer.offset !== offset || (transfer.mask & value) === 0) continue;
        if (!isAllowed(transfer)) throw new Error("the transfer is refused");
        starts = true;
      }
      if (!starts) return;
      if (started && !isIdle()) throw new Error("the device is at work");
      started = true;
      for (const index of flushed) registers[index] = heldValues[index] ?? 0;
    },
  };
}

const indexOf = ({ offset }: RegisterDescription) => offset >> 2;

/** A transfer as numbers; `length` is -1 where it is fixed. Its address is in two registers. */
function numbersOf({ alignmentBytes, burstBytes }: { readonly alignmentBytes: number; readonly burstBytes: number }) {
  return ({ start, address, length, direction }: DmaTransfer) => {
    if (!address.high) throw new Error("the baseline has no such engine");
    const fixed = { length: -1, lengthMask: 1 };
    return {
      ...{ offset: start.register.offset, mask: start.mask, reads: direction === "reads" },
      ...{ low: indexOf(address.low), high: indexOf(address.high), limit: 2 ** address.bits },
      ...(length.register ? { length: indexOf(length.register), lengthMask: length.mask } : fixed),
      unitBytes: length.register ? length.unitBytes : length.bytes,
      ...{ alignmentMask: alignmentBytes - 1, burstMask: burstBytes - 1 },
    };
  };
}

/** Whether intervals that a device may use so cover [address, end) without a gap. */
function grantedCheck(granted: readonly Interval[]): (address: number, end: number, reads: boolean) => boolean {
  const starts = Float64Array.from(granted, ({ start }) => start);
  const ends = Float64Array.from(granted, ({ end }) => end);
  const uses = {
    reads: Uint32Array.from(granted, ({ reads }) => reads),
    writes: Uint32Array.from(granted, ({ writes }) => writes),
  };
  return (address, end, reads) => {
    const counts = reads ? uses.reads : uses.writes;
    let low = 0;
    let high = starts.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (address < (starts[middle] ?? 0)) high = middle;
      else low = middle + 1;
    }
    let reached = address;
    for (let index = low - 1; index >= 0 && index < starts.length; index++) {
      if (index >= low && starts[index] !== reached) return false;
      if (reached >= (ends[index] ?? 0) || counts[index] === 0) return false;
      reached = ends[index] ?? 0;
      if (reached >= end) return true;
    }
    return false;
  };
}
