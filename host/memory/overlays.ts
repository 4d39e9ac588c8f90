import { type CacheMode, listUDmaBufs, UDmaBuf, type UDmaBufInfo, type UDmaBufPiece } from "../linux/u-dma-buf";
import type { Sysroot } from "../linux/sysroot";
import { checkWait } from "../util/wait";
import { AxiscriptError, hex, messageOf } from "../util/errors";
import { adviseMemory, MADV_COLLAPSE, MADV_DONTNEED, MADV_HUGEPAGE, pageSizeBytes } from "../native/libc";
import { overlayFile, removeOverlay } from "../native/memory-overlay";
import { createHugeFile, hugePageBytes, hugePageState } from "./huge-pages";
import type { LinearMemory } from "./linear-memory";

/** What is touched in one go, in which a script cannot be stopped: whole huge pages, in some 20 ms. */
const STEP_BYTES = 2 ** 26;
/** As the kernel shows it, where it was started with one. */
const DEVICE_TREE = "/sys/firmware/devicetree/base";

/**
 * What a region of linear memory rests on. `pages`: the memory's own pages, pinned. The next two: pages of 2 MiB, from
 * the kernel's own choice or from the reserved pool. `u-dma-buf`: a piece of such a device, which is one contiguous range.
 */
export const BACKINGS = ["pages", "transparent-huge-pages", "hugetlb", "u-dma-buf"] as const;
export type Backing = (typeof BACKINGS)[number];

/** What lies under a range of linear memory in place of ordinary pages. */
export interface Overlay {
  readonly guestPtr: number;
  readonly lengthBytes: number;
  readonly backing: Backing;
  /** Pages follow each other within aligned blocks of this size. */
  readonly blockBytes: number;
  /** Where it lies, if it is not for pagemap to say. */
  readonly piece: UDmaBufPiece | undefined;
  readonly device: UDmaBuf | undefined;
  /** Puts ordinary pages back, all zeros. */
  remove(): void;
}

/** A range of linear memory that is to get other pages. */
export interface OverlayRequest {
  readonly guestPtr: number;
  readonly lengthBytes: number;
  /** Of the physical address; a power of two. */
  readonly alignment: number;
  readonly cache: CacheMode;
}

/** Puts huge pages and u-dma-buf devices under pieces of a linear memory. */
export class Overlays {
  readonly #memory: LinearMemory;
  readonly #sysroot: Sysroot;
  readonly #live = new Set<Overlay>();
  /** By name. Opened when there is need of one, and from then on used alone by this process. */
  readonly #devices = new Map<string, UDmaBuf>();
  #needSync: boolean | undefined;

  constructor(memory: LinearMemory, sysroot: Sysroot) {
    this.#memory = memory;
    this.#sysroot = sysroot;
  }

  /**
   * Whether devices and processor may see different things until memory is synchronised: on arm64, and where a buffer of
   * a system with a device tree says so.
   */
  get needSync(): boolean {
    this.#needSync ??=
      process.arch === "arm64" ||
      (this.#sysroot.exists(DEVICE_TREE) && listUDmaBufs(this.#sysroot).some(({ coherent }) => !coherent));
    return this.#needSync;
  }

  /**
   * The alignment of the virtual address, and the unit of length, that a kind of overlay asks for, in bytes.
   *
   * @throws AxiscriptError ERR_AXI_NO_HUGE_PAGES or ERR_AXI_NO_U_DMA_BUF if this system has nothing of the kind
   */
  blockBytes(backing: Backing): number {
    if (backing === "pages") return 1;
    if (backing === "u-dma-buf") {
      if (listUDmaBufs(this.#sysroot).length === 0) throw noUDmaBuf("This system has none.");
      return pageSizeBytes;
    }
    const state = hugePageState();
    if (backing === "hugetlb" ? state.hugePageBytes === 0 : !["always", "madvise"].includes(state.transparent ?? "")) {
      throw noHugePages(backing);
    }
    return backing === "hugetlb" ? state.hugePageBytes : hugePageBytes();
  }

  /** The overlay that holds any byte of a range. */
  find(guestPtr: number, lengthBytes: number): Overlay | undefined {
    return [...this.#live].find(
      (overlay) => overlay.guestPtr < guestPtr + lengthBytes && guestPtr < overlay.guestPtr + overlay.lengthBytes,
    );
  }

  /** Those that were not removed. */
  all(): Overlay[] {
    return [...this.#live];
  }

  /**
   * Replaces the pages of a range by zeros in other pages.
   *
   * @throws AxiscriptError ERR_AXI_NO_HUGE_PAGES, ERR_AXI_NO_U_DMA_BUF, ERR_AXI_DEVICE_ACCESS, ERR_AXI_DEVICE_BUSY;
   *   ERR_AXI_BAD_ARGUMENT if the range is not made of whole blocks
   */
  create(backing: Backing, request: OverlayRequest): Overlay {
    const { guestPtr, lengthBytes } = request;
    const blockBytes = this.blockBytes(backing);
    const skew = Number(this.#memory.baseAddress % BigInt(blockBytes));
    if ((guestPtr + skew) % blockBytes !== 0 || lengthBytes % blockBytes !== 0) {
      throw new AxiscriptError(
        "ERR_AXI_BAD_ARGUMENT",
        `Cannot put ${backing} under ${lengthBytes} bytes at guest pointer ${hex(guestPtr)}: virtual address and length ` +
          `are multiples of ${blockBytes}.`,
      );
    }
    const under = backing === "u-dma-buf" ? this.#mapDevice(request) : undefined;
    if (!under) this.#mapHugePages(backing, guestPtr, lengthBytes);
    const overlay: Overlay = {
      ...{ guestPtr, lengthBytes, backing, blockBytes, piece: under?.piece, device: under?.device },
      remove: () => {
        if (!this.#live.delete(overlay)) return;
        removeOverlay(this.#memory.memory, guestPtr, lengthBytes);
        if (under) under.device.free(under.piece);
      },
    };
    this.#live.add(overlay);
    return overlay;
  }

  /** Lets go of the devices. Only when no overlay is left. */
  close(): void {
    for (const device of this.#devices.values()) device.close();
    this.#devices.clear();
  }

  #mapHugePages(backing: Backing, guestPtr: number, lengthBytes: number): void {
    const address = Number(this.#memory.baseAddress) + guestPtr;
    if (backing === "hugetlb") {
      const file = createHugeFile(lengthBytes);
      try {
        overlayFile(this.#memory.memory, guestPtr, lengthBytes, file.fd, 0);
      } finally {
        file.close();
      }
    } else {
      // The pages that are there now are small ones; huge ones come when the range is touched for the first time.
      adviseMemory(address, lengthBytes, MADV_DONTNEED);
      adviseMemory(address, lengthBytes, MADV_HUGEPAGE);
    }
    try {
      this.#touch(backing, guestPtr, lengthBytes);
    } catch (error) {
      removeOverlay(this.#memory.memory, guestPtr, lengthBytes);
      throw error;
    }
  }

  /** Pagemap shows a page from its first touch on, and not every mechanism's pin is one. Can be stopped, as a wait can. */
  #touch(backing: Backing, guestPtr: number, lengthBytes: number): void {
    const address = Number(this.#memory.baseAddress) + guestPtr;
    const bytes = this.#memory.view(guestPtr, lengthBytes);
    for (let at = 0; at < lengthBytes; at += STEP_BYTES) {
      checkWait();
      const end = Math.min(at + STEP_BYTES, lengthBytes);
      for (let page = at; page < end; page += pageSizeBytes) bytes[page] = 0;
      if (backing === "transparent-huge-pages") collapse(address + at, end - at);
    }
  }

  #mapDevice(request: OverlayRequest): { device: UDmaBuf; piece: UDmaBufPiece } {
    const { lengthBytes, alignment } = request;
    let refusal: { cause: unknown } | undefined;
    for (const info of listUDmaBufs(this.#sysroot)) {
      try {
        const device = this.#open(info);
        const piece = device.allocate(lengthBytes, alignment);
        if (!piece) continue;
        this.#mapPiece(device, piece, request);
        return { device, piece };
      } catch (cause) {
        // Another buffer may do: one that somebody else uses must not stand in the way of the next.
        refusal ??= { cause };
      }
    }
    if (refusal) throw refusal.cause;
    const sizes = [...this.#devices.values()].map(({ info, pieces }) => {
      const used = pieces.reduce((sum, piece) => sum + piece.lengthBytes, 0);
      return `${info.name}: ${used} of ${info.lengthBytes} bytes in use`;
    });
    throw noUDmaBuf(`${lengthBytes} bytes in a row are not free (${sizes.join("; ")}).`);
  }

  #open(info: UDmaBufInfo): UDmaBuf {
    const device = this.#devices.get(info.name) ?? new UDmaBuf(this.#sysroot, info);
    this.#devices.set(info.name, device);
    return device;
  }

  #mapPiece(device: UDmaBuf, piece: UDmaBufPiece, { guestPtr, lengthBytes, cache }: OverlayRequest): void {
    try {
      const file = device.open(cache);
      try {
        overlayFile(this.#memory.memory, guestPtr, lengthBytes, file.fd, piece.offset);
      } catch (cause) {
        throw new AxiscriptError(
          "ERR_AXI_DEVICE_ACCESS",
          `Cannot map ${lengthBytes} bytes of u-dma-buf ${device.info.name} at offset ${hex(piece.offset)}: ${messageOf(cause)}`,
          { cause },
        );
      } finally {
        file.close();
      }
      this.#memory.view(guestPtr, lengthBytes).fill(0);
    } catch (error) {
      device.free(piece);
      throw error;
    }
  }
}

/**
 * Where no block was free at once the kernel makes room for one, since Linux 6.1. Whether it could is seen in the page
 * frame numbers.
 */
function collapse(address: number, lengthBytes: number): void {
  try {
    adviseMemory(address, lengthBytes, MADV_COLLAPSE);
  } catch {
    // An older kernel, or there is no room.
  }
}

function noHugePages(backing: Backing): AxiscriptError {
  const advice =
    backing === "hugetlb"
      ? "this kernel has no hugetlb pool (CONFIG_HUGETLBFS)."
      : "transparent huge pages are off. Switch them on: `echo madvise > /sys/kernel/mm/transparent_hugepage/enabled`.";
  return new AxiscriptError("ERR_AXI_NO_HUGE_PAGES", `Cannot use ${backing}: ${advice}`);
}

function noUDmaBuf(found: string): AxiscriptError {
  return new AxiscriptError(
    "ERR_AXI_NO_U_DMA_BUF",
    `Cannot use a u-dma-buf device: ${found} Load the driver (\`insmod u-dma-buf.ko udmabuf0=67108864\`), or add a node ` +
      'that is compatible with "ikwzm,u-dma-buf" to the device tree.',
  );
}
