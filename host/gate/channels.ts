import type {
  DeviceDescription,
  DmaEngine,
  DmaTransfer,
  RegisterCondition,
  RegisterDescription,
} from "../description/description";

/** Transfers of which one is under way at a time: what shows that the device is idle is said of all of them together. */
export interface Channel {
  /** Its bit in the gate's words. */
  readonly bit: number;
  readonly transfers: readonly DmaTransfer[];
  /** All of these hold while none of its transfers is under way. */
  readonly idle: readonly RegisterCondition[];
  /** How soon the device shows after a start that it is at work; absent: not known. */
  readonly busyWithinUs: number | undefined;
}

/** The channels of a device: one for the transfers that share its `idle`, and one for each that has its own. */
export function channelsOf({ dma, idle }: DeviceDescription): Channel[] {
  if (typeof dma === "string") return [];
  const shared = dma.transfers.filter((transfer) => transfer.idle === undefined);
  const groups = [
    ...(shared.length > 0 ? [{ transfers: shared, idle }] : []),
    ...dma.transfers.flatMap((transfer) => (transfer.idle ? [{ transfers: [transfer], idle: transfer.idle }] : [])),
  ];
  return groups.map((group, index) => {
    const busyWithinUs = latestOf(group.transfers);
    const taken = busyWithinUs === undefined ? [] : takenConditions(group.transfers);
    return { bit: 1 << index, transfers: group.transfers, idle: [...taken, ...group.idle], busyWithinUs };
  });
}

/** The registers that a transfer has of its own: they are held back until it starts. */
export function registersOf({ address, length }: DmaTransfer): RegisterDescription[] {
  return [address.low, address.high, length.register].filter((register) => register !== undefined);
}

/** The registers whose values are held back until a start. */
export function heldRegisters({ dma }: DeviceDescription): RegisterDescription[] {
  if (typeof dma === "string") return [];
  return [...new Set([...dma.transfers.flatMap(registersOf), ...dma.parameters])];
}

/** The registers on which the transfers of a channel depend. */
export function dependsOn({ transfers }: Channel, { parameters }: DmaEngine): Set<RegisterDescription> {
  return new Set([...transfers.flatMap(registersOf), ...parameters]);
}

function latestOf(transfers: readonly DmaTransfer[]): number | undefined {
  const all = transfers.map(({ busyWithinUs }) => busyWithinUs);
  return all.some((us) => us === undefined) ? undefined : Math.max(...all.map((us) => us ?? 0));
}

/** What shows that the device has taken every start: the pulses are gone. */
function takenConditions(transfers: readonly DmaTransfer[]): RegisterCondition[] {
  return [...pulsesOf(transfers)].map(([register, mask]) => ({ register, values: [{ mask: mask >>> 0, value: 0 }] }));
}

/** The bits of registers that start transfers, and read 1 until the device has taken that. */
export function pulsesOf(transfers: readonly DmaTransfer[]): Map<RegisterDescription, number> {
  const pulses = new Map<RegisterDescription, number>();
  for (const { start } of transfers) {
    if (start.isPulse) pulses.set(start.register, (pulses.get(start.register) ?? 0) | start.mask);
  }
  return pulses;
}
