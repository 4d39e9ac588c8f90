import type { PciFunction } from "./pci";
import type { Sysroot } from "./sysroot";
import { UIO_CLASS } from "./uio-presence";

/** What a UIO device is told from others by. */
export interface UioIdentity {
  /** `uioN`; the number changes between boots and overlays. */
  readonly id: string;
  /** As in `/sys/class/uio/uioN/name`, without unit address. */
  readonly name: string;
  /**
   * Of its node in the device tree, `a0000000`: from its name where the kernel puts it there, else, of a device whose
   * maps were read, where its registers are on the bus. Absent: unknown.
   */
  readonly unitAddress?: string;
  /** The device-tree property `jan-note`, or empty. */
  readonly note: string;
  /** Of a device on that bus. */
  readonly pci?: PciFunction;
}

/**
 * A register range of a UIO device. The kernel shows whole pages, and from where on in them the registers are: they are
 * the bytes from there to the end.
 */
export interface UioMap {
  readonly index: number;
  /** Bus address of the registers. */
  readonly physicalAddress: bigint;
  /** Of the registers. */
  readonly lengthBytes: number;
  /** Where the registers begin in the mapped pages. */
  readonly offsetBytes: number;
  /** The file to map from its beginning, where the UIO driver does not offer the range; absent: `/dev/uioN`. */
  readonly file?: string;
}

/**
 * The texts in a property of a device's node in the device tree; none if it has no such property.
 * Source: Devicetree Specification 0.4, 2.2.4: texts end in NUL.
 */
export function devicePropertyTexts(sysroot: Sysroot, { id }: UioIdentity, property: string): readonly string[] {
  const raw = /^[\w,.+?#-]+$/.test(property)
    ? sysroot.readRaw(`${UIO_CLASS}/${id}/device/of_node/${property}`)
    : undefined;
  return raw?.split("\0").filter(Boolean) ?? [];
}
