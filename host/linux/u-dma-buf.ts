import { closeSync, constants, fstatSync, openSync, writeFileSync } from "node:fs";
import { AxiscriptError, errnoCode, messageOf } from "../util/errors";
import { allocateFile, pageSizeBytes, tryLockFile } from "../native/libc";
import type { Sysroot } from "./sysroot";
import { waitUntil } from "../util/wait";

/** The class directory; older versions of the driver call it `udmabuf`. */
const CLASSES = ["/sys/class/u-dma-buf", "/sys/class/udmabuf"] as const;

/** How the CPU maps a buffer: `sync_mode`, for descriptors that were opened with O_SYNC. */
export const CACHE_MODES = ["cached", "uncached", "write-combine"] as const;
export type CacheMode = (typeof CACHE_MODES)[number];
/** From here on a mode also holds for descriptors that were opened without O_SYNC. */
const MODES_FOR_ALL = 4;

/** For attributes that are plain files: the kernel's take effect before a write returns. */
const SYNC_TIMEOUT_MS = 2000;

/** No processor has more physical address bits than 52. */
const ADDRESS_LIMIT = 1n << 52n;

/** A buffer of the u-dma-buf driver (ikwzm/udmabuf): one contiguous physical range. */
export interface UDmaBufInfo {
  /** Of `/dev/NAME`. */
  readonly name: string;
  /** Its directory below the sysroot. */
  readonly directory: string;
  /** 0 if it cannot be read: such a buffer cannot be used. */
  readonly physicalAddress: bigint;
  readonly lengthBytes: number;
  /** Whether the device tree says `dma-coherent`: CPU and device see the same without synchronisation. */
  readonly coherent: boolean;
}

/** A piece of a buffer that belongs to somebody. Lengths and offsets are whole pages. */
export interface UDmaBufPiece {
  readonly offset: number;
  readonly lengthBytes: number;
  readonly physicalAddress: bigint;
}

/** All u-dma-buf buffers of a system. */
export function listUDmaBufs(sysroot: Sysroot): UDmaBufInfo[] {
  return CLASSES.flatMap((directory) =>
    sysroot.list(directory).map((name) => {
      const read = (attribute: string) => sysroot.readText(`${directory}/${name}/${attribute}`) ?? "";
      const address = read("phys_addr");
      return {
        name,
        directory: `${directory}/${name}`,
        physicalAddress: /^0x[0-9a-f]+$/i.test(address) ? BigInt(address) : 0n,
        lengthBytes: Number(read("size")) || 0,
        coherent: read("dma_coherent") === "1",
      };
    }),
  );
}

/** A buffer that this process uses alone: pieces of it are given out, first fit. */
export class UDmaBuf {
  readonly info: UDmaBufInfo;
  readonly #sysroot: Sysroot;
  readonly #lock: number;
  readonly #pieces: UDmaBufPiece[] = [];

  /** @throws AxiscriptError ERR_AXI_DEVICE_ACCESS if it may not be opened; ERR_AXI_DEVICE_BUSY if somebody else uses it */
  constructor(sysroot: Sysroot, info: UDmaBufInfo) {
    this.info = info;
    this.#sysroot = sysroot;
    this.#checkAddress();
    this.#lock = this.#open("cached");
    if (tryLockFile(this.#lock)) return;
    closeSync(this.#lock);
    throw new AxiscriptError(
      "ERR_AXI_DEVICE_BUSY",
      `Cannot use ${this.#path}: somebody else is using it. Wait until they are done, or provide a second u-dma-buf.`,
    );
  }

  get #path(): string {
    return this.#sysroot.path(`/dev/${this.info.name}`);
  }

  /** A device that is given a wrong address writes to somebody else's memory. */
  #checkAddress(): void {
    const { physicalAddress, directory } = this.info;
    const isUsable =
      physicalAddress > 0n && physicalAddress < ADDRESS_LIMIT && physicalAddress % BigInt(pageSizeBytes) === 0n;
    if (isUsable) return;
    const path = `${directory}/phys_addr`;
    const found = this.#sysroot.readText(path);
    throw new AxiscriptError(
      "ERR_AXI_DEVICE_ACCESS",
      `Cannot use ${this.#path}: ${this.#sysroot.path(path)} ${found === undefined ? "cannot be read" : `reads "${found}"`}, ` +
        `and a physical address is hexadecimal, above 0 and a multiple of ${pageSizeBytes}. Is it the u-dma-buf driver's?`,
    );
  }

  /** Opens the device, for mappings that have a cache mode. */
  open(mode: CacheMode): { readonly fd: number; close(): void } {
    const fd = this.#open(mode);
    return { fd, close: () => closeSync(fd) };
  }

  #open(mode: CacheMode): number {
    try {
      const now = Number(this.#sysroot.readText(`${this.info.directory}/sync_mode`) ?? 0);
      const wanted = CACHE_MODES.indexOf(mode);
      if (wanted === 0 ? now >= MODES_FOR_ALL : now !== wanted) this.#ask(() => this.#write("sync_mode", wanted));
      return openSync(this.#path, wanted === 0 ? "r+" : constants.O_RDWR | constants.O_SYNC);
    } catch (cause) {
      if (cause instanceof AxiscriptError) throw cause;
      const code = errnoCode(cause);
      const advice =
        code === "EACCES" || code === "EPERM"
          ? "Run as root, or give your group the right with a udev rule."
          : "Is the u-dma-buf driver loaded?";
      throw new AxiscriptError("ERR_AXI_DEVICE_ACCESS", `Cannot open ${this.#path}: ${messageOf(cause)}. ${advice}`, {
        cause,
      });
    }
  }

  /**
   * Reserves a piece.
   *
   * @param lengthBytes whole pages
   * @param alignment of the physical address; a power of two
   * @returns `undefined` if there is no room
   */
  allocate(lengthBytes: number, alignment: number): UDmaBufPiece | undefined {
    const base = this.info.physicalAddress;
    const step = BigInt(Math.max(alignment, pageSizeBytes));
    const align = (offset: number) => Number(((base + BigInt(offset) + step - 1n) / step) * step - base);
    let offset = align(0);
    for (const piece of this.#pieces) {
      if (offset + lengthBytes <= piece.offset) break;
      offset = Math.max(offset, align(piece.offset + piece.lengthBytes));
    }
    if (offset + lengthBytes > this.info.lengthBytes) return undefined;
    this.#ensureSpace(offset, lengthBytes);
    const piece = { offset, lengthBytes, physicalAddress: base + BigInt(offset) };
    this.#pieces.push(piece);
    this.#pieces.sort((a, b) => a.offset - b.offset);
    return piece;
  }

  /** Gives a piece back. */
  free(piece: UDmaBufPiece): void {
    const index = this.#pieces.indexOf(piece);
    if (index >= 0) this.#pieces.splice(index, 1);
  }

  /** The pieces that are in use. */
  get pieces(): readonly UDmaBufPiece[] {
    return this.#pieces;
  }

  /**
   * Hands a piece over from the CPU to the device (`"device"`), or back (`"cpu"`), by the driver's attributes.
   *
   * @throws AxiscriptError ERR_AXI_DEVICE_ACCESS if that cannot be asked for, or is not done
   */
  sync(piece: UDmaBufPiece, side: "device" | "cpu"): void {
    const asked = this.#ask(() => {
      this.#write("sync_offset", piece.offset);
      this.#write("sync_size", piece.lengthBytes);
      this.#write("sync_direction", 0);
      this.#write(`sync_for_${side}`, 1);
    });
    if (!asked) return;
    const attribute = `${this.info.directory}/sync_for_${side}`;
    // The driver is done by now, and says 0. Where its attributes are plain files somebody has yet to look at them.
    if (waitUntil(() => Number(this.#sysroot.readText(attribute)) === 0, SYNC_TIMEOUT_MS)) return;
    throw new AxiscriptError(
      "ERR_AXI_DEVICE_ACCESS",
      `Cannot sync ${this.#path} for the ${side}: ${this.#sysroot.path(attribute)} has not gone back to 0 within ` +
        `${SYNC_TIMEOUT_MS} ms. Is it the u-dma-buf driver's?`,
    );
  }

  /** Lets other processes use the buffer. */
  close(): void {
    closeSync(this.#lock);
  }

  /** Does what needs the driver's attributes; false where this user may not write them, and the buffer can do without. */
  #ask(body: () => void): boolean {
    try {
      body();
      return true;
    } catch (error) {
      const cause = error instanceof AxiscriptError ? error.cause : error;
      // CPU and device see the same in a coherent buffer, however it is mapped.
      if (this.info.coherent && ["EACCES", "EPERM", "EROFS"].includes(errnoCode(cause) ?? "")) return false;
      throw error;
    }
  }

  #write(attribute: string, value: number): void {
    const path = this.#sysroot.path(`${this.info.directory}/${attribute}`);
    try {
      writeFileSync(path, `${value}\n`);
    } catch (cause) {
      const advice = ["EACCES", "EPERM"].includes(errnoCode(cause) ?? "")
        ? ". Run as root, or let a udev rule give your group the right: the buffer is not coherent, and needs it"
        : "";
      throw new AxiscriptError(
        "ERR_AXI_DEVICE_ACCESS",
        `Cannot write ${value} to ${path}: ${messageOf(cause)}${advice}`,
        { cause },
      );
    }
  }

  /** A regular file in place of the device may have holes, and touching one on a full disk ends the process. */
  #ensureSpace(offset: number, lengthBytes: number): void {
    if (!fstatSync(this.#lock).isFile()) return;
    try {
      allocateFile(this.#lock, offset, lengthBytes);
    } catch (cause) {
      throw new AxiscriptError(
        "ERR_AXI_OUT_OF_MEMORY",
        `Cannot use ${lengthBytes} bytes of ${this.#path}: ${messageOf(cause)}`,
        {
          cause,
        },
      );
    }
  }
}
