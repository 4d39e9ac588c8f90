import { closeSync, existsSync, mkdirSync, openSync, readSync, truncateSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import type { BoardFiles } from "./files";
import { PATHS } from "./paths";

/** As the reference system's device tree has it: 32 MiB, `dma-coherent`. */
export const NAME = "axi:udmabuf@0x0";
export const LENGTH_BYTES = 32 * 2 ** 20;

/** Where its attributes are. */
export const U_DMA_BUF_ATTRIBUTES = `${PATHS.uDmaBufClass}/${NAME}`;
const DEVICE = `${PATHS.devices}/${NAME}`;

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
  dma_coherent: "1",
} as const;

/** Makes the device file, which holds the buffer's memory. */
export function createUDmaBufDevice(sysroot: string): void {
  const device = join(sysroot, DEVICE);
  if (!existsSync(device)) writeFileSync(device, "", { mode: 0o600 });
  // A hole: whoever maps it allocates what is used.
  truncateSync(device, LENGTH_BYTES);
}

/**
 * Puts the buffer's attributes into a board's tree as plain files.
 *
 * @param physicalAddress where it begins
 */
export function createUDmaBufFiles(sysroot: string, physicalAddress: number): void {
  const directory = join(sysroot, U_DMA_BUF_ATTRIBUTES);
  mkdirSync(directory, { recursive: true });
  for (const [name, value] of Object.entries({ ...ATTRIBUTES, phys_addr: shownAddress(physicalAddress) })) {
    writeFileSync(join(directory, name), `${value}\n`);
  }
}

/** As the attribute `phys_addr` has it. */
export function shownAddress(physicalAddress: number): string {
  return `0x${physicalAddress.toString(16).padStart(16, "0")}`;
}

/** The buffer as the kernel and the fabric see it. */
export class BoardUDmaBuf {
  readonly physicalAddress: number;
  readonly lengthBytes = LENGTH_BYTES;
  readonly #files: BoardFiles;
  readonly #fd: number;

  /** @param physicalAddress where it begins; absent: as its attribute says */
  constructor(files: BoardFiles, physicalAddress = Number(files.read(`${U_DMA_BUF_ATTRIBUTES}/phys_addr`))) {
    this.#files = files;
    this.physicalAddress = physicalAddress;
    this.#fd = openSync(files.path(DEVICE), "r+");
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

  /** Does the synchronisation that plain files ask for: the buffer is coherent, so that only its owner changes. */
  serve(): void {
    for (const [attribute, owner] of [
      ["sync_for_cpu", "0\n"],
      ["sync_for_device", "1\n"],
    ] as const) {
      const path = `${U_DMA_BUF_ATTRIBUTES}/${attribute}`;
      if (Number(this.#files.read(path)?.trim() || 0) === 0) continue;
      this.#files.replace(`${U_DMA_BUF_ATTRIBUTES}/sync_owner`, owner);
      this.#files.replace(path, "0\n");
    }
  }

  close(): void {
    closeSync(this.#fd);
  }
}
