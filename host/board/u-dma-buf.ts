import { closeSync, existsSync, mkdirSync, openSync, readSync, truncateSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import type { BoardFiles } from "./files";
import { PATHS } from "./paths";

/** As the reference system's device tree has it: 32 MiB, `dma-coherent`. */
const NAME = "axi:udmabuf@0x0";
const LENGTH_BYTES = 32 * 2 ** 20;

const DIRECTORY = `${PATHS.uDmaBufClass}/${NAME}`;
const DEVICE = `${PATHS.devices}/${NAME}`;

/** Attributes as the driver shows them at first. Source: ikwzm/udmabuf, README. */
const ATTRIBUTES = {
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

/**
 * Puts the buffer into a board's tree: a device file that holds its memory, and its attributes.
 *
 * @param physicalAddress where it begins
 */
export function createUDmaBuf(sysroot: string, physicalAddress: number): void {
  const device = join(sysroot, DEVICE);
  if (!existsSync(device)) writeFileSync(device, "", { mode: 0o600 });
  // A hole: whoever maps it allocates what is used.
  truncateSync(device, LENGTH_BYTES);
  const directory = join(sysroot, DIRECTORY);
  mkdirSync(directory, { recursive: true });
  const address = `0x${physicalAddress.toString(16).padStart(16, "0")}`;
  for (const [name, value] of Object.entries({ ...ATTRIBUTES, phys_addr: address })) {
    writeFileSync(join(directory, name), `${value}\n`);
  }
}

/** The buffer as the kernel and the fabric see it. */
export class BoardUDmaBuf {
  readonly physicalAddress: number;
  readonly lengthBytes = LENGTH_BYTES;
  readonly #files: BoardFiles;
  readonly #fd: number;

  constructor(files: BoardFiles) {
    this.#files = files;
    this.physicalAddress = Number(files.read(`${DIRECTORY}/phys_addr`));
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

  /** Does the synchronisation that was asked for: the buffer is coherent, so that only its owner changes. */
  serve(): void {
    for (const [attribute, owner] of [
      ["sync_for_cpu", "0\n"],
      ["sync_for_device", "1\n"],
    ] as const) {
      const path = `${DIRECTORY}/${attribute}`;
      if (Number(this.#files.read(path)?.trim() || 0) === 0) continue;
      this.#files.replace(`${DIRECTORY}/sync_owner`, owner);
      this.#files.replace(path, "0\n");
    }
  }

  close(): void {
    closeSync(this.#fd);
  }
}
