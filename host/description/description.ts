/**
 * What axiscript knows of a kind of device. Written by people as JSON (see `devices/`), in this form after it was read:
 * checked, numbers parsed, register names resolved, arrays of registers spelled out.
 */
export interface DeviceDescription {
  /** The kind's name, and that of its classes: `AxiProxy`. */
  readonly kind: string;
  /** What the device is called in its documentation. */
  readonly title: string;
  readonly summary: string;
  /** Where the facts come from. */
  readonly source: string;
  /** The file that this was read from. */
  readonly file: string;
  readonly match: DeviceMatch;
  /** In the order of their offsets. */
  readonly registers: readonly RegisterDescription[];
  /** Ranges that behave like memory, in the order of their offsets; block copies are for these. */
  readonly memories: readonly MemoryWindow[];
  /** What the device does at offsets without a register: nothing is known, or they may be read. None is ever written. */
  readonly elsewhere: "refused" | "reads-zero";
  /**
   * How the device reaches memory; `"none"`: it has no bus manager; `"unchecked"`: it has one that cannot be described, and
   * whoever opens the device needs the permission for that.
   */
  readonly dma: DmaEngine | "none" | "unchecked";
  /** All of these hold while no transfer is under way, but of those that have conditions of their own; asked in this order. */
  readonly idle: readonly RegisterCondition[];
  /** Writes that bring the device to rest once it is idle, for the next user to find it as new. */
  readonly rest: readonly RegisterWrite[];
}

/** How a device is recognised, before anything but its identification is read. */
export interface DeviceMatch {
  /** Names in `/sys/class/uio/uioN/name`. */
  readonly uioNames: readonly string[];
  /** PCI devices, which have no such names of their own: scripts know them by the kind. */
  readonly pci: readonly PciMatch[];
  /** Device-tree properties with the value that one of their strings has; all must match. */
  readonly properties: ReadonlyMap<string, string>;
  /** What identification registers read. Checked first, in this order. */
  readonly identify: readonly RegisterCondition[];
  readonly version: VersionRange | undefined;
}

/** A PCI device that a description is about, where a UIO driver is bound to it. */
export interface PciMatch {
  /** Vendor and device: `1234:11e8`. */
  readonly id: string;
  /** Where its registers are: the number of a base address register. */
  readonly bar: number;
  /** Its place, `0000:00:04.0`, where others have the same id; absent: any. */
  readonly address: string | undefined;
  /** Tells it apart from others of the kind, as the device-tree property `jan-note` does; may be empty. */
  readonly note: string;
}

/** Versions that a description is true for: `atLeast` <= version < `below`, part by part. */
export interface VersionRange {
  readonly register: RegisterDescription;
  /** The most significant part first, as fields of the register. */
  readonly parts: readonly FieldDescription[];
  readonly atLeast: readonly number[];
  readonly below: readonly number[];
}

/** `RO`: a write is refused; `WO`: a read is refused. */
export type RegisterAccess = "RO" | "RW" | "WO";

export interface RegisterDescription {
  /** As in the device's documentation; elements of an array carry their index: `DATA_WR0`. */
  readonly name: string;
  /** In bytes from the beginning of the window; a multiple of the width. */
  readonly offset: number;
  readonly widthBits: 32 | 64;
  readonly access: RegisterAccess;
  readonly summary: string;
  /** What it reads after a reset; absent: not known. At most 64 bits. */
  readonly reset: bigint | undefined;
  /** What reading it changes; absent: nothing. Such a register is read only when somebody asks for it by name. */
  readonly readSideEffect: string | undefined;
  /** From the least significant bit on. */
  readonly fields: readonly FieldDescription[];
  /** Of which array this is an element. */
  readonly array: { readonly name: string; readonly index: number; readonly length: number } | undefined;
}

export interface FieldDescription {
  readonly name: string;
  readonly leastBit: number;
  readonly widthBits: number;
  /** `W1C`: writing 1 clears a bit; `pulse`: writing 1 has an effect once, and it reads 0. */
  readonly access: RegisterAccess | "W1C" | "pulse";
  readonly summary: string;
  /** Names of values. */
  readonly values: ReadonlyMap<string, number>;
}

export interface MemoryWindow {
  readonly name: string;
  readonly offset: number;
  readonly lengthBytes: number;
  readonly access: RegisterAccess;
  readonly summary: string;
}

/** One read of a register, of 32 bits, that shows one of several values: `(value read & mask) == value`. */
export interface RegisterCondition {
  readonly register: RegisterDescription;
  /** One or more; one of them must match what was read. */
  readonly values: readonly MaskedValue[];
}

export interface MaskedValue {
  readonly mask: number;
  readonly value: number;
}

export interface RegisterWrite {
  readonly register: RegisterDescription;
  readonly value: number;
}

/** A bus manager: what makes it move data, and where to. */
export interface DmaEngine {
  readonly transfers: readonly DmaTransfer[];
  /**
   * What a transfer depends on besides: held back with the address and length until a start goes through, so that a
   * start that is refused leaves the device as it was. Address and length registers are not repeated here.
   */
  readonly parameters: readonly RegisterDescription[];
  /** Every transfer begins at a multiple of this; a power of two. */
  readonly alignmentBytes: number;
  /** How many bytes one burst moves; a burst must not cross a boundary of 4 KiB (AXI4). A power of two. */
  readonly burstBytes: number;
}

export interface DmaTransfer {
  /** `read`, `write`, `mm2s`: what messages call it. */
  readonly name: string;
  /** `reads`: the device reads memory; `writes`: it changes memory. */
  readonly direction: "reads" | "writes";
  readonly start: TransferStart;
  /** Where it begins. A value with bits beyond `bits` is refused, since the device would drop them. */
  readonly address: {
    readonly low: RegisterDescription;
    readonly high: RegisterDescription | undefined;
    /** Width of the address: up to 32 without `high`, up to 64 with it. */
    readonly bits: number;
  };
  /**
   * How long it is: fixed, or `((register & mask) + extraUnits) * unitBytes`. A register value with other bits set is
   * refused.
   */
  readonly length:
    | { readonly register: undefined; readonly bytes: number }
    | {
        readonly register: RegisterDescription;
        readonly mask: number;
        readonly unitBytes: number;
        readonly extraUnits: 0 | 1;
      };
  /** What holds while it is not under way, for a transfer that goes on beside others; absent: the device's `idle`. */
  readonly idle: readonly RegisterCondition[] | undefined;
  /** What a register shows once it has ended, until the next one begins, or software clears it; absent: nothing does. */
  readonly done: { readonly register: RegisterDescription; readonly value: MaskedValue } | undefined;
  /**
   * At most so many microseconds after the device has taken the start, it shows that it is at work, or has ended; 0: with
   * the next read. Absent: not known.
   */
  readonly busyWithinUs: number | undefined;
}

/** What software writes to start a transfer. */
export interface TransferStart {
  readonly register: RegisterDescription;
  /** One of these bits set starts it. */
  readonly mask: number;
  /** Any write of the register starts it, one of 0 too. */
  readonly anyWrite: boolean;
  /** Its bits read 1 until the device has taken the start, and then 0. */
  readonly isPulse: boolean;
}
