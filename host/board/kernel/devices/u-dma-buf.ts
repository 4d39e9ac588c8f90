import {
  closeSync,
  existsSync,
  lstatSync,
  openSync,
  readSync,
  rmSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { errnoCode } from "../../../util/errors";
import { makeDirectories } from "../../../files/own-directories";
import type { DeviceMemory } from "./device-files";
import type { BoardFiles } from "../../directory/files";
import { KernelError } from "../kernel-tree";
import { PATHS } from "../paths";

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

/** As the kernel's `kstrtoull` with base 0 reads them, and a newline, if any. */
const NUMBER = /^(?:(0x[0-9a-f]+)|(0[0-7]*)|([1-9][0-9]*))\n?$/i;
/** Of a command word that has arguments of its own: `offset` in bits 63 to 32, `size` in 31 to 4, `direction` in 3 and 2. */
const COMMAND = { arguments: ~0xfn, offsetBit: 32n, size: 0xffff_fff0n, directionBit: 2n, direction: 3n } as const;
/** A direction of 3 means both, too. */
const DIRECTIONS = [0, 1, 2, 0] as const;

/** A number as the driver reads it; `undefined` if it is none, or has more than 64 bits. */
export function numberIn(text: string): bigint | undefined {
  const [, hexadecimal, octal, decimal] = NUMBER.exec(text) ?? [];
  const digits = hexadecimal ?? decimal ?? (octal === undefined ? undefined : `0o0${octal}`);
  const value = digits === undefined ? undefined : BigInt(digits);
  return value === undefined || value >= 2n ** 64n ? undefined : value;
}

/** What the attributes `sync_offset`, `sync_size` and `sync_direction` say. */
export type SyncSettings = Omit<Synchronisation, "side">;

/**
 * What a word that was written to `sync_for_cpu` or `sync_for_device` asks for, which is not 0.
 * Source: ikwzm/udmabuf, `u-dma-buf.c`, `udmabuf_sync_command_argments()`.
 *
 * @throws KernelError EINVAL for a range that does not lie in the buffer
 */
export function commandIn(word: bigint, settings: SyncSettings, bufferBytes: number): SyncSettings {
  const command =
    (word & COMMAND.arguments) === 0n
      ? settings
      : {
          offset: Number(word >> COMMAND.offsetBit),
          lengthBytes: Number(word & COMMAND.size),
          direction: DIRECTIONS[Number((word >> COMMAND.directionBit) & COMMAND.direction)] ?? 0,
        };
  const { offset, lengthBytes } = command;
  if (offset + lengthBytes <= bufferBytes) return command;
  throw new KernelError("EINVAL", `${lengthBytes} bytes from ${offset} on do not lie in a buffer of ${bufferBytes}`);
}

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
  makeDirectories(directory);
  const shown = { ...ATTRIBUTES, phys_addr: shownAddress(physicalAddress), dma_coherent: shownCoherence(coherent) };
  for (const [name, value] of Object.entries(shown))
    writeFileSync(join(directory, name), `${value}\n`, { mode: 0o644 });
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
  /** What the log says of a word that is still in its attribute. */
  #refused = "";
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
    try {
      return writeSync(this.#fd, data, 0, data.length, offset);
    } catch (error) {
      // The buffer is a hole until it is used, and the file system may be full by then: a device gets an error.
      if (errnoCode(error) === "ENOSPC") return 0;
      throw error;
    }
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

  /** Synchronises a part of the buffer. A coherent one has no need of it. */
  synchronise(synchronisation: Synchronisation): void {
    if (!this.coherent && synchronisation.lengthBytes > 0) this.#onSync?.(synchronisation);
  }

  /** Does the synchronisation that plain files ask for. What is refused stays in its attribute, and in the kernel's log. */
  serve(): void {
    if (!this.coherent) this.syncMode = this.#number("sync_mode");
    for (const [side, owner] of [
      ["cpu", "0\n"],
      ["device", "1\n"],
    ] as const) {
      const attribute = `sync_for_${side}` as const;
      const word = numberIn(this.#text(attribute));
      if (word === undefined || word === 0n || !this.#obey(side, word)) continue;
      this.#files.replace(`${U_DMA_BUF_ATTRIBUTES}/sync_owner`, owner);
      this.#files.replace(`${U_DMA_BUF_ATTRIBUTES}/${attribute}`, "0\n");
    }
  }

  #obey(side: Synchronisation["side"], word: bigint): boolean {
    const settings = {
      offset: this.#number("sync_offset"),
      lengthBytes: this.#number("sync_size"),
      direction: this.#number("sync_direction"),
    };
    try {
      this.synchronise({ side, ...commandIn(word, settings, LENGTH_BYTES) });
      this.#refused = "";
      return true;
    } catch (error) {
      if (!(error instanceof KernelError)) throw error;
      const refusal = `u-dma-buf ${NAME}: sync_for_${side}: ${error.message}`;
      if (refusal !== this.#refused) this.#files.log(refusal);
      this.#refused = refusal;
      return false;
    }
  }

  close(): void {
    this.#memory.close();
  }

  /** What an attribute says, as the driver reads numbers; 0 if that is none. */
  #number(attribute: keyof typeof ATTRIBUTES): number {
    return Number(numberIn(this.#text(attribute)) ?? 0n);
  }

  #text(attribute: keyof typeof ATTRIBUTES): string {
    return this.#files.read(`${U_DMA_BUF_ATTRIBUTES}/${attribute}`) ?? "";
  }
}
