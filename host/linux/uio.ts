import { closeSync, constants, existsSync, fstatSync, openSync, readSync, statSync } from "node:fs";
import { isDeepStrictEqual } from "node:util";
import { AxiscriptError, errnoCode } from "../util/errors";
import type { DeviceWindow } from "../dma/device-window";
import { duplicateDescriptor, pageSizeBytes, tryLockFile, tryLockFileShared } from "../native/libc";
import type { DeviceCatalog } from "./catalog";
import { type FileHolder, lockHolders } from "./lock-holders";
import { adviceForUnboundPci, allowMemoryAccess, enableLineInterrupt, readPciFunction } from "./pci";
import type { Sysroot } from "./sysroot";
import type { InterruptSource, UioInterrupt } from "./uio-interrupt";
import { formatUioName, means, parseUioName } from "./uio-names";
import { UIO_CLASS } from "./uio-presence";
import type { UioIdentity, UioMap } from "./uio-identity";
import { waitUntil } from "../util/wait";

/** The device-tree property by which the reference system tells devices of one name apart. */
const NOTE_PROPERTY = "jan-note";

/**
 * A device of the kernel's user-space I/O framework, as `/sys/class/uio/uioN` describes it.
 * Source: kernel `drivers/uio/uio.c`.
 */
export interface UioDeviceInfo extends UioIdentity {
  /** Register ranges, in the order of their map numbers. */
  readonly maps: readonly UioMap[];
}

/** What the kernel prints is always a number; a file in its place may hold anything, which is no address. */
function parseAddress(text: string): bigint {
  return /^0x[0-9a-f]+$/i.test(text) ? BigInt(text) : 0n;
}

/**
 * All UIO devices of a system, in the order of their numbers.
 *
 * @param catalog knows what devices on the PCI bus are called; absent: they have the names that their drivers give them
 */
export function listUioDevices(sysroot: Sysroot, catalog?: DeviceCatalog): UioDeviceInfo[] {
  return identifyAll(sysroot, catalog).map((device) => withMaps(sysroot, device, catalog));
}

function identifyAll(sysroot: Sysroot, catalog: DeviceCatalog | undefined): UioIdentity[] {
  const devices = sysroot.list(UIO_CLASS).map((id) => identify(sysroot, id));
  return catalog ? devices.map((device) => catalog.named(sysroot, device)) : devices;
}

function identify(sysroot: Sysroot, id: string): UioIdentity {
  const directory = `${UIO_CLASS}/${id}`;
  const pci = readPciFunction(sysroot, `${directory}/device`);
  return {
    id,
    ...parseUioName(sysroot.readText(`${directory}/name`) ?? ""),
    note: sysroot.readText(`${directory}/device/of_node/${NOTE_PROPERTY}`) ?? "",
    ...(pci && { pci }),
  };
}

/** Reads the rest, which is more: only who opens a device or shows it needs that. */
function withMaps(sysroot: Sysroot, device: UioIdentity, catalog?: DeviceCatalog): UioDeviceInfo {
  const maps = readMaps(sysroot, device);
  const unitAddress = device.unitAddress ?? unitAddressFrom(device, maps);
  return {
    ...device,
    ...(unitAddress !== undefined && { unitAddress }),
    maps: catalog ? catalog.rangesOf(device, maps) : maps,
  };
}

/** Of a device whose kernel does not put it into its name. */
function unitAddressFrom({ pci }: UioIdentity, [first]: readonly UioMap[]): string | undefined {
  if (pci || !first || first.physicalAddress === 0n) return undefined;
  return first.physicalAddress.toString(16);
}

function readMaps(sysroot: Sysroot, { id }: UioIdentity): UioMap[] {
  const directory = `${UIO_CLASS}/${id}/maps`;
  return sysroot.list(directory).map((map) => {
    const read = (attribute: string) => sysroot.readText(`${directory}/${map}/${attribute}`) || "0x0";
    const offsetBytes = Number(read("offset"));
    return {
      index: Number(map.replace("map", "")),
      physicalAddress: parseAddress(read("addr")) + BigInt(Number.isSafeInteger(offsetBytes) ? offsetBytes : 0),
      lengthBytes: Number(read("size")) - offsetBytes,
      offsetBytes,
    };
  });
}

/**
 * The one device with a given name and note.
 *
 * @param name as in `/sys/class/uio/uioN/name`, with or without unit address (`AxiProxy@a0000000`), or `uioN` itself; of
 *   a PCI device, the kind of its description or `pci:VVVV:DDDD`
 * @param note the property `jan-note`, or what a description says in its place; empty: any
 * @param catalog as for {@link listUioDevices}
 * @throws AxiscriptError ERR_AXI_NO_SUCH_DEVICE with the devices that exist; ERR_AXI_AMBIGUOUS_DEVICE if several match
 */
export function findUioDevice(sysroot: Sysroot, name: string, note: string, catalog?: DeviceCatalog): UioDeviceInfo {
  return selectUioDevice(identifyAll(sysroot, catalog), sysroot, name, note, catalog);
}

function selectUioDevice(
  devices: readonly UioIdentity[],
  sysroot: Sysroot,
  name: string,
  note: string,
  catalog: DeviceCatalog | undefined,
): UioDeviceInfo {
  const found = devices.filter((device) => matches(sysroot, device, name, note));
  const [device] = found;
  const wanted = describe({ name, note });
  if (!device) {
    const { adviceForUnbound } = require("./unbound") as typeof import("./unbound");
    const existing = devices.length > 0 ? devices.map(describeWithId).join(", ") : "none; is the FPGA programmed?";
    throw new AxiscriptError(
      "ERR_AXI_NO_SUCH_DEVICE",
      `Cannot open device ${wanted}: no UIO device has that name. ` +
        (adviceForUnbound(sysroot, parseUioName(name).name, note) ??
          adviceForUnboundPci(sysroot, [pciIdIn(name, note) ?? [], catalog?.pciIdsOf(name) ?? []].flat()) ??
          `Devices: ${existing}`),
    );
  }
  if (found.length > 1) {
    throw new AxiscriptError(
      "ERR_AXI_AMBIGUOUS_DEVICE",
      `Cannot open device ${wanted}: ${found.length} devices have that name. ${adviceToChoose(
        found.map((each) => withMaps(sysroot, each)),
      )}`,
    );
  }
  return withMaps(sysroot, device, catalog);
}

/** How to ask for one of several devices. */
function adviceToChoose(found: readonly UioDeviceInfo[]): string {
  const notes = new Set(found.map(({ note }) => note));
  if (notes.size === found.length) return `Give a note as well: ${found.map(describeWithId).join(", ")}`;
  const choices = found.map((device) => `${device.id} (${formatUioName(device)})`);
  return `Ask for one by its number, or by its unit address, which stays when numbers change: ${choices.join(", ")}`;
}

/**
 * As {@link findUioDevice}, but gives a device that is about to appear some time: after an overlay was applied, drivers
 * bind and device files are made a moment later.
 */
export function awaitUioDevice(
  sysroot: Sysroot,
  name: string,
  note: string,
  timeoutMs: number,
  catalog?: DeviceCatalog,
): UioDeviceInfo {
  let devices: readonly UioIdentity[] = [];
  waitUntil(() => {
    devices = identifyAll(sysroot, catalog);
    return devices.some((device) => matches(sysroot, device, name, note) && hasFile(sysroot, device));
  }, timeoutMs);
  return selectUioDevice(devices, sysroot, name, note, catalog);
}

function matches(sysroot: Sysroot, device: UioIdentity, name: string, note: string): boolean {
  const pciId = pciIdIn(name, note);
  if (pciId !== undefined) return device.pci?.id === pciId;
  return (isCalled(sysroot, device, name) || device.id === name) && (note === "" || device.note === note);
}

function isCalled(sysroot: Sysroot, device: UioIdentity, name: string): boolean {
  const asked = parseUioName(name);
  if (asked.name !== device.name || asked.unitAddress === undefined) return asked.name === device.name;
  return means(name, device.unitAddress === undefined ? withMaps(sysroot, device) : device);
}

/** The id in `pci:VVVV:DDDD`, which may also come as a name and a note. */
function pciIdIn(name: string, note: string): string | undefined {
  return /^pci:([0-9a-f]{4}:[0-9a-f]{4})$/i.exec([name, note].filter(Boolean).join(":"))?.[1]?.toLowerCase();
}

function hasFile(sysroot: Sysroot, device: UioIdentity): boolean {
  return existsSync(sysroot.path(`/dev/${device.id}`));
}

/** A device's registers, ready to be mapped, and its interrupt. */
export interface UioWindow extends DeviceWindow {
  /** Of use while the device's file is open. Made when it is first asked for. */
  readonly interrupt: () => UioInterrupt;
}

/** What {@link openUioWindow} opens. */
export interface UioOpening {
  /** Together with others who open it so. */
  readonly shared?: boolean;
  /** The number of a map; absent or 0: the device's first range of registers. */
  readonly map?: number;
  /** A descriptor of the same device that its holder has locked: the window then has that lock, too, and its interrupts. */
  readonly beside?: number;
}

/**
 * Opens a register range of a device for the gate, for one opener alone: the device file is locked (flock) until it is
 * closed. A device without maps, which may have an interrupt, gives a window without registers.
 *
 * @throws AxiscriptError ERR_AXI_DEVICE_ACCESS if there is no such range, or no right to it, or another device has taken
 *   its place since it was found; ERR_AXI_DEVICE_IN_USE
 */
export function openUioWindow(sysroot: Sysroot, device: UioDeviceInfo, opening: UioOpening = {}): UioWindow {
  const { shared = false, map: number = 0, beside } = opening;
  const deviceName = number === 0 ? describe(device) : `${describe(device)}, map${number}`;
  const map = mapOf(device, number);
  const path = sysroot.path(`/dev/${device.id}`);
  let fd: number;
  try {
    // So that a read for interrupts never blocks.
    fd = beside === undefined ? openSync(path, constants.O_RDWR | constants.O_NONBLOCK) : duplicateDescriptor(beside);
  } catch (cause) {
    const code = errnoCode(cause);
    const advice =
      code === "EACCES" || code === "EPERM"
        ? `you may not open ${path}. Run as root, or give your group the right with a udev rule.`
        : `opening ${path} gave ${code}.`;
    throw new AxiscriptError("ERR_AXI_DEVICE_ACCESS", `Cannot open device ${deviceName}: ${advice}`, { cause });
  }
  if (beside === undefined && !(shared ? tryLockFileShared(fd) : tryLockFile(fd))) {
    const holders = lockHolders(fstatSync(fd, { bigint: true }));
    closeSync(fd);
    throw inUse(deviceName, device, holders, shared);
  }
  if (!isStillThere(sysroot, device, fd)) {
    closeSync(fd);
    throw new AxiscriptError(
      "ERR_AXI_DEVICE_ACCESS",
      `Cannot open device ${deviceName}: ${device.id} became another device meanwhile. Was an overlay removed? Open it again.`,
    );
  }
  // A regular file in place of a device can be too short, and a load behind its end would end this process.
  const stat = fstatSync(fd);
  const neededBytes = map && map.file === undefined ? map.index * pageSizeBytes + map.offsetBytes + map.lengthBytes : 0;
  if (stat.isFile() && stat.size < neededBytes) {
    closeSync(fd);
    throw new AxiscriptError(
      "ERR_AXI_DEVICE_ACCESS",
      `Cannot map device ${deviceName}: ${path} has ${stat.size} bytes, its map says ${neededBytes}.`,
    );
  }
  if (device.pci) {
    try {
      allowMemoryAccess(sysroot, device.pci);
    } catch (error) {
      closeSync(fd);
      throw error;
    }
  }
  return {
    deviceName,
    fd,
    fileOffset: (map?.index ?? 0) * pageSizeBytes,
    startBytes: map?.offsetBytes ?? 0,
    lengthBytes: map ? map.lengthBytes & ~3 : 0,
    ...(map?.file !== undefined && { registersFile: sysroot.path(map.file) }),
    interrupt: lazyInterrupt(sysroot, device, fd, endOfMaps(device), stat.isFile()),
  };
}

/** What the gate can address: 64-bit registers are aligned in its memory as they are in the device. */
const REGISTERS_ALIGNMENT = 8;

/**
 * A map of a device; absent for the first of a device that has none.
 *
 * @throws AxiscriptError ERR_AXI_DEVICE_ACCESS if there is no such map, or no registers in it
 */
function mapOf(device: UioDeviceInfo, number: number): UioMap | undefined {
  const [first] = device.maps;
  const map = number === 0 ? first : device.maps.find(({ index }) => index === number);
  const cannot = (reason: string) =>
    new AxiscriptError("ERR_AXI_DEVICE_ACCESS", `Cannot map device ${describeWithId(device)}: ${reason}.`);
  if (!map) {
    // A BAR that a description names, and the device has not, is no device without registers.
    if (number === 0 && !device.pci) return undefined;
    if (number === 0) throw cannot("it has no registers");
    const present = device.maps.map(({ index }) => `map${index}`).join(", ") || "none";
    throw cannot(`it has no map${number}. Its maps: ${present}`);
  }
  const { index, offsetBytes, lengthBytes } = map;
  if (!(offsetBytes >= 0) || !(lengthBytes >= 4)) throw cannot(`map${index} has no registers`);
  if (offsetBytes % REGISTERS_ALIGNMENT === 0) return map;
  throw cannot(
    `the registers of map${index} begin at offset ${offsetBytes}, which is no multiple of ${REGISTERS_ALIGNMENT}`,
  );
}

/** Where a regular file in place of the device has what a device tells of its interrupts. */
function endOfMaps({ maps }: UioDeviceInfo): number {
  const ends = maps.map(
    ({ index, offsetBytes, lengthBytes }) => index + Math.ceil((offsetBytes + lengthBytes) / pageSizeBytes),
  );
  return Math.max(0, ...ends) * pageSizeBytes;
}

/**
 * Whether an open file is that of a device as it was found. From the moment it is locked no other axiscript removes its
 * overlay; before, `uioN` could have become the number of another one.
 */
function isStillThere(sysroot: Sysroot, device: UioDeviceInfo, fd: number): boolean {
  const opened = fstatSync(fd, { bigint: true });
  const present = statSync(sysroot.path(`/dev/${device.id}`), { bigint: true, throwIfNoEntry: false });
  if (present?.ino !== opened.ino || present.dev !== opened.dev) return false;
  const now = identify(sysroot, device.id);
  // What a PCI device is called, and which of its ranges is used, is not the kernel's.
  if (now.pci) return isDeepStrictEqual(now.pci, device.pci);
  return isDeepStrictEqual(withMaps(sysroot, now), device);
}

/** Who has which devices open, one line for each device that is: `process 4711 (node) has AxiProxy:hpc (uio1) open`. */
export function usersOfUioDevices(sysroot: Sysroot): string[] {
  return identifyAll(sysroot, undefined).flatMap((device) => {
    const file = statSync(sysroot.path(`/dev/${device.id}`), { bigint: true, throwIfNoEntry: false });
    const holders = file ? lockHolders(file) : [];
    return holders.length > 0 ? `${nameHolders(holders)} has ${describeWithId(device)} open` : [];
  });
}

function nameHolders(holders: readonly FileHolder[]): string {
  const names = holders.map(({ pid, command }) =>
    pid === process.pid ? `this process (${pid})` : `process ${pid} (${command})`,
  );
  return names.join(", ");
}

function inUse(
  deviceName: string,
  { id }: UioDeviceInfo,
  holders: readonly FileHolder[],
  shared: boolean,
): AxiscriptError {
  const advice = shared
    ? "It was not opened for sharing there. Wait until it is closed."
    : "Wait until it is closed, or open it for sharing on both sides (UioDevice.openShared).";
  return new AxiscriptError(
    "ERR_AXI_DEVICE_IN_USE",
    `Cannot open device ${deviceName} (${id}): ${nameHolders(holders) || "somebody else"} has it open. ${advice}`,
  );
}

/** Interrupts are news from the opening of the device on; what waits for them is loaded when somebody does. */
function lazyInterrupt(
  sysroot: Sysroot,
  device: UioDeviceInfo,
  fd: number,
  interruptPosition: number,
  isFile: boolean,
): () => UioInterrupt {
  const { pci } = device;
  // A kernel's device keeps that count to itself.
  const found = isFile ? countInFile(fd, interruptPosition) : KERNELS;
  const source: InterruptSource = {
    ...{ deviceName: describe(device), fd, interruptPosition, ...found },
    ...(pci && { enableLine: (on) => enableLineInterrupt(sysroot, pci, on) }),
  };
  let interrupt: UioInterrupt | undefined;
  return () => {
    if (interrupt) return interrupt;
    const loaded = require("./uio-interrupt") as typeof import("./uio-interrupt");
    interrupt = new loaded.UioInterrupt(source);
    return interrupt;
  };
}

/** What is known of the interrupt of a kernel's device. */
const KERNELS = { isPlainFile: false, interruptsAtOpen: undefined } as const;

/** A virtual board's device is a regular file, too, where a file system answers in the kernel's place. */
function countInFile(fd: number, position: number): Pick<InterruptSource, "isPlainFile" | "interruptsAtOpen"> {
  const word = new Int32Array(1);
  try {
    const isThere = readSync(fd, word, 0, word.byteLength, position) === word.byteLength;
    return { isPlainFile: true, interruptsAtOpen: isThere ? word[0] : undefined };
  } catch (error) {
    // No interrupt so far, or none at all.
    if (["EAGAIN", "EIO"].includes(errnoCode(error) ?? "")) return KERNELS;
    throw error;
  }
}

/** How messages name a device: `AxiProxy:hpc`. */
function describe({ name, note }: { name: string; note: string }): string {
  return note === "" ? name : `${name}:${note}`;
}

/** `AxiProxy:hpc (uio1)`. */
export function describeWithId(device: UioIdentity): string {
  return `${describe(device)} (${device.id})`;
}
