import {
  closeSync,
  existsSync,
  lstatSync,
  mkdirSync,
  openSync,
  rmSync,
  readSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import type { DeviceMemory } from "./device-files";
import type { BoardFiles } from "./files";
import { PATHS } from "./paths";

/** As the reference system's device tree has it: 32 MiB. */
export const NAME = "axi:udmabuf@0x0";
export const LENGTH_BYTES = 32 * 2 ** 20;

/** Where its attributes are. */
export const U_DMA_BUF_ATTRIBUTES = `${PATHS.uDmaBufClass}/${NAME}`;
/** `sync_mode` repeats after these: the second half holds for all descriptors. */
const MODES = 4;
const DEVICE = `${PATHS.devices}/${NAME}`;

/** Where a buffer is synchronised, and for whom: `sync_offset`, `sync_size`, `sync_direction`. */
export interface Synchronisation {
  readonly side: "cpu" | "device";
  readonly offset: number;
  readonly lengthBytes: number;
  /** 0: the device reads and writes; 1: it reads; 2: it writes. */
  readonly direction: number;
}

/** What a buffer is like. */
export interface BufferOptions {
  /** Where it begins; absent: as its attribute says. */
  readonly physicalAddress?: number;
  /** Whether devices and processor see the same without synchronisation; true if absent. */
  readonly coherent?: boolean;
  /** What holds its memory: a file, or what the device file was made with; absent: the device file. */
  readonly memory?: string | DeviceMemory;
}

/** Attributes as the driver shows them at first. Source: ikwzm/udmabuf, README. */
export const ATTRIBUTES = {
  size: `${LENGTH_BYTES}`,
  sync_mode: "0",
  sync_offset: "0x0",
  sync_size: `${LENGTH_BYTES}`,
  sync_direction: "0",
  sync_owner: "0",
  sync_for_cpu: "0",
  sync_for_device: "0",
} as const;

/** Makes the device file, which holds the buffer's memory. */
export function createUDmaBufDevice(sysroot: string): void {
  const device = join(sysroot, DEVICE);
  // A link is what a board that stood by itself has left.
  if (lstatSync(device, { throwIfNoEntry: false })?.isSymbolicLink()) rmSync(device);
  if (!existsSync(device)) writeFileSync(device, "", { mode: 0o600 });
  // A hole: whoever maps it allocates what is used.
  truncateSync(device, LENGTH_BYTES);
}

/**
 * Puts the buffer's attributes into a board's tree as plain files.
 *
 * @param physicalAddress where it begins
 * @param coherent as in {@link BufferOptions}
 */
export function createUDmaBufFiles(sysroot: string, physicalAddress: number, coherent: boolean): void {
  const directory = join(sysroot, U_DMA_BUF_ATTRIBUTES);
  mkdirSync(directory, { recursive: true });
  const shown = { ...ATTRIBUTES, phys_addr: shownAddress(physicalAddress), dma_coherent: shownCoherence(coherent) };
  for (const [name, value] of Object.entries(shown)) writeFileSync(join(directory, name), `${value}\n`);
}

function openMemory(path: string): DeviceMemory {
  const fd = openSync(path, "r+");
  return { fd, close: () => closeSync(fd) };
}

/** As the attribute `dma_coherent` has it. */
export function shownCoherence(coherent: boolean): string {
  return coherent ? "1" : "0";
}

/** As the attribute `phys_addr` has it. */
export function shownAddress(physicalAddress: number): string {
  return `0x${physicalAddress.toString(16).padStart(16, "0")}`;
}

/** The buffer as the kernel and the fabric see it. */
export class BoardUDmaBuf {
  readonly physicalAddress: number;
  readonly lengthBytes = LENGTH_BYTES;
  readonly coherent: boolean;
  /** `sync_mode`: how the processor maps the buffer. */
  syncMode = 0;
  readonly #files: BoardFiles;
  readonly #memory: DeviceMemory;
  readonly #fd: number;
  #onSync: ((synchronisation: Synchronisation) => void) | undefined;

  constructor(files: BoardFiles, { physicalAddress, coherent = true, memory }: BufferOptions = {}) {
    this.#files = files;
    this.physicalAddress = physicalAddress ?? Number(files.read(`${U_DMA_BUF_ATTRIBUTES}/phys_addr`));
    this.coherent = coherent;
    this.#memory = typeof memory === "object" ? memory : openMemory(memory ?? files.path(DEVICE));
    this.#fd = this.#memory.fd;
  }

  /** Whether an address lies in the buffer. */
  holds(physicalAddress: number): boolean {
    return physicalAddress >= this.physicalAddress && physicalAddress < this.physicalAddress + LENGTH_BYTES;
  }

  /** Fills `into` from an offset on; how many bytes there were. */
  read(offset: number, into: Uint8Array): number {
    return readSync(this.#fd, into, 0, into.length, offset);
  }

  /** Stores `data` at an offset; how many bytes went in. */
  write(offset: number, data: Uint8Array): number {
    return writeSync(this.#fd, data, 0, data.length, offset);
  }

  /**
   * Whether the processor has the buffer in its caches. The modes 1 to 3 hold for descriptors that were opened with
   * O_SYNC, which the board takes for granted where one of them was chosen.
   */
  get isCached(): boolean {
    return this.syncMode % MODES === 0;
  }

  /** From now on tells of synchronisation that has an effect. */
  onSync(listener: (synchronisation: Synchronisation) => void): void {
    this.#onSync = listener;
  }

  /** Synchronises a part of the buffer, as far as it lies in the buffer. A coherent one has no need of it. */
  synchronise({ side, offset, lengthBytes, direction }: Synchronisation): void {
    const length = Math.min(lengthBytes, LENGTH_BYTES - offset);
    if (!this.coherent && length > 0) this.#onSync?.({ side, offset, lengthBytes: length, direction });
  }

  /** Does the synchronisation that plain files ask for. */
  serve(): void {
    if (!this.coherent) this.syncMode = this.#number("sync_mode");
    for (const [side, owner] of [
      ["cpu", "0\n"],
      ["device", "1\n"],
    ] as const) {
      const attribute = `sync_for_${side}` as const;
      if (this.#number(attribute) === 0) continue;
      const path = `${U_DMA_BUF_ATTRIBUTES}/${attribute}`;
      this.synchronise({
        side,
        offset: this.#number("sync_offset"),
        lengthBytes: this.#number("sync_size"),
        direction: this.#number("sync_direction"),
      });
      this.#files.replace(`${U_DMA_BUF_ATTRIBUTES}/sync_owner`, owner);
      this.#files.replace(path, "0\n");
    }
  }

  close(): void {
    this.#memory.close();
  }

  /** What an attribute says, as the driver reads numbers. */
  #number(attribute: keyof typeof ATTRIBUTES): number {
    return Number(this.#files.read(`${U_DMA_BUF_ATTRIBUTES}/${attribute}`)?.trim()) || 0;
  }
}
