import { overlayFile } from "../../../native/memory-overlay";
import { pageSizeBytes } from "../../../native/libc";
import type { DeviceFiles } from "./device-files";
import type { BoardInterrupt } from "../../fabric/interrupt";
import type { KernelFiles } from "../kernel-files";
import { Attribute, Directory, KernelError, Link } from "../kernel-tree";
import type { OverlayDevice } from "../fpga/overlay-devices";
import { PATHS } from "../paths";
import { platformDirectory, ueventOf, UIO_DRIVER } from "./platform-device";
import { mapsDirectory, mapsOf, registerFileBytes, type UioMap } from "./uio-maps";

const UIO_MAJOR = 243;
/** No count of interrupts. */
const NEVER_SHOWN = -1;

/** A device that is published: its number and its registers. */
export interface UioNode {
  /** `uioN` */
  readonly id: string;
  readonly device: OverlayDevice;
  readonly maps: readonly UioMap[];
  /** Of a device that has one. */
  readonly interrupt: BoardInterrupt | undefined;
}

/**
 * The kernel's UIO class: publishes devices as `/dev/uioN` and `/sys/class/uio/uioN`.
 * Source: kernel `drivers/uio/uio.c` and `uio_pdrv_genirq.c`.
 */
export class UioClass {
  readonly #devices: DeviceFiles;
  readonly #kernelFiles: KernelFiles;
  /** By name on the platform bus. */
  readonly #nodes = new Map<string, UioNode>();
  /** Devices with an interrupt, and what their attribute `event` says. */
  readonly #events = new Map<UioNode, number>();

  constructor(devices: DeviceFiles, kernelFiles: KernelFiles) {
    this.#devices = devices;
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
    const node = { id, device, ...mapDevice(this.#devices, id, device) };
    const made = { uio: new Directory({ [id]: classDirectory(node) }) };
    this.#kernelFiles.add(platform, platformDirectory(device, made));
    for (const [path, target] of busLinks(device)) this.#kernelFiles.add(path, new Link(target));
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
    this.#devices.remove(id);
    for (const [path] of busLinks(device)) this.#kernelFiles.remove(path);
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

  #firstFree(): string {
    const taken = new Set(this.#kernelFiles.entries(PATHS.uioClass));
    let number = 0;
    while (taken.has(`uio${number}`)) number++;
    return `uio${number}`;
  }
}

/** What the class shows of a device. */
function classDirectory({ id, device, maps, interrupt }: UioNode): Directory {
  const line = (text: string) => Attribute.of(`${text}\n`);
  const minor = id.replace("uio", "");
  const uio = new Directory({
    name: line(device.name),
    version: line("devicetree"),
    event: new Attribute({ show: () => `${interrupt?.count ?? 0}\n` }),
    dev: line(`${UIO_MAJOR}:${minor}`),
    uevent: ueventOf({ MAJOR: UIO_MAJOR, MINOR: minor, DEVNAME: id }),
    device: new Link(`../../../${device.busName}`),
    subsystem: new Link("../../../../../class/uio"),
  });
  if (maps.length > 0) uio.add("maps", mapsDirectory(maps));
  return uio;
}

/** Where the platform bus has links to a device. */
function busLinks({ busName }: OverlayDevice): readonly (readonly [path: string, target: string])[] {
  const device = `devices/platform/${busName}`;
  return [
    [`${PATHS.platformBus}/devices/${busName}`, `../../../${device}`],
    [`${PATHS.platformBus}/drivers/${UIO_DRIVER}/${busName}`, `../../../../${device}`],
  ];
}

function eventPath({ id, device }: UioNode): string {
  return `${PATHS.platformDevices}/${device.busName}/uio/${id}/event`;
}

/**
 * Makes a device's file and maps it: its registers, and behind them, if it has an interrupt and the file holds that, a page
 * for it.
 */
function mapDevice(devices: DeviceFiles, id: string, device: OverlayDevice): Pick<UioNode, "maps" | "interrupt"> {
  const hasInterrupt = device.interrupt !== undefined;
  const registerBytes = registerFileBytes(device.ranges);
  const { fd, interrupt, close } = devices.add(id, { lengthBytes: registerBytes, uio: { hasInterrupt } });
  try {
    const isInFile = hasInterrupt && !interrupt;
    const mappedBytes = registerBytes + (isInFile ? pageSizeBytes : 0);
    const wasmPages = Math.ceil(mappedBytes / 65536);
    const memory = new WebAssembly.Memory({ initial: wasmPages, maximum: wasmPages });
    if (mappedBytes > 0) overlayFile(memory, 0, mappedBytes, fd, 0);
    return {
      maps: mapsOf(device.ranges, memory.buffer),
      interrupt: isInFile ? makeInterrupt(memory.buffer, registerBytes) : interrupt,
    };
  } finally {
    close();
  }
}

/** Loaded for the devices that have one. */
function makeInterrupt(buffer: ArrayBufferLike, offset: number): BoardInterrupt {
  const { BoardInterrupt } = require("../../fabric/interrupt") as typeof import("../../fabric/interrupt");
  return new BoardInterrupt(new Int32Array(buffer, offset, pageSizeBytes / 4));
}
