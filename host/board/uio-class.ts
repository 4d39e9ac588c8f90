import { appendFileSync, closeSync, existsSync, linkSync, openSync, rmSync, statSync } from "node:fs";
import { overlayFile } from "../native/memory-overlay";
import { pageSizeBytes } from "../native/libc";
import type { BoardFiles } from "./files";
import type { BoardInterrupt } from "./interrupt";
import type { KernelFiles } from "./kernel-files";
import { Attribute, Directory, KernelError, Link } from "./kernel-tree";
import type { RegisterRange } from "./device-tree-bus";
import type { OverlayDevice } from "./overlay-devices";
import { PATHS } from "./paths";

const UIO_MAJOR = 243;
/** What a device tree allows, but for `.` and `..`, which are no files. */
const PROPERTY_NAME = /^(?!\.{1,2}$)[\w,.+?#-]{1,31}$/;
/** No count of interrupts. */
const NEVER_SHOWN = -1;

/** Source: kernel `include/linux/uio_driver.h`. */
const MAX_UIO_MAPS = 5;

/** A device that is published: its number and its registers. */
export interface UioNode {
  /** `uioN` */
  readonly id: string;
  readonly device: OverlayDevice;
  readonly maps: readonly UioMap[];
  /** Of a device that has one. */
  readonly interrupt: BoardInterrupt | undefined;
}

/** Whole pages of `/dev/uioN`, in which the registers of a range lie. */
export interface UioMap {
  readonly range: RegisterRange;
  /** Bus address of its first page. */
  readonly pageAddress: number;
  /** Where the registers begin in it. */
  readonly offset: number;
  /** Whole pages. */
  readonly lengthBytes: number;
  /** The register file from there to the end of the map, shared with whoever maps `/dev/uioN`. */
  readonly registers: Int32Array;
}

/**
 * The kernel's UIO class: publishes devices as `/dev/uioN` and `/sys/class/uio/uioN`.
 * Source: kernel `drivers/uio/uio.c` and `uio_pdrv_genirq.c`.
 */
export class UioClass {
  readonly #files: BoardFiles;
  readonly #kernelFiles: KernelFiles;
  /** By name on the platform bus. */
  readonly #nodes = new Map<string, UioNode>();
  /** Devices with an interrupt, and what their attribute `event` says. */
  readonly #events = new Map<UioNode, number>();

  constructor(files: BoardFiles, kernelFiles: KernelFiles) {
    this.#files = files;
    this.#kernelFiles = kernelFiles;
  }

  /**
   * Makes a device appear; its class entry comes last. One that was published by an earlier board is taken over.
   *
   * @throws KernelError EEXIST if it is there already
   */
  publish(device: OverlayDevice): UioNode {
    const platformName = device.busName;
    const platform = `${PATHS.platformDevices}/${platformName}`;
    if (this.#nodes.has(platformName)) throw new KernelError("EEXIST", `${platformName} is there already`);
    const [id = this.#firstFree()] = this.#kernelFiles.entries(`${platform}/uio`);
    const ranges = this.#reachable(device);
    const node = { id, device, ...mapDevice(this.#files, id, ranges, device.interrupt !== undefined) };
    this.#kernelFiles.add(platform, platformDirectory(platformName, node));
    this.#kernelFiles.add(`${PATHS.uioClass}/${id}`, new Link(`../../devices/platform/${platformName}/uio/${id}`));
    this.#nodes.set(platformName, node);
    if (node.interrupt) this.#events.set(node, NEVER_SHOWN);
    return node;
  }

  /** Makes a device disappear; its class entry goes last. Mappings of its registers stay valid. */
  remove(node: UioNode): void {
    const { id, device } = node;
    const platformName = device.busName;
    this.#nodes.delete(platformName);
    this.#events.delete(node);
    rmSync(this.#files.path(`${PATHS.devices}/${id}`), { force: true });
    this.#kernelFiles.remove(`${PATHS.platformDevices}/${platformName}`);
    this.#kernelFiles.remove(`${PATHS.uioClass}/${id}`);
  }

  /** Lets the attributes say what is so now. */
  serve(): void {
    for (const [node, shown] of this.#events) {
      const count = node.interrupt?.count ?? 0;
      if (count === shown) continue;
      this.#events.set(node, count);
      this.#kernelFiles.changed(eventPath(node), `${count}\n`);
    }
  }

  /**
   * The ranges that programs can map. Map M begins at page M of the device's file, so that a regular file has no room for
   * one that follows a map of several pages.
   */
  #reachable({ busName, ranges }: OverlayDevice): readonly RegisterRange[] {
    const isLarge = ({ address, lengthBytes }: RegisterRange) => (address % pageSizeBytes) + lengthBytes > pageSizeBytes;
    const large = ranges.findIndex(isLarge);
    const room = Math.min(large < 0 ? ranges.length : large + 1, MAX_UIO_MAPS);
    for (const { name, address } of ranges.slice(room)) {
      const reason = room === MAX_UIO_MAPS ? `a device has at most ${MAX_UIO_MAPS}` : "the one before it has more than a page";
      this.#files.log(
        `uio_pdrv_genirq ${busName}: range ${name} at 0x${address.toString(16)} is left out: this board has no map for it, since ${reason}`,
      );
    }
    return ranges.slice(0, room);
  }

  #firstFree(): string {
    const taken = new Set(this.#kernelFiles.entries(PATHS.uioClass));
    let number = 0;
    while (taken.has(`uio${number}`)) number++;
    return `uio${number}`;
  }
}

/** What a platform device shows: its device-tree node, and the UIO device that its driver made. */
function platformDirectory(platformName: string, { id, device, maps, interrupt }: UioNode): Directory {
  const line = (text: string) => Attribute.of(`${text}\n`);
  const uio = new Directory({
    name: line(device.name),
    version: line("devicetree"),
    event: new Attribute({ show: () => `${interrupt?.count ?? 0}\n` }),
    dev: line(`${UIO_MAJOR}:${id.replace("uio", "")}`),
    device: new Link(`../../../${platformName}`),
  });
  if (maps.length > 0) uio.add("maps", mapsDirectory(maps));
  return new Directory({ uio: new Directory({ [id]: uio }), of_node: treeNodeDirectory(device) });
}

/** Source: kernel `drivers/uio/uio.c`, `map_addr_show()` and those beside it. */
function mapsDirectory(maps: readonly UioMap[]): Directory {
  const line = (text: string) => Attribute.of(`${text}\n`);
  const address = (value: number) => line(`0x${value.toString(16).padStart(16, "0")}`);
  const entries = maps.map(({ range, pageAddress, offset, lengthBytes }, index): [string, Directory] => [
    `map${index}`,
    new Directory({
      name: line(range.name),
      addr: address(pageAddress),
      size: address(lengthBytes),
      offset: line(`0x${offset.toString(16)}`),
    }),
  ]);
  return new Directory(Object.fromEntries(entries));
}

/** A device-tree node: its properties as they are. */
function treeNodeDirectory({ nodeName, properties }: OverlayDevice): Directory {
  const directory = new Directory({ name: Attribute.of(Buffer.from(`${nodeName.split("@")[0]}\0`)) });
  for (const [name, value] of properties) {
    if (PROPERTY_NAME.test(name)) directory.add(name, Attribute.of(value));
  }
  return directory;
}

function eventPath({ id, device }: UioNode): string {
  return `${PATHS.platformDevices}/${device.busName}/uio/${id}/event`;
}

/**
 * Maps a device's file, made if need be: its registers, and behind them, if it has an interrupt, a page for that. The
 * board opens it by a name of its own, so that who opens the device is always a program.
 */
function mapDevice(
  files: BoardFiles,
  id: string,
  ranges: readonly RegisterRange[],
  hasInterrupt: boolean,
): Pick<UioNode, "maps" | "interrupt"> {
  const ends = ranges.map((range, index) => index * pageSizeBytes + pagesOf(range));
  const registerBytes = Math.max(0, ...ends);
  const mappedBytes = registerBytes + (hasInterrupt ? pageSizeBytes : 0);
  const shown = files.path(`${PATHS.devices}/${id}`);
  const own = files.path(`${PATHS.private}/${id}`);
  const wasmPages = Math.ceil(mappedBytes / 65536);
  const memory = new WebAssembly.Memory({ initial: wasmPages, maximum: wasmPages });
  rmSync(own, { force: true });
  try {
    const isNew = !existsSync(shown);
    if (!isNew) linkSync(shown, own);
    const presentBytes = isNew ? 0 : statSync(own).size;
    // Zeros, not a hole: on a full disk a hole is a SIGBUS when it is touched.
    if (presentBytes < mappedBytes) appendFileSync(own, Buffer.alloc(mappedBytes - presentBytes), { mode: 0o600 });
    mapWhole(memory, own, mappedBytes);
    if (isNew) linkSync(own, shown);
  } finally {
    rmSync(own, { force: true });
  }
  return {
    maps: ranges.map((range, index) => mapOf(range, memory.buffer, index * pageSizeBytes)),
    interrupt: hasInterrupt ? makeInterrupt(memory.buffer, registerBytes) : undefined,
  };
}

/** Source: kernel `drivers/uio/uio_pdrv_genirq.c`. */
function mapOf(range: RegisterRange, file: ArrayBufferLike, position: number): UioMap {
  const offset = range.address % pageSizeBytes;
  const lengthBytes = pagesOf(range);
  const registers = new Int32Array(file, position + offset, Math.floor((lengthBytes - offset) / 4));
  return { range, pageAddress: range.address - offset, offset, lengthBytes, registers };
}

function pagesOf({ address, lengthBytes }: RegisterRange): number {
  return wholePages((address % pageSizeBytes) + lengthBytes);
}

function mapWhole(memory: WebAssembly.Memory, file: string, lengthBytes: number): void {
  const fd = openSync(file, "r+");
  try {
    overlayFile(memory, 0, lengthBytes, fd, 0);
  } finally {
    closeSync(fd);
  }
}

/** Loaded for the devices that have one. */
function makeInterrupt(buffer: ArrayBufferLike, offset: number): BoardInterrupt {
  const { BoardInterrupt } = require("./interrupt") as typeof import("./interrupt");
  return new BoardInterrupt(new Int32Array(buffer, offset, pageSizeBytes / 4));
}

function wholePages(lengthBytes: number): number {
  return Math.ceil(lengthBytes / pageSizeBytes) * pageSizeBytes;
}
