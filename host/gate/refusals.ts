import type { DeviceDescription, DmaEngine, DmaTransfer, RegisterDescription } from "../description/description";
import { AxiscriptError, hex } from "../util/errors";
import { ACCESS, REFUSAL } from "./layout";

/** The device of a window, as messages need it. */
export interface RefusingDevice {
  readonly deviceName: string;
  readonly lengthBytes: number;
  readonly description?: DeviceDescription;
}

const ACTIONS: Record<number, string> = {
  [ACCESS.read32]: "read",
  [ACCESS.write32]: "write",
  [ACCESS.read64]: "read 64 bits of",
  [ACCESS.write64]: "write 64 bits of",
};

/** Why an access was denied. `device` is absent if no window has that number. */
export function denial(
  window: number,
  offset: number,
  access: number,
  device: RefusingDevice | undefined,
): AxiscriptError {
  const action = ACTIONS[access] ?? "use";
  const register = device?.description?.registers.find((each) => each.offset === offset);
  const what = register ? `register ${register.name} (offset ${hex(offset)})` : `register offset ${hex(offset)}`;
  const of = device ? ` of device ${device.deviceName}` : "";
  const rule = device ? ruleFor(offset, access, device, register) : `no device is open under number ${window}`;
  return new AxiscriptError("ERR_AXI_GATE", `Cannot ${action} ${what}${of}: ${rule}.`);
}

function ruleFor(
  offset: number,
  access: number,
  { lengthBytes, description }: RefusingDevice,
  register: RegisterDescription | undefined,
): string {
  const isWide = access === ACCESS.read64 || access === ACCESS.write64;
  const bytes = isWide ? 8 : 4;
  if (lengthBytes === 0) return "the device has no registers";
  if (offset >= lengthBytes) return `the device's registers end at ${hex(lengthBytes)}`;
  if (offset % bytes !== 0) return `an access of ${bytes * 8} bits is aligned to ${bytes} bytes`;
  const isUpper = description?.registers.find((each) => each.widthBits === 64 && each.offset + 4 === offset);
  if (isUpper) return `it is the upper half of ${isUpper.name}, which is 64 bits wide`;
  if (isWide) return "it is 32 bits wide";
  if (!register) return `its description has no register there${nearest(description, offset)}`;
  if (register.widthBits === 64) return "it is 64 bits wide";
  return register.access === "RO" ? "it is read-only" : "it is write-only";
}

function nearest(description: DeviceDescription | undefined, offset: number): string {
  const registers = [...(description?.registers ?? [])];
  const near = registers.sort((a, b) => Math.abs(a.offset - offset) - Math.abs(b.offset - offset)).slice(0, 2);
  if (near.length === 0) return "";
  return `; the nearest are ${near.map((each) => `${each.name} at ${hex(each.offset)}`).join(" and ")}`;
}

/** A transfer's parameters as the script wrote them. */
export interface HeldValues {
  read(register: RegisterDescription): bigint;
}

/** Why a start, or a change of its parameters, was refused. */
export function refusal(
  reason: number,
  offset: number,
  transfer: DmaTransfer | undefined,
  { deviceName, description }: RefusingDevice,
  held: HeldValues,
): AxiscriptError {
  const register = description?.registers.find((each) => each.offset === offset);
  const asked = transfer
    ? `start the transfer "${transfer.name}" of device ${deviceName} (register ${register?.name ?? hex(offset)})`
    : `write register ${register?.name ?? hex(offset)} of device ${deviceName}`;
  return new AxiscriptError(
    "ERR_AXI_DMA_REFUSED",
    `Cannot ${asked}: ${reasonText(reason, transfer, description, held)}`,
  );
}

function reasonText(
  reason: number,
  transfer: DmaTransfer | undefined,
  description: DeviceDescription | undefined,
  held: HeldValues,
): string {
  if (reason === REFUSAL.busy) return "a transfer may be under way. Wait until the device is idle.";
  if (reason === REFUSAL.unseen) {
    return (
      "a transfer was started, and the device has not shown since that it has begun or ended it. Wait until it does; if it " +
      'is done too soon to be seen, its description says how that shows ("done", "busyWithinUs").'
    );
  }
  if (reason === REFUSAL.several) {
    return 'it starts several transfers at a time, of which nothing would show that all have begun ("done", "busyWithinUs"). Start one at a time.';
  }
  if (reason === REFUSAL.noTurn) {
    return "it starts transfers of a device that is shared, and this script has not taken it for itself. Call acquire() first.";
  }
  if (!transfer || !description || typeof description.dma === "string") return "it is not allowed.";
  return transferText(transfer, description.dma, held);
}

/** What is wrong with a transfer: the first rule that it breaks. */
function transferText(transfer: DmaTransfer, { alignmentBytes, burstBytes }: DmaEngine, held: HeldValues): string {
  const { low, high, bits } = transfer.address;
  const { length } = transfer;
  const address = held.read(low) | (high ? held.read(high) << 32n : 0n);
  const units = length.register ? held.read(length.register) : 1n;
  const moved = units + BigInt(length.register ? length.extraUnits : 0);
  const bytes = moved * BigInt(length.register ? length.unitBytes : length.bytes);
  const end = address + bytes;
  const range = `${bytes} bytes at physical address ${hex(address)}`;
  if (address >> BigInt(bits) !== 0n) return `its address has ${bits} bits; current value is ${hex(address)}.`;
  if (length.register && (units & ~BigInt(length.mask >>> 0)) !== 0n) {
    return `the length register holds fewer bits; current value is ${hex(units)}.`;
  }
  if (bytes === 0n) return "its length is 0.";
  if (address % BigInt(alignmentBytes) !== 0n) {
    return `its address is a multiple of ${alignmentBytes}; current value is ${hex(address)}.`;
  }
  if (end > 1n << BigInt(bits)) return `${range} go beyond the ${bits} bits of an address.`;
  if (address % BigInt(burstBytes) !== 0n && address >> 12n !== (end - 1n) >> 12n) {
    return `${range} make a burst of ${burstBytes} bytes cross a boundary of 4 KiB.`;
  }
  return (
    `${range} are not all memory that this script was granted for devices to ${transfer.direction === "reads" ? "read" : "write"}. ` +
    "Take addresses from DmaBuffer or VirtualToPhysical, and one segment at a time."
  );
}
