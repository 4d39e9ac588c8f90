import type {
  DeviceDescription,
  DmaEngine,
  DmaTransfer,
  RegisterCondition,
  RegisterDescription,
} from "../description/description";
import { AxiscriptError } from "../util/errors";
import { type Channel, channelsOf, dependsOn, heldRegisters, pulsesOf, registersOf } from "./channels";
import {
  ATTRIBUTE,
  ATTRIBUTES_OFFSET,
  CHANNEL_ENTRY,
  CHANNELS_OFFSET,
  HELD_DISTANCE,
  HELD_ENTRY_BYTES,
  IDLE_ENTRY,
  PROGRAM,
  TRANSFER_ENTRY,
  USE,
} from "./layout";
import type { WindowPlace } from "./window";

/** Makes a window one of which nothing is known: 32-bit registers throughout, and no check of transfers. */
export function clearRules(buffer: ArrayBufferLike, place: WindowPlace): void {
  for (const table of [ATTRIBUTES_OFFSET, CHANNELS_OFFSET]) bytesOf(buffer, table, place).fill(0);
  const program = new Int32Array(buffer, PROGRAM.offset + place.index * PROGRAM.bytes, PROGRAM.bytes / 4);
  program.fill(0);
  program[PROGRAM.owner / 4] = 1;
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
  new Int32Array(buffer, PROGRAM.offset + place.index * PROGRAM.bytes + PROGRAM.owner, 1)[0] = mayStart ? 1 : 0;
}

/** Of what another script has left under way, nothing is known: every channel has to be seen idle. */
export function markUnknown(program: Int32Array, description: DeviceDescription): void {
  program[PROGRAM.active / 4] = bitsOf(channelsOf(description));
}

function writeAttributes(buffer: ArrayBufferLike, place: WindowPlace, description: DeviceDescription): void {
  const attributes = bytesOf(buffer, ATTRIBUTES_OFFSET, place);
  const { notReadable, notWritable, held, start, wide, upper, watched } = ATTRIBUTE;
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
  if (typeof description.dma === "string") return;
  for (const transfer of description.dma.transfers) mark(transfer.start.register, start);
  const channels = bytesOf(buffer, CHANNELS_OFFSET, place);
  const join = ({ offset }: RegisterDescription, bit: number) => {
    channels[offset / 4] = (channels[offset / 4] ?? 0) | bit;
  };
  for (const channel of channelsOf(description)) {
    for (const register of dependsOn(channel, description.dma)) join(register, channel.bit);
    for (const transfer of channel.transfers) join(transfer.start.register, channel.bit);
    for (const register of watchedBy(channel)) {
      mark(register, watched);
      join(register, channel.bit);
    }
  }
}

/**
 * The registers of which each read counts, as it may show that a start was taken; and those that software writes, so that
 * they may show for a while what was written. Pulses that are written as 1 are seen to otherwise.
 */
function watchedBy({ transfers, idle, busyWithinUs }: Channel): RegisterDescription[] {
  const done = transfers.flatMap((transfer) => transfer.done?.register ?? []);
  const pulses = pulsesOf(transfers);
  const isPulse = ({ register, values }: RegisterCondition) =>
    values.every(({ mask }) => (mask & ~(pulses.get(register) ?? 0)) === 0);
  const shown = idle.filter(({ register }) => busyWithinUs === undefined || register.access !== "RO");
  return [...shown.filter((condition) => !isPulse(condition)).map(({ register }) => register), ...done];
}

function writeProgram(program: DataView, place: WindowPlace, description: DeviceDescription): void {
  const { dma } = description;
  if (typeof dma === "string") return;
  const channels = channelsOf(description);
  const u32 = (offset: number, value: number) => program.setUint32(offset, value, true);
  const programStart = PROGRAM.offset + place.index * PROGRAM.bytes;
  // What was under way when the window was opened is not known.
  u32(PROGRAM.active, bitsOf(channels));
  u32(PROGRAM.prompt, bitsOf(channels.filter(({ busyWithinUs }) => busyWithinUs !== undefined)));
  u32(PROGRAM.one, 1);

  let at: number = PROGRAM.idle.offset;
  for (const [index, { idle, busyWithinUs }] of channels.entries()) {
    const entry = PROGRAM.channels.offset + index * CHANNEL_ENTRY.bytes;
    u32(entry + CHANNEL_ENTRY.idle, programStart + at);
    for (const condition of idle) at = writeCondition(program, at, place, condition);
    u32(entry + CHANNEL_ENTRY.idleEnd, programStart + at);
    u32(entry + CHANNEL_ENTRY.promptUs, busyWithinUs ?? 0);
  }

  at = PROGRAM.parameters.offset;
  for (const { offset } of dma.parameters) {
    u32(at, place.start + offset);
    at += HELD_ENTRY_BYTES;
  }
  u32(PROGRAM.parametersEnd, programStart + at);

  at = PROGRAM.transfers.offset;
  for (const transfer of dma.transfers) {
    const entry = new DataView(program.buffer, program.byteOffset + at, TRANSFER_ENTRY.bytes);
    const channel = channels.find(({ transfers }) => transfers.includes(transfer));
    writeTransfer(entry, place, transfer, dma);
    entry.setUint32(TRANSFER_ENTRY.channel, channel?.bit ?? 0, true);
    at += TRANSFER_ENTRY.bytes;
  }
  u32(PROGRAM.transfersEnd, programStart + at);
}

function bitsOf(channels: readonly Channel[]): number {
  return channels.reduce((bits, { bit }) => bits | bit, 0);
}

/** Writes a condition with its alternatives; gives where the next one is. */
function writeCondition(
  program: DataView,
  offset: number,
  place: WindowPlace,
  { register, values }: RegisterCondition,
): number {
  const next = offset + values.length * IDLE_ENTRY.bytes;
  for (const [index, { mask, value }] of values.entries()) {
    const at = offset + index * IDLE_ENTRY.bytes;
    program.setUint32(at + IDLE_ENTRY.address, place.start + register.offset, true);
    program.setUint32(at + IDLE_ENTRY.mask, mask, true);
    program.setUint32(at + IDLE_ENTRY.value, value, true);
    program.setUint32(at + IDLE_ENTRY.next, PROGRAM.offset + place.index * PROGRAM.bytes + next, true);
  }
  return next;
}

function writeTransfer(
  entry: DataView,
  place: WindowPlace,
  transfer: DmaTransfer,
  { alignmentBytes, burstBytes }: DmaEngine,
): void {
  const { start, address, length, direction, done } = transfer;
  const u32 = (offset: number, value: number) => entry.setUint32(offset, value, true);
  const u64 = (offset: number, value: bigint) => entry.setBigUint64(offset, BigInt.asUintN(64, value), true);
  const programStart = PROGRAM.offset + place.index * PROGRAM.bytes;
  const heldValueOf = ({ offset }: RegisterDescription) => place.start + offset + HELD_DISTANCE;
  const lastAddress = (1n << BigInt(address.bits)) - 1n;
  u32(TRANSFER_ENTRY.start, place.start + start.register.offset);
  u32(TRANSFER_ENTRY.startMask, start.mask);
  u32(TRANSFER_ENTRY.anyWrite, start.anyWrite ? 1 : 0);
  u32(TRANSFER_ENTRY.pulse, start.isPulse ? start.mask : 0);
  u32(TRANSFER_ENTRY.low, heldValueOf(address.low));
  u32(TRANSFER_ENTRY.high, address.high ? heldValueOf(address.high) : programStart + PROGRAM.zero);
  u64(TRANSFER_ENTRY.forbiddenBits, ~lastAddress | BigInt(alignmentBytes - 1));
  u64(TRANSFER_ENTRY.lastAddress, lastAddress);
  u32(TRANSFER_ENTRY.length, length.register ? heldValueOf(length.register) : programStart + PROGRAM.one);
  u32(TRANSFER_ENTRY.forbiddenLengthBits, length.register ? ~length.mask : 0);
  u64(TRANSFER_ENTRY.unitBytes, BigInt(length.register ? length.unitBytes : length.bytes));
  u32(TRANSFER_ENTRY.extraUnits, length.register ? length.extraUnits : 0);
  u64(TRANSFER_ENTRY.burstMask, BigInt(burstBytes - 1));
  u32(TRANSFER_ENTRY.use, USE[direction]);
  if (done) {
    u32(TRANSFER_ENTRY.done, place.start + done.register.offset);
    u32(TRANSFER_ENTRY.doneMask, done.value.mask);
    u32(TRANSFER_ENTRY.doneValue, done.value.value);
  }
  // The register that starts it gets its value by that write.
  const given = registersOf(transfer).filter((register) => register !== start.register);
  for (const [index, { offset }] of given.entries()) {
    u32(TRANSFER_ENTRY.gives + index * HELD_ENTRY_BYTES, place.start + offset);
  }
}

/** A window's bytes in a table that has one for each 32 bits of registers. */
function bytesOf(
  buffer: ArrayBufferLike,
  table: number,
  { start, lengthBytes }: Omit<WindowPlace, "index">,
): Uint8Array {
  return new Uint8Array(buffer, table + start / 4, lengthBytes / 4);
}

function checkSizes(description: DeviceDescription, lengthBytes: number): void {
  const { kind, file, registers, memories, dma } = description;
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
  if (typeof dma === "string") return;
  const conditions = channelsOf(description).flatMap(({ idle }) => idle.flatMap(({ values }) => values));
  const sizes = [
    { what: "idle conditions", found: conditions.length, most: PROGRAM.idle.capacity },
    { what: "parameters of transfers", found: dma.parameters.length, most: PROGRAM.parameters.capacity },
    { what: "kinds of transfers", found: dma.transfers.length, most: PROGRAM.transfers.capacity },
  ];
  const tooMany = sizes.find(({ found, most }) => found > most);
  if (tooMany) throw refuse(`it has ${tooMany.found} ${tooMany.what}, and the gate holds ${tooMany.most}`);
}
