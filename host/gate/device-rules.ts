import type { DeviceDescription, DmaEngine, DmaTransfer, RegisterDescription } from "../devices/description";
import { AxiscriptError } from "../errors";
import {
  ATTRIBUTE,
  ATTRIBUTES_OFFSET,
  HELD_DISTANCE,
  HELD_ENTRY_BYTES,
  IDLE_ENTRY,
  PROGRAM,
  TRANSFER_ENTRY,
  USE,
} from "./layout";

/** Where a window lies in the gate's memory. */
export interface WindowPlace {
  /** Its number in the window table. */
  readonly index: number;
  /** Address of its first register. */
  readonly start: number;
  readonly lengthBytes: number;
}

/** Makes a window one of which nothing is known: 32-bit registers throughout, and no check of transfers. */
export function clearRules(buffer: ArrayBufferLike, { index, start, lengthBytes }: WindowPlace): void {
  attributesOf(buffer, start, lengthBytes).fill(0);
  new Uint8Array(buffer, PROGRAM.offset + index * PROGRAM.bytes, PROGRAM.bytes).fill(0);
}

/**
 * Writes down what the gate checks for a device: which registers may be read and written, and its DMA program.
 *
 * @param mayStart whether the script may start transfers at once
 * @throws AxiscriptError ERR_AXI_DESCRIPTION if the description asks for more than the window has, or the gate can hold
 */
export function writeRules(
  buffer: ArrayBufferLike,
  place: WindowPlace,
  description: DeviceDescription,
  mayStart: boolean,
): void {
  checkSizes(description, place.lengthBytes);
  clearRules(buffer, place);
  writeAttributes(buffer, place, description);
  writeProgram(new DataView(buffer, PROGRAM.offset + place.index * PROGRAM.bytes, PROGRAM.bytes), place, description);
  new Int32Array(buffer, PROGRAM.offset + place.index * PROGRAM.bytes + PROGRAM.turn, 1)[0] = mayStart ? 1 : 0;
}

/** The registers whose values are held back until a start. */
export function heldRegisters({ dma }: DeviceDescription): RegisterDescription[] {
  if (dma === "none") return [];
  const addresses = dma.transfers.flatMap(({ address, length }) => [address.low, address.high, length.register]);
  const all = [...addresses, ...dma.parameters].filter((register) => register !== undefined);
  return [...new Map(all.map((register) => [register.offset, register])).values()];
}

function writeAttributes(buffer: ArrayBufferLike, place: WindowPlace, description: DeviceDescription): void {
  const attributes = attributesOf(buffer, place.start, place.lengthBytes);
  const { notReadable, notWritable, held, start, wide, upper } = ATTRIBUTE;
  const byAccess = { RW: 0, RO: notWritable, WO: notReadable } as const;
  // A device that decodes fewer bits of an address than its window has repeats its registers there, those that start
  // transfers among them: what is not in the description is never written.
  attributes.fill(description.elsewhere === "reads-zero" ? notWritable : notReadable | notWritable);
  for (const { offset, lengthBytes, access } of description.memories) {
    attributes.fill(byAccess[access], offset / 4, (offset + lengthBytes) / 4);
  }
  for (const { offset, widthBits, access } of description.registers) {
    attributes[offset / 4] = byAccess[access] | (widthBits === 64 ? wide : 0);
    if (widthBits === 64) attributes[offset / 4 + 1] = byAccess[access] | upper;
  }
  const mark = ({ offset }: RegisterDescription, bit: number) => {
    attributes[offset / 4] = (attributes[offset / 4] ?? 0) | bit;
  };
  for (const register of heldRegisters(description)) mark(register, held);
  if (description.dma === "none") return;
  for (const transfer of description.dma.transfers) mark(transfer.start.register, start);
}

function writeProgram(program: DataView, place: WindowPlace, description: DeviceDescription): void {
  const { dma } = description;
  if (dma === "none") return;
  const u32 = (offset: number, value: number) => program.setUint32(offset, value, true);
  // What was under way when the window was opened is not known.
  u32(PROGRAM.started, 1);

  u32(PROGRAM.one, 1);
  const programStart = PROGRAM.offset + place.index * PROGRAM.bytes;

  let at: number = PROGRAM.idle.offset;
  for (const { register, values } of description.idle) {
    const next = at + values.length * IDLE_ENTRY.bytes;
    for (const { mask, value } of values) {
      u32(at + IDLE_ENTRY.address, place.start + register.offset);
      u32(at + IDLE_ENTRY.mask, mask);
      u32(at + IDLE_ENTRY.value, value);
      u32(at + IDLE_ENTRY.next, programStart + next);
      at += IDLE_ENTRY.bytes;
    }
  }
  u32(PROGRAM.idleEnd, programStart + at);

  // A register that starts a transfer gets its value by that write.
  const starts = new Set(dma.transfers.map((transfer) => transfer.start.register.offset));
  const flushed = heldRegisters(description).filter(({ offset }) => !starts.has(offset));
  at = PROGRAM.held.offset;
  for (const [widthBits, end] of [
    [32, PROGRAM.heldEnd],
    [64, PROGRAM.heldWideEnd],
  ] as const) {
    for (const register of flushed.filter((each) => each.widthBits === widthBits)) {
      u32(at, place.start + register.offset);
      at += HELD_ENTRY_BYTES;
    }
    u32(end, programStart + at);
  }

  at = PROGRAM.transfers.offset;
  for (const transfer of dma.transfers) {
    writeTransfer(new DataView(program.buffer, program.byteOffset + at, TRANSFER_ENTRY.bytes), place, transfer, dma);
    at += TRANSFER_ENTRY.bytes;
  }
  u32(PROGRAM.transfersEnd, programStart + at);
}

function writeTransfer(
  entry: DataView,
  place: WindowPlace,
  { start, address, length, direction }: DmaTransfer,
  { alignmentBytes, burstBytes }: DmaEngine,
): void {
  const u32 = (offset: number, value: number) => entry.setUint32(offset, value, true);
  const u64 = (offset: number, value: bigint) => entry.setBigUint64(offset, BigInt.asUintN(64, value), true);
  const programStart = PROGRAM.offset + place.index * PROGRAM.bytes;
  const heldValueOf = ({ offset }: RegisterDescription) => place.start + offset + HELD_DISTANCE;
  const low = heldValueOf(address.low);
  const upperHalf = address.low.widthBits === 64 ? low + 4 : programStart + PROGRAM.zero;
  const lastAddress = (1n << BigInt(address.bits)) - 1n;
  u32(TRANSFER_ENTRY.start, place.start + start.register.offset);
  u32(TRANSFER_ENTRY.startMask, start.mask);
  u32(TRANSFER_ENTRY.low, low);
  u32(TRANSFER_ENTRY.high, address.high ? heldValueOf(address.high) : upperHalf);
  u64(TRANSFER_ENTRY.forbiddenBits, ~lastAddress | BigInt(alignmentBytes - 1));
  u64(TRANSFER_ENTRY.lastAddress, lastAddress);
  u32(TRANSFER_ENTRY.length, length.register ? heldValueOf(length.register) : programStart + PROGRAM.one);
  u32(TRANSFER_ENTRY.forbiddenLengthBits, length.register ? ~length.mask : 0);
  u64(TRANSFER_ENTRY.unitBytes, BigInt(length.register ? length.unitBytes : length.bytes));
  u64(TRANSFER_ENTRY.burstMask, BigInt(burstBytes - 1));
  u32(TRANSFER_ENTRY.use, USE[direction]);
}

function attributesOf(buffer: ArrayBufferLike, start: number, lengthBytes: number): Uint8Array {
  return new Uint8Array(buffer, ATTRIBUTES_OFFSET + start / 4, lengthBytes / 4);
}

function checkSizes(description: DeviceDescription, lengthBytes: number): void {
  const { kind, file, registers, memories, dma, idle } = description;
  const refuse = (what: string) =>
    new AxiscriptError("ERR_AXI_DESCRIPTION", `Cannot use the description of ${kind} in ${file}: ${what}.`);
  const ends = [
    ...registers.map(({ name, offset, widthBits }) => ({ name, end: offset + widthBits / 8 })),
    ...memories.map(({ name, offset, lengthBytes }) => ({ name, end: offset + lengthBytes })),
  ];
  const outside = ends.find(({ end }) => end > lengthBytes);
  if (outside) {
    throw refuse(
      `${outside.name} ends at 0x${outside.end.toString(16)}, the device's registers end at 0x${lengthBytes.toString(16)}`,
    );
  }
  if (dma === "none") return;
  const sizes = [
    { what: "idle conditions", found: idle.flatMap(({ values }) => values).length, most: PROGRAM.idle.capacity },
    { what: "parameters of transfers", found: heldRegisters(description).length, most: PROGRAM.held.capacity },
    { what: "kinds of transfers", found: dma.transfers.length, most: PROGRAM.transfers.capacity },
  ];
  const tooMany = sizes.find(({ found, most }) => found > most);
  if (tooMany) throw refuse(`it has ${tooMany.found} ${tooMany.what}, and the gate holds ${tooMany.most}`);
}
