import { closeSync, constants, openSync, readlinkSync, readSync, writeSync } from "node:fs";
import { basename } from "node:path";
import { AxiscriptError, errnoCode } from "../util/errors";
import type { Sysroot } from "./sysroot";

export const PCI_DEVICES = "/sys/bus/pci/devices";
/** Where registers can be: base address registers 0 to 5; what follows in `resource` is of other kinds. */
const BAR_COUNT = 6;
/** Start, end and flags of a range. */
const RESOURCE = /^(0x[0-9a-f]+) (0x[0-9a-f]+) (0x[0-9a-f]+)$/;
/** Source: kernel `include/linux/ioport.h`. */
const IORESOURCE_MEM = 0x200n;

/** Bits of the command register, which has 16 bits. Source: PCI Local Bus Specification 3.0, 6.2.2. */
const COMMAND = { offset: 4, bytes: 2, memory: 1 << 1, busMaster: 1 << 2, interruptDisable: 1 << 10 } as const;

/** A function of a PCI device. Source: kernel `Documentation/PCI/sysfs-pci.rst`. */
export interface PciFunction {
  /** Its place: `0000:00:04.0`. */
  readonly address: string;
  /** Vendor and device: `1af4:1110`. */
  readonly id: string;
  /** Its ranges of memory, by BAR. */
  readonly bars: readonly PciBar[];
}

/** A range of memory that a base address register gives to a device. */
export interface PciBar {
  /** 0 to 5. */
  readonly index: number;
  /** Bus address of the range. */
  readonly physicalAddress: bigint;
  readonly lengthBytes: number;
}

/** The PCI function behind a link of the kernel's device model; `undefined` if what is there is on another bus. */
export function readPciFunction(sysroot: Sysroot, link: string): PciFunction | undefined {
  const resource = sysroot.readText(`${link}/resource`);
  if (resource === undefined) return undefined;
  const bars = resource
    .split("\n", BAR_COUNT)
    .map((line) => (RESOURCE.exec(line) ?? []).slice(1).map(BigInt))
    .flatMap(([start = 0n, end = 0n, flags = 0n], index): PciBar[] =>
      (flags & IORESOURCE_MEM) === 0n ? [] : [{ index, physicalAddress: start, lengthBytes: Number(end - start + 1n) }],
    );
  return { address: basename(readlinkSync(sysroot.path(link))), id: idOf(sysroot, link), bars };
}

/** The file with a BAR's memory. */
export function barFile({ address }: PciFunction, bar: number): string {
  return `${PCI_DEVICES}/${address}/resource${bar}`;
}

/**
 * Lets a function answer to accesses to its memory.
 *
 * @throws AxiscriptError ERR_AXI_DEVICE_ACCESS
 */
export function allowMemoryAccess(sysroot: Sysroot, pci: PciFunction): void {
  changeCommand(sysroot, pci, { set: COMMAND.memory });
}

/**
 * Lets a function reach memory by itself (bus mastering).
 *
 * @throws AxiscriptError ERR_AXI_DEVICE_ACCESS
 */
export function allowBusMastering(sysroot: Sysroot, pci: PciFunction): void {
  changeCommand(sysroot, pci, { set: COMMAND.busMaster });
}

/**
 * Lets the interrupt line INTx of a function come, or keeps it from coming. The driver `uio_pci_generic` leaves that to
 * software, and keeps it from coming whenever it has come.
 *
 * @throws AxiscriptError ERR_AXI_DEVICE_ACCESS
 */
export function enableLineInterrupt(sysroot: Sysroot, pci: PciFunction, on: boolean): void {
  changeCommand(sysroot, pci, on ? { clear: COMMAND.interruptDisable } : { set: COMMAND.interruptDisable });
}

/**
 * What to do about PCI functions that the system has and that are no UIO devices; `undefined` if it has none.
 *
 * @param ids as in {@link PciFunction}
 */
export function adviceForUnboundPci(sysroot: Sysroot, ids: readonly string[]): string | undefined {
  const address = sysroot.list(PCI_DEVICES).find((name) => ids.includes(idOf(sysroot, `${PCI_DEVICES}/${name}`)));
  if (address === undefined) return undefined;
  const directory = `${PCI_DEVICES}/${address}`;
  const driver = linkName(sysroot, `${directory}/driver`);
  const load = `modprobe uio_pci_generic; echo ${idOf(sysroot, directory).replace(":", " ")} > /sys/bus/pci/drivers/uio_pci_generic/new_id`;
  return driver === undefined
    ? `The system has it as ${address}, and no driver is bound to it: ${load}.`
    : `The system has it as ${address}, and the driver ${driver} is bound to it. To give it to scripts: ` +
        `echo ${address} > /sys/bus/pci/drivers/${driver}/unbind; ${load}.`;
}

function idOf(sysroot: Sysroot, directory: string): string {
  const [vendor, device] = ["vendor", "device"].map((name) => sysroot.readText(`${directory}/${name}`)?.slice(2));
  return `${vendor}:${device}`;
}

function linkName(sysroot: Sysroot, link: string): string | undefined {
  try {
    return basename(readlinkSync(sysroot.path(link)));
  } catch {
    return undefined;
  }
}

/** Writes the command register, if it is not as it should be. */
function changeCommand(
  sysroot: Sysroot,
  { address, id }: PciFunction,
  { set = 0, clear = 0 }: { readonly set?: number; readonly clear?: number },
): void {
  const path = sysroot.path(`${PCI_DEVICES}/${address}/config`);
  try {
    const found = access(path, constants.O_RDONLY, (fd, word) => readSync(fd, word, 0, COMMAND.bytes, COMMAND.offset));
    const wanted = (found | set) & ~clear;
    if (wanted === found) return;
    access(path, constants.O_RDWR, (fd, word) => {
      word[0] = wanted;
      writeSync(fd, word, 0, COMMAND.bytes, COMMAND.offset);
    });
  } catch (cause) {
    const code = errnoCode(cause);
    // Who may not open the file gets EACCES.
    const advice =
      code === "EPERM"
        ? "The kernel is locked down (/sys/kernel/security/lockdown): boot without lockdown= and secure boot."
        : "Run as root, or give your group the right to write that file with a udev rule.";
    throw new AxiscriptError(
      "ERR_AXI_DEVICE_ACCESS",
      `Cannot change the command register of PCI device ${id} at ${address}: ${path} gave ${code}. ${advice}`,
      { cause },
    );
  }
}

/** Opens a file for one access to a word of 16 bits, which is returned. */
function access(path: string, flags: number, body: (fd: number, word: Uint16Array) => void): number {
  const word = new Uint16Array(1);
  const fd = openSync(path, flags);
  try {
    body(fd, word);
  } finally {
    closeSync(fd);
  }
  return word[0] ?? 0;
}
