import type { DeviceDescription, DmaTransfer, RegisterCondition, RegisterDescription } from "../devices/description";
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
export function clearRules(buffer: ArrayBuffer, { index, start, lengthBytes }: WindowPlace): void {
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
  buffer: ArrayBuffer,
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

function writeAttributes(buffer: ArrayBuffer, place: WindowPlace, description: DeviceDescription): void {
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

  const conditions = description.idle.flatMap(alternatives);
  u32(PROGRAM.idleCount, conditions.length);
  conditions.forEach(({ offset, mask, value, last }, index) => {
    const at = PROGRAM.idle.offset + index * IDLE_ENTRY.bytes;
    u32(at + IDLE_ENTRY.address, place.start + offset);
    u32(at + IDLE_ENTRY.mask, mask);
    u32(at + IDLE_ENTRY.value, value);
    u32(at + IDLE_ENTRY.last, last ? 1 : 0);
  });

  // A register that starts a transfer gets its value by that write.
  const starts = new Set(dma.transfers.map((transfer) => transfer.start.register.offset));
  const flushed = heldRegisters(description).filter(({ offset }) => !starts.has(offset));
  const narrow = flushed.filter(({ widthBits }) => widthBits === 32);
  const wide = flushed.filter(({ widthBits }) => widthBits === 64);
  u32(PROGRAM.heldCount, narrow.length);
  u32(PROGRAM.heldWideCount, wide.length);
  [...narrow, ...wide].forEach(({ offset }, index) => {
    u32(PROGRAM.held.offset + index * HELD_ENTRY_BYTES, place.start + offset);
  });

  u32(PROGRAM.transferCount, dma.transfers.length);
  dma.transfers.forEach((transfer, index) => {
    writeTransfer(program, PROGRAM.transfers.offset + index * TRANSFER_ENTRY.bytes, place, transfer);
    u32(PROGRAM.transfers.offset + index * TRANSFER_ENTRY.bytes + TRANSFER_ENTRY.alignmentMask, dma.alignmentBytes - 1);
    u32(PROGRAM.transfers.offset + index * TRANSFER_ENTRY.bytes + TRANSFER_ENTRY.burstMask, dma.burstBytes - 1);
  });
}

function writeTransfer(program: DataView, at: number, place: WindowPlace, transfer: DmaTransfer): void {
  const { start, address, length, direction } = transfer;
  const u32 = (offset: number, value: number) => program.setUint32(at + offset, value, true);
  const heldValueOf = ({ offset }: RegisterDescription) => place.start + offset + HELD_DISTANCE;
  u32(TRANSFER_ENTRY.start, place.start + start.register.offset);
  u32(TRANSFER_ENTRY.startMask, start.mask);
  u32(TRANSFER_ENTRY.low, heldValueOf(address.low));
  u32(TRANSFER_ENTRY.high, address.high ? heldValueOf(address.high) : 0);
  u32(TRANSFER_ENTRY.lowIsWide, address.low.widthBits === 64 ? 1 : 0);
  program.setBigUint64(at + TRANSFER_ENTRY.addressMask, (1n << BigInt(address.bits)) - 1n, true);
  u32(TRANSFER_ENTRY.length, length.register ? heldValueOf(length.register) : 0);
  u32(TRANSFER_ENTRY.lengthMask, length.register ? length.mask : 0);
  program.setBigUint64(at + TRANSFER_ENTRY.unitBytes, BigInt(length.register ? length.unitBytes : length.bytes), true);
  u32(TRANSFER_ENTRY.use, USE[direction]);
}

interface ConditionEntry {
  readonly offset: number;
  readonly mask: number;
  readonly value: number;
  readonly last: boolean;
}

function alternatives({ register, values }: RegisterCondition): ConditionEntry[] {
  const last = values.length - 1;
  return values.map(({ mask, value }, index) => ({ offset: register.offset, mask, value, last: index === last }));
}

function attributesOf(buffer: ArrayBuffer, start: number, lengthBytes: number): Uint8Array {
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
    { what: "idle conditions", found: idle.flatMap(alternatives).length, most: PROGRAM.idle.capacity },
    { what: "parameters of transfers", found: heldRegisters(description).length, most: PROGRAM.held.capacity },
    { what: "kinds of transfers", found: dma.transfers.length, most: PROGRAM.transfers.capacity },
  ];
  const tooMany = sizes.find(({ found, most }) => found > most);
  if (tooMany) throw refuse(`it has ${tooMany.found} ${tooMany.what}, and the gate holds ${tooMany.most}`);
}
