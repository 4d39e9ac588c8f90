import type { Sysroot } from "../linux/sysroot";
import type { CacheMode } from "../linux/u-dma-buf";
import { checkWait } from "../util/wait";
import { AxiscriptError, hex } from "../util/errors";
import type { ActiveDevice } from "../dma/active-device";
import { pageSizeBytes } from "../native/libc";
import type { LinearMemory, MemoryRange } from "./linear-memory";
import { type Backing, type Overlay, Overlays } from "./overlays";
import { Pagemap } from "./pagemap";
import { type Pin, type PinMechanism, type PinOptions, Pins } from "./pins";
import { ScatterGatherList } from "./scatter-gather";

/** Where the kernel shows a process its page table. */
const PAGEMAP = "/proc/self/pagemap";
/** How many ranges a script can hold at a time: each costs the host some hundred bytes. A GiB in pages of its own. */
const MAX_RANGES = 2 ** 18;

/** Who gets to know where a linear memory lies. */
export interface MemoryObserver {
  /** Called before addresses in a memory are handed out, and again after it has grown. */
  shareMemory(range: MemoryRange): void;
  /** The pages of a piece of it now follow each other within aligned blocks of `blockBytes`. */
  arrangeMemory(range: MemoryRange, blockBytes: number): void;
}

/** What a script asks for when it makes a region. */
export interface RegionRequest {
  readonly guestPtr: number;
  readonly lengthBytes: number;
  readonly backing: Backing;
  readonly cache: CacheMode;
  /** Of the physical address; a power of two. */
  readonly alignment: number;
}

/** Where it is written down which memory devices may use, by whoever checks their transfers. */
export interface GrantRegister {
  grant(segments: ScatterGatherList, use: DeviceUse): void;
  revoke(segments: ScatterGatherList, use: DeviceUse): void;
  /** Takes back whatever was granted. */
  revokeAll(): void;
}

/** What devices may do with memory: read it, write it, or both. */
export type DeviceUse = (typeof DEVICE_USES)[number];
export const DEVICE_USES = ["both", "reads", "writes"] as const;

/** What a script's memory is bound to outside of it. */
export interface MemoryBounds {
  /** Gets to know where the memory lies. */
  readonly observer: MemoryObserver;
  /** Gets to know what devices may use. */
  readonly grants: GrantRegister;
  /** Those that may be using memory now. */
  readonly activeDevices: () => ActiveDevice[];
}

/** Memory that could not be given back, because a device may still be using it. */
export interface KeptMemory {
  readonly lengthBytes: number;
  readonly devices: readonly ActiveDevice[];
}

/** A range that a device was given: where it lies, and what keeps it there. */
interface Region {
  readonly guestPtr: number;
  readonly lengthBytes: number;
  readonly segments: ScatterGatherList;
  readonly overlay: Overlay | undefined;
  readonly pin: Pin | undefined;
  readonly use: DeviceUse;
}

/** Memory whose pages are never given back while this process lives. */
const kept: unknown[] = [];

/**
 * The memory of one script that devices were given. Every physical address that leaves here belongs to a page that is
 * pinned, or cannot move by its nature, and was looked up after that.
 */
export class DeviceMemory {
  readonly #memory: LinearMemory;
  readonly #observer: MemoryObserver;
  readonly #grants: GrantRegister;
  readonly #activeDevices: () => ActiveDevice[];
  readonly #pagemap: Pagemap;
  readonly #pins: Pins;
  readonly #overlays: Overlays;
  readonly #regions = new Map<number, Region>();
  /** Single pages that were translated, by number. These, too, stay until the run ends, or with the overlay under them. */
  readonly #pages = new Map<number, Region>();
  #untilEnd: Region[] = [];
  /** Ranges that were translated, by start and length: the same range again is the same region. */
  readonly #translated = new Map<string, Region>();
  #nextRegion = 1;
  #sharedBytes = 0;

  /**
   * @param memory the script's
   * @param sysroot where pagemap and u-dma-buf devices are found
   * @param bounds who gets to know of it
   * @param pinning what the pins rest on, if it is not to be chosen
   * @throws AxiscriptError ERR_AXI_NO_PAGEMAP
   */
  constructor(
    memory: LinearMemory,
    sysroot: Sysroot,
    { observer, grants, activeDevices }: MemoryBounds,
    pinning: Pick<PinOptions, "mechanism" | "pinner"> = {},
  ) {
    this.#memory = memory;
    this.#observer = observer;
    this.#grants = grants;
    this.#activeDevices = activeDevices;
    this.#pagemap = new Pagemap(sysroot.path(PAGEMAP));
    this.#overlays = new Overlays(memory, sysroot);
    const isCovered = (guestPtr: number, lengthBytes: number) =>
      this.#overlays.find(guestPtr, lengthBytes) !== undefined;
    this.#pins = new Pins(memory, { ...pinning, isCovered });
  }

  /** What keeps pages in place. */
  get pinMechanism(): PinMechanism {
    return this.#pins.mechanism;
  }

  /**
   * The physical address of a byte. Its page stays pinned until the run ends, or until the region with other pages that
   * it lies in is freed.
   *
   * @throws AxiscriptError ERR_AXI_PAGE_NOT_PRESENT, ERR_AXI_NO_PAGE_FRAME_NUMBERS, ERR_AXI_PIN, ERR_AXI_PAGE_MOVED;
   *   ERR_AXI_LIMIT if the script holds too many ranges
   */
  physicalAddressOf(virtualAddress: bigint): bigint {
    const guestPtr = this.#memory.guestPointerOf(virtualAddress);
    const overlay = this.#overlays.find(guestPtr, 1);
    if (overlay?.piece) return overlay.piece.physicalAddress + BigInt(guestPtr - overlay.guestPtr);
    const page = Math.floor(guestPtr / pageSizeBytes);
    const known = this.#pages.get(page);
    const region = known ?? this.#hold(page * pageSizeBytes, pageSizeBytes, overlay);
    if (known) this.#verify(known);
    else this.#pages.set(page, region);
    return region.segments.at(0).physicalAddress + BigInt(guestPtr % pageSizeBytes);
  }

  /**
   * Where a range lies. Its pages stay pinned as those of {@link physicalAddressOf}.
   *
   * @throws AxiscriptError ERR_AXI_BAD_POINTER; ERR_AXI_BAD_ARGUMENT for a range that lies in a region with other pages
   *   only in part; as {@link physicalAddressOf}
   */
  translate(guestPtr: number, lengthBytes: number): ScatterGatherList {
    this.#checkRange(guestPtr, lengthBytes);
    const overlay = this.#within(guestPtr, lengthBytes);
    const range = `${guestPtr} ${lengthBytes}`;
    const known = this.#translated.get(range);
    const region = known ?? this.#hold(guestPtr, lengthBytes, overlay);
    if (known) this.#verify(known);
    else this.#translated.set(range, region);
    return region.segments;
  }

  /** See {@link Overlays.blockBytes}. */
  blockBytes(backing: Backing): number {
    return this.#overlays.blockBytes(backing);
  }

  /**
   * Makes a range of linear memory one that a device may be given, until {@link free}.
   *
   * @returns a number for the region, 1 or more; numbers are not used again
   * @throws AxiscriptError ERR_AXI_BAD_POINTER, ERR_AXI_BAD_ARGUMENT; what {@link Overlays.create} throws; ERR_AXI_PIN;
   *   ERR_AXI_NOT_CONTIGUOUS
   */
  create(request: RegionRequest): number {
    const { guestPtr, lengthBytes, backing, alignment, cache } = request;
    this.#checkRange(guestPtr, lengthBytes);
    if (alignment < 1 || !Number.isInteger(Math.log2(alignment))) {
      throw new AxiscriptError("ERR_AXI_BAD_ARGUMENT", `Cannot align a region to ${alignment}: it is a power of two.`);
    }
    if (cache !== "cached" && backing !== "u-dma-buf") {
      throw new AxiscriptError(
        "ERR_AXI_BAD_ARGUMENT",
        `Cannot make a region of ${backing} ${cache}: only a u-dma-buf device can be mapped so.`,
      );
    }
    const number = this.#nextRegion++;
    this.#regions.set(number, backing === "pages" ? this.#createPages(request) : this.#createOverlay(request));
    return number;
  }

  /** Where a region lies. */
  segments(region: number): ScatterGatherList {
    return this.#find(region).segments;
  }

  /**
   * Checks that every page of a region is still where it was.
   *
   * @throws AxiscriptError ERR_AXI_PAGE_MOVED
   */
  verify(region: number): void {
    this.#verify(this.#find(region));
  }

  /** As {@link verify}, for all that was handed out and not freed. Can be stopped, as a wait can. */
  verifyAll(): void {
    for (const region of this.#all()) {
      checkWait();
      this.#verify(region);
    }
  }

  /**
   * Hands a region over to the device, or back to the CPU, where its port is not coherent.
   *
   * @throws AxiscriptError ERR_AXI_NOT_SYNCABLE where user space cannot do that
   */
  sync(region: number, side: "device" | "cpu"): void {
    const { overlay } = this.#find(region);
    if (overlay?.device && overlay.piece) overlay.device.sync(overlay.piece, side);
    else if (this.#overlays.needSync) {
      throw new AxiscriptError(
        "ERR_AXI_NOT_SYNCABLE",
        "Cannot sync ordinary memory: caches are the kernel's here. Allocate the region in a u-dma-buf device, or use " +
          "a coherent port (HPC, ACP), which needs no sync.",
      );
    }
  }

  /**
   * Says what devices may do with a region: read it, write it, or both, as they may at first. A transfer that began
   * before goes on.
   */
  restrict(region: number, use: DeviceUse): void {
    const found = this.#find(region);
    this.#grants.grant(found.segments, use);
    this.#grants.revoke(found.segments, found.use);
    this.#regions.set(region, { ...found, use });
  }

  /**
   * Gives a region back: ends its pin and its overlay.
   *
   * @returns false if its memory is kept, since a device that does not say when it is idle may be using it
   * @throws AxiscriptError ERR_AXI_DEVICE_BUSY while a device is at work
   */
  free(region: number): boolean {
    const found = this.#find(region);
    const active = this.#activeDevices();
    const busy = active.find(({ state }) => state === "busy");
    if (busy) {
      throw new AxiscriptError(
        "ERR_AXI_DEVICE_BUSY",
        `Cannot free the region at guest pointer ${hex(found.guestPtr)}: device ${busy.deviceName} is at work and may be ` +
          "using it. Wait until its transfer is done.",
      );
    }
    this.#regions.delete(region);
    if (active.length > 0) {
      this.#untilEnd.push(found);
      return false;
    }
    if (found.overlay) this.#forget(found.overlay);
    this.#release(found);
    return true;
  }

  /** Ends what was translated within an overlay: with its pages, the addresses are gone. */
  #forget(overlay: Overlay): void {
    for (const [page, region] of this.#pages) {
      if (region.overlay !== overlay) continue;
      this.#pages.delete(page);
      this.#unpin(region);
    }
    for (const [range, region] of this.#translated) {
      if (region.overlay !== overlay) continue;
      this.#translated.delete(range);
      this.#unpin(region);
    }
    for (const region of this.#untilEnd) if (region.overlay === overlay) this.#unpin(region);
    this.#untilEnd = this.#untilEnd.filter((region) => region.overlay !== overlay);
  }

  /**
   * Ends every pin and overlay. While a device is at work, or does not say whether it is, the memory is kept for as long
   * as this process lives.
   *
   * @returns what was kept
   */
  close(): KeptMemory | undefined {
    const held = [...this.#all()];
    const isHolding = held.length > 0 || this.#pins.size > 0 || this.#overlays.all().length > 0;
    const devices = isHolding ? this.#activeDevices() : [];
    this.#pagemap.close();
    if (devices.length > 0) {
      kept.push(this.#memory, held, this.#overlays);
      return { lengthBytes: held.reduce((sum, { lengthBytes }) => sum + lengthBytes, 0), devices };
    }
    // First nobody may start a transfer to it any more, then it may move. All grants end at once: one by one, each would
    // move those that lie behind it.
    this.#grants.revokeAll();
    this.#pins.releaseAll();
    for (const overlay of this.#overlays.all()) this.#remove(overlay);
    this.#overlays.close();
    return undefined;
  }

  *#all(): Iterable<Region> {
    yield* this.#regions.values();
    yield* this.#pages.values();
    yield* this.#translated.values();
    yield* this.#untilEnd;
  }

  #createPages({ guestPtr, lengthBytes, alignment }: RegionRequest): Region {
    const overlay = this.#overlays.find(guestPtr, lengthBytes);
    if (overlay) throw this.#taken(guestPtr, lengthBytes);
    const region = this.#hold(guestPtr, lengthBytes, undefined);
    return this.#checked(region, alignment);
  }

  #createOverlay(request: RegionRequest): Region {
    const { guestPtr, lengthBytes, alignment } = request;
    // The hugetlb mechanism holds a page by moving it to that pool: there it can just as well begin.
    const backing =
      this.pinMechanism === "hugetlb" && request.backing === "transparent-huge-pages" ? "hugetlb" : request.backing;
    const blockBytes = this.#overlays.blockBytes(backing);
    const wholeBytes = Math.ceil(lengthBytes / blockBytes) * blockBytes;
    this.#checkRange(guestPtr, wholeBytes);
    if (this.#overlays.find(guestPtr, wholeBytes) || this.#pins.overlap(guestPtr, wholeBytes)) {
      throw this.#taken(guestPtr, wholeBytes);
    }
    this.#pins.vacate(guestPtr, wholeBytes);
    const overlay = this.#overlays.create(backing, { ...request, lengthBytes: wholeBytes });
    let region: Region;
    try {
      this.#arrange(overlay, overlay.blockBytes);
      region = this.#hold(guestPtr, lengthBytes, overlay);
    } catch (error) {
      this.#remove(overlay);
      throw error;
    }
    return this.#checked(region, Math.max(alignment, overlay.piece ? 1 : overlay.blockBytes));
  }

  /** Pins a range and looks up where it lies. */
  #hold(guestPtr: number, lengthBytes: number, overlay: Overlay | undefined): Region {
    const count = this.#regions.size + this.#pages.size + this.#translated.size + this.#untilEnd.length;
    if (count >= MAX_RANGES) {
      throw new AxiscriptError(
        "ERR_AXI_LIMIT",
        `Cannot give devices ${lengthBytes} bytes at guest pointer ${hex(guestPtr)}: this script has given them ${count} ` +
          "ranges, which is the most. Give them larger ones.",
      );
    }
    this.#share();
    const range = { virtualAddress: this.#memory.baseAddress + BigInt(guestPtr), lengthBytes };
    if (overlay?.piece) {
      const physicalAddress = overlay.piece.physicalAddress + BigInt(guestPtr - overlay.guestPtr);
      const segments = ScatterGatherList.ofOneRun(range, Number(physicalAddress / BigInt(pageSizeBytes)));
      this.#grants.grant(segments, "both");
      return { guestPtr, lengthBytes, segments, overlay, pin: undefined, use: "both" };
    }
    // With the other two there is nothing to pin: the kernel moves no page of hugetlb that is in use.
    const isPinnable = overlay?.backing !== "hugetlb" || ["io_uring", "af_xdp"].includes(this.#pins.mechanism);
    const pin = isPinnable ? this.#pins.pin(guestPtr, lengthBytes) : undefined;
    try {
      const segments = this.#pagemap.segmentsOf(range.virtualAddress, lengthBytes);
      this.#grants.grant(segments, "both");
      return { guestPtr, lengthBytes, segments, overlay, pin, use: "both" };
    } catch (error) {
      pin?.release();
      throw error;
    }
  }

  /** Refuses a region whose blocks are not what they should be, and takes it apart again. */
  #checked(region: Region, alignment: number): Region {
    const { segments, overlay } = region;
    const blockBytes = overlay && !overlay.piece ? overlay.blockBytes : 1;
    // Ordinary pages need no look at each of them: only the first address has an alignment.
    const last = segments.length - 1;
    const bad = (blockBytes > 1 ? [...segments] : [segments.at(0)]).find(
      ({ physicalAddress, lengthBytes }, index) =>
        physicalAddress % BigInt(alignment) !== 0n || (index < last && lengthBytes % blockBytes !== 0),
    );
    if (!bad) return region;
    this.#release(region);
    const found = `a segment of ${bad.lengthBytes} bytes at physical address ${hex(bad.physicalAddress)}`;
    throw blockBytes > 1
      ? new AxiscriptError(
          "ERR_AXI_NOT_CONTIGUOUS",
          `Cannot get ${region.lengthBytes} bytes in blocks of ${blockBytes}: found ${found}. Make room with ` +
            "`echo 1 > /proc/sys/vm/compact_memory`, or reserve huge pages with `echo N > /proc/sys/vm/nr_hugepages`.",
        )
      : new AxiscriptError(
          "ERR_AXI_NOT_CONTIGUOUS",
          `Cannot align a region to ${alignment} bytes of physical memory: found ${found}. Ask for a contiguous region.`,
        );
  }

  #release(region: Region): void {
    this.#unpin(region);
    if (region.overlay) this.#remove(region.overlay);
  }

  /** First nobody may start a transfer to it any more, then it may move. */
  #unpin({ segments, use, pin }: Region): void {
    this.#grants.revoke(segments, use);
    pin?.release();
  }

  #remove(overlay: Overlay): void {
    overlay.remove();
    this.#arrange(overlay, pageSizeBytes);
  }

  #arrange({ guestPtr, lengthBytes, piece }: Overlay, blockBytes: number): void {
    if (piece) return;
    this.#share();
    this.#observer.arrangeMemory(
      { virtualAddress: this.#memory.baseAddress + BigInt(guestPtr), lengthBytes },
      blockBytes,
    );
  }

  #share(): void {
    const { range } = this.#memory;
    if (this.#sharedBytes === range.lengthBytes) return;
    this.#observer.shareMemory(range);
    this.#sharedBytes = range.lengthBytes;
  }

  #verify({ segments, overlay }: Region): void {
    if (overlay?.piece) return;
    const moved = this.#pagemap.firstMovedPage(segments);
    if (moved === undefined) return;
    const frame = this.#pagemap.peek(moved);
    throw new AxiscriptError(
      "ERR_AXI_PAGE_MOVED",
      `The page at virtual address ${hex(moved)} is not where it was when its address was handed out (now ` +
        `${frame === undefined ? "not present" : `page frame ${hex(frame)}`}): a device that was given the address uses ` +
        `memory of somebody else. Pin mechanism: ${this.#pins.mechanism}.`,
    );
  }

  #find(region: number): Region {
    const found = this.#regions.get(region);
    if (found) return found;
    throw new AxiscriptError(
      "ERR_AXI_NO_SUCH_REGION",
      `Cannot use region ${region}: there is none with that number, or it was freed.`,
    );
  }

  #checkRange(guestPtr: number, lengthBytes: number): void {
    if (lengthBytes < 1) {
      throw new AxiscriptError(
        "ERR_AXI_BAD_ARGUMENT",
        `Cannot use ${lengthBytes} bytes for a device: it is 1 or more.`,
      );
    }
    this.#memory.view(guestPtr, lengthBytes);
  }

  /** The overlay that holds a range. */
  #within(guestPtr: number, lengthBytes: number): Overlay | undefined {
    const overlay = this.#overlays.find(guestPtr, lengthBytes);
    if (!overlay) return undefined;
    const end = guestPtr + lengthBytes;
    if (guestPtr < overlay.guestPtr || end > overlay.guestPtr + overlay.lengthBytes) {
      throw new AxiscriptError(
        "ERR_AXI_BAD_ARGUMENT",
        `Cannot translate ${lengthBytes} bytes at guest pointer ${hex(guestPtr)}: they lie in a region of ` +
          `${overlay.backing} only in part. Translate what lies in it by itself.`,
      );
    }
    return overlay;
  }

  #taken(guestPtr: number, lengthBytes: number): AxiscriptError {
    return new AxiscriptError(
      "ERR_AXI_BAD_ARGUMENT",
      `Cannot use ${lengthBytes} bytes at guest pointer ${hex(guestPtr)}: some of them belong to a region, or were given ` +
        "to a device.",
    );
  }
}
