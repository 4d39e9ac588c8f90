import {
  appendFileSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { overlayFile } from "../native/memory-overlay";
import { pageSizeBytes } from "../native/libc";
import type { BoardFiles } from "./files";
import type { BoardInterrupt } from "./interrupt";
import type { OverlayDevice } from "./overlay-devices";
import { PATHS } from "./paths";

/** A device that is published: its number and its registers. */
export interface UioNode {
  /** `uioN` */
  readonly id: string;
  readonly device: OverlayDevice;
  /** The register file, shared with whoever maps `/dev/uioN`. */
  readonly registers: Int32Array;
  /** Of a device that has one. */
  readonly interrupt: BoardInterrupt | undefined;
}

/**
 * The kernel's UIO class: publishes devices as `/dev/uioN` and `/sys/class/uio/uioN`.
 * Source: kernel `drivers/uio/uio.c` and `uio_pdrv_genirq.c`.
 */
export class UioClass {
  readonly #files: BoardFiles;
  /** Devices with an interrupt, and what their attribute `event` says. */
  readonly #events = new Map<UioNode, number>();

  constructor(files: BoardFiles) {
    this.#files = files;
  }

  /** Makes a device appear; its class entry comes last. One that was published by an earlier board is taken over. */
  publish(device: OverlayDevice): UioNode {
    const platformName = nameOnPlatformBus(device);
    const platform = `${PATHS.platformDevices}/${platformName}`;
    const id = this.#existing(platform) ?? this.#firstFree();
    const mapped = mapDevice(this.#files.path(`${PATHS.devices}/${id}`), device);
    if (!existsSync(this.#files.path(platform))) this.#describe(platform, id, device);
    const link = this.#files.path(`${PATHS.uioClass}/${id}`);
    if (!existsSync(link)) symlinkSync(`../../devices/platform/${platformName}/uio/${id}`, link);
    const node = { id, device, ...mapped };
    if (node.interrupt) this.#events.set(node, Number(this.#files.read(eventPath(node))));
    return node;
  }

  /** Makes a device disappear; its class entry goes last. Mappings of its registers stay valid. */
  remove(node: UioNode): void {
    const { id, device } = node;
    this.#events.delete(node);
    rmSync(this.#files.path(`${PATHS.devices}/${id}`), { force: true });
    rmSync(this.#files.path(`${PATHS.platformDevices}/${nameOnPlatformBus(device)}`), { recursive: true, force: true });
    rmSync(this.#files.path(`${PATHS.uioClass}/${id}`), { force: true });
  }

  /** Lets the attributes say what is so now. */
  serve(): void {
    for (const [node, shown] of this.#events) {
      const count = node.interrupt?.count ?? 0;
      if (count === shown) continue;
      this.#events.set(node, count);
      this.#files.replace(eventPath(node), `${count}\n`);
    }
  }

  #existing(platform: string): string | undefined {
    const directory = this.#files.path(`${platform}/uio`);
    return existsSync(directory) ? readdirSync(directory)[0] : undefined;
  }

  #firstFree(): string {
    const taken = new Set(readdirSync(this.#files.path(PATHS.uioClass)));
    let number = 0;
    while (taken.has(`uio${number}`)) number++;
    return `uio${number}`;
  }

  /** Writes the attributes aside and moves them into place as one. */
  #describe(platform: string, id: string, device: OverlayDevice): void {
    const draft = this.#files.path(`${PATHS.private}/draft-device`);
    rmSync(draft, { recursive: true, force: true });
    const entry = join(draft, "uio", id);
    const map = join(entry, "maps/map0");
    mkdirSync(map, { recursive: true });
    mkdirSync(join(draft, "of_node"));
    symlinkSync(`../../../${platform.split("/").at(-1)}`, join(entry, "device"));
    const number = Number(id.replace("uio", ""));
    const attributes: [string, string][] = [
      [join(entry, "name"), device.name],
      [join(entry, "version"), "devicetree"],
      [join(entry, "event"), "0"],
      [join(entry, "dev"), `243:${number}`],
      [join(map, "name"), device.nodeName],
      [join(map, "addr"), `0x${device.address.toString(16).padStart(16, "0")}`],
      [join(map, "size"), `0x${device.lengthBytes.toString(16).padStart(16, "0")}`],
      [join(map, "offset"), "0x0"],
    ];
    for (const [path, text] of attributes) writeFileSync(path, `${text}\n`);
    writeFileSync(join(draft, "of_node/name"), `${device.nodeName.split("@")[0]}\0`);
    for (const [name, value] of device.properties) {
      if (/^[\w,.+?#-]{1,31}$/.test(name)) writeFileSync(join(draft, "of_node", name), value);
    }
    renameSync(draft, this.#files.path(platform));
  }
}

/** As the kernel names platform devices: `a0000000.AxiProxy`. */
function nameOnPlatformBus({ address, nodeName }: OverlayDevice): string {
  return `${address.toString(16)}.${nodeName.split("@")[0]}`;
}

function eventPath({ id, device }: UioNode): string {
  return `${PATHS.platformDevices}/${nameOnPlatformBus(device)}/uio/${id}/event`;
}

/** Maps a device's file, made if need be: its registers, and behind them, if it has an interrupt, a page for that. */
function mapDevice(file: string, device: OverlayDevice): Pick<UioNode, "registers" | "interrupt"> {
  const registerBytes = wholePages(device.lengthBytes);
  const mappedBytes = registerBytes + (device.interrupt === undefined ? 0 : pageSizeBytes);
  // Zeros, not a hole: on a full disk a hole is a SIGBUS when it is touched.
  const presentBytes = statSync(file, { throwIfNoEntry: false })?.size ?? 0;
  if (presentBytes < mappedBytes) appendFileSync(file, Buffer.alloc(mappedBytes - presentBytes), { mode: 0o600 });
  const wasmPages = Math.ceil(mappedBytes / 65536);
  const memory = new WebAssembly.Memory({ initial: wasmPages, maximum: wasmPages });
  const fd = openSync(file, "r+");
  try {
    overlayFile(memory, 0, mappedBytes, fd, 0);
  } finally {
    closeSync(fd);
  }
  return {
    registers: new Int32Array(memory.buffer, 0, Math.floor(device.lengthBytes / 4)),
    interrupt: device.interrupt === undefined ? undefined : makeInterrupt(memory.buffer, registerBytes),
  };
}

/** Loaded for the devices that have one. */
function makeInterrupt(buffer: ArrayBuffer, offset: number): BoardInterrupt {
  const { BoardInterrupt } = require("./interrupt") as typeof import("./interrupt");
  return new BoardInterrupt(new Int32Array(buffer, offset, pageSizeBytes / 4));
}

function wholePages(lengthBytes: number): number {
  return Math.ceil(lengthBytes / pageSizeBytes) * pageSizeBytes;
}
