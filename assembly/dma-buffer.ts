import {
  errorRaise,
  memoryBlockBytes,
  memoryVirtualAddress,
  regionCreate,
  regionFree,
  regionRestrict,
  regionSegments,
  regionSync,
  regionVerify,
} from "./abi";
import { PhysicalAddress } from "./address";
import { CACHE_LINE_BYTES } from "./cache-line";
import { DmaView } from "./dma-view";
import { check, fail, note } from "./errors";
import { lend, remember, takeBack } from "./lent";
import { isCollected, keeperOf, lengthOf, pointerTo } from "./memory";
import { Options } from "./options";
import { readSegments, Segment } from "./segment";
import { Space } from "./space";

/** How few segments a buffer should have. */
export namespace Contiguous {
  /** As many as there are pages. */
  export const No: i32 = 0;
  /** One in 2 MiB, or fewer. `true` means this. */
  export const Blocks: i32 = 1;
  /** One. */
  export const Single: i32 = 2;
}

/** What a buffer rests on. */
export namespace Backing {
  /** What `contiguous` and `cache` ask for. */
  export const Any: i32 = -1;
  /** Ordinary pages of linear memory, pinned. */
  export const Pages: i32 = 0;
  /** Pages of 2 MiB, if the kernel finds them. */
  export const TransparentHugePages: i32 = 1;
  /** Pages of 2 MiB that were reserved: `/proc/sys/vm/nr_hugepages`. */
  export const Hugetlb: i32 = 2;
  /** A piece of a u-dma-buf device: one contiguous range. */
  export const UDmaBuf: i32 = 3;
}

/** How the CPU sees a buffer. All but `Cached` need a u-dma-buf device. */
export namespace Cache {
  /** Cached: fast. On a port that is not coherent, use `syncForDevice` and `syncForCpu`. */
  export const Cached: i32 = 0;
  export const Uncached: i32 = 1;
  export const WriteCombine: i32 = 2;
}

/** What devices may do with a buffer. */
export namespace DeviceUse {
  export const ReadsAndWrites: i32 = 0;
  /** Devices only read it: a transfer that would change it is refused. */
  export const Reads: i32 = 1;
  /** Devices only write it. */
  export const Writes: i32 = 2;
}

/** What `DmaBuffer.alloc` is asked for. */
export class DmaOptions {
  /** One of `Contiguous`. */
  contiguous: i32 = Contiguous.No;
  /** Of the physical address, in bytes: a power of two. 64 is the least that is used. */
  alignment: i32 = <i32>CACHE_LINE_BYTES;
  /** One of `Cache`. */
  cache: i32 = Cache.Cached;
  /** One of `Backing`. */
  backing: i32 = Backing.Any;
  /** One of `DeviceUse`. */
  deviceUse: i32 = DeviceUse.ReadsAndWrites;
  /** Take ordinary pages where what was asked for cannot be had; that is reported. */
  fallback: bool = false;
}

/** Where buffers of ordinary pages lie. */
const ordinary = new Space();
/**
 * Where all others lie. Ordinary pages are never used here, not even in the gaps: a mapping between two others that was
 * written to stays one of its own in the kernel, when these are gone.
 */
const covered = new Space();

const TO_CPU: i32 = 0;
const TO_DEVICE: i32 = 1;

/**
 * Memory that a device may be given: pinned, on cache lines of its own, with the contiguity that was asked for. It lives
 * until `free`, and for as long as the script runs if it is never freed, even when the script drops it.
 *
 * ```
 *   dataStart                            dataStart + lengthBytes
 *   ▼ a multiple of 64                   ▼
 *   ├──────────── elements ──────────────┼─ padding to a whole line ─┼─ rest of the page or block ─┤
 *                                                                   ▲ what devices may reach ends
 * ```
 *
 * @example
 * const frame = DmaBuffer.alloc(1920 * 1080 * 4, { contiguous: Contiguous.Single });
 * frame.i32[0] = 42;
 * proxy.write(frame.physicalAddress, [1, 2, 3, 4]);
 * frame.free();
 */
export class DmaBuffer {
  /** Of a buffer that was asked for them: nothing moves them while it lives. */
  private known: StaticArray<Segment> | null = null;

  /** Use `alloc` or `of`. */
  constructor(
    /** Pointer to the first byte; 0 after `free`. */
    public dataStart: usize,
    /** How many bytes there are; 0 after `free`. */
    public lengthBytes: i32,
    /** One of `Backing`. */
    readonly backing: i32,
    private region: i32,
    /** What was reserved for it; 0 if the memory is an array's. */
    private reservedBytes: usize,
  ) {}

  /**
   * Allocates a buffer. All bytes are 0.
   *
   * @param lengthBytes 1 to 2^31 - 1, as far as the memory can grow
   */
  static alloc(lengthBytes: i32, options: Options<DmaOptions> = new DmaOptions()): DmaBuffer {
    return allocate(lengthBytes, changetype<DmaOptions>(options));
  }

  /**
   * Lends an array to devices as it is: its memory is the buffer's. The array is kept alive and pinned until `free`.
   * Writes of devices to a cache line that the array has only in part are refused.
   *
   * @param array a `StaticArray`, `Array`, `ArrayBuffer` or typed array, a `CacheLineArray`; not empty
   */
  static of<T>(array: T): DmaBuffer {
    // @ts-ignore: only compiled for types that have it
    if (isDefined(array.dataStart) && !isDefined(array.buffer) && !isDefined(array.lineBytes)) {
      ERROR("DmaBuffer.of takes an array: a DmaBuffer and its views are for devices as they are.");
    }
    const start = pointerTo<T>(array);
    const lengthBytes = lengthOf<T>(array);
    const region = check(regionCreate(start, lengthBytes, Backing.Pages, 1, Cache.Cached));
    if (isCollected<T>(array)) lend(keeperOf<T>(array), start, lengthBytes);
    const buffer = new DmaBuffer(start, <i32>lengthBytes, Backing.Pages, region, 0);
    const segments = buffer.segments;
    const last = segments[segments.length - 1];
    remember(start, segments[0].physicalAddress);
    remember(start + lengthBytes - 1, last.physicalAddress + last.lengthBytes - 1);
    return buffer;
  }

  /**
   * Says what devices may do with it from now on; transfers that would do more are refused.
   *
   * @param use one of `DeviceUse`
   */
  restrict(use: i32): void {
    check(regionRestrict(this.live(), use));
  }

  /**
   * Where it lies in physical memory, in order, as few segments as possible: exactly its bytes, without the padding. The host
   * is asked once; a loop over `segments[i]` costs what one over an array does. The array is the buffer's own: leave it as
   * it is.
   */
  get segments(): StaticArray<Segment> {
    const region = this.live();
    const known = this.known;
    if (known != null) return known;
    const read = readSegments(segmentsOfRegion, region, 0);
    const last = read[read.length - 1];
    const padding = (CACHE_LINE_BYTES - (this.lengthBytes & (CACHE_LINE_BYTES - 1))) & (CACHE_LINE_BYTES - 1);
    // An array that is lent has none.
    if (this.reservedBytes > 0 && padding > 0) {
      read[read.length - 1] = new Segment(last.physicalAddress, last.lengthBytes - padding);
    }
    this.known = read;
    return read;
  }

  /** The address to give to a device that takes one. The buffer must be one segment. */
  get physicalAddress(): PhysicalAddress {
    const segments = this.segments;
    if (segments.length != 1) {
      fail(
        "ERR_AXI_NOT_CONTIGUOUS",
        `Cannot give one physical address for ${this.lengthBytes} bytes: they lie in ${segments.length} segments. Use segments, or allocate with Contiguous.Single.`,
      );
    }
    return segments[0].physicalAddress;
  }

  /** The elements as 32-bit integers; `u8`, `f32` and `f64` likewise, and `view<T>()` for any other type. */
  get i32(): DmaView<i32> {
    return this.view<i32>();
  }

  get u8(): DmaView<u8> {
    return this.view<u8>();
  }

  get f32(): DmaView<f32> {
    return this.view<f32>();
  }

  get f64(): DmaView<f64> {
    return this.view<f64>();
  }

  /** The elements as numbers of a type. */
  view<T>(): DmaView<T> {
    this.live();
    return new DmaView<T>(this);
  }

  /** Checks that every page is still where it was when its address was handed out. Ends the script if not. */
  verify(): void {
    check(regionVerify(this.live()));
  }

  /** Before a device on a port that is not coherent (HP) reads: what the CPU wrote reaches memory. */
  syncForDevice(): void {
    check(regionSync(this.live(), TO_DEVICE));
  }

  /** After a device on a port that is not coherent (HP) wrote: the CPU sees it. Also verifies. */
  syncForCpu(): void {
    check(regionSync(this.live(), TO_CPU));
    this.verify();
  }

  /**
   * Gives the memory back. A device that is at work refuses that; where a device does not say whether it is, the memory
   * stays reserved and pinned, and that is reported.
   */
  free(): void {
    const freed = check(regionFree(this.live())) == 0;
    // What a device may still be using stays lent, and stays reserved.
    if (freed && this.reservedBytes == 0) takeBack(this.dataStart, this.lengthBytes);
    else if (freed) spaceOf(this.backing).giveBack(this.dataStart, this.reservedBytes);
    this.region = 0;
    this.known = null;
    this.dataStart = 0;
    this.lengthBytes = 0;
  }

  /** The region's number, of a buffer that was not freed. */
  private live(): i32 {
    if (this.region == 0) fail("ERR_AXI_REGION_FREED", "Cannot use a DmaBuffer that was freed.");
    return this.region;
  }
}

function allocate(lengthBytes: i32, options: DmaOptions): DmaBuffer {
  checkOptions(lengthBytes, options);
  const candidates = backingsFor(options);
  for (let i = 0; i < candidates.length; i++) {
    const buffer = tryAlloc(lengthBytes, candidates[i], options);
    if (buffer != null) return buffer;
  }
  if (options.fallback) {
    const plain = new DmaOptions();
    plain.deviceUse = options.deviceUse;
    const buffer = tryAlloc(lengthBytes, Backing.Pages, plain);
    if (buffer != null) {
      note(
        `a DmaBuffer of ${lengthBytes} bytes could not be had as asked for and rests on ordinary pages, in ${buffer.segments.length} segments (see axiscript doctor)`,
      );
      return buffer;
    }
  }
  // Once more, for the error of what was wanted most.
  const again = tryAlloc(lengthBytes, candidates[0], options);
  if (again != null) return again;
  if (lastSegmentCount > 0) {
    fail(
      "ERR_AXI_NOT_CONTIGUOUS",
      `Cannot allocate ${lengthBytes} bytes in one segment: found ${lastSegmentCount}. Load the u-dma-buf driver, or ask for Contiguous.Blocks.`,
    );
  }
  errorRaise();
  return unreachable();
}

function checkOptions(lengthBytes: i32, options: DmaOptions): void {
  const alignment = options.alignment;
  if (lengthBytes < 1) {
    fail(
      "ERR_AXI_BAD_ARGUMENT",
      `Cannot allocate a DmaBuffer: length is 1 to 2^31 - 1 bytes, current value is ${lengthBytes}.`,
    );
  }
  if (alignment < 1 || (alignment & (alignment - 1)) != 0) {
    fail(
      "ERR_AXI_BAD_ARGUMENT",
      `Cannot allocate a DmaBuffer: alignment is a power of two, current value is ${alignment}.`,
    );
  }
  if (options.contiguous < Contiguous.No || options.contiguous > Contiguous.Single) {
    fail(
      "ERR_AXI_BAD_ARGUMENT",
      `Cannot allocate a DmaBuffer: contiguous is 0 to 2, current value is ${options.contiguous}.`,
    );
  }
  if (options.deviceUse < DeviceUse.ReadsAndWrites || options.deviceUse > DeviceUse.Writes) {
    fail(
      "ERR_AXI_BAD_ARGUMENT",
      `Cannot allocate a DmaBuffer: deviceUse is 0 to 2, current value is ${options.deviceUse}.`,
    );
  }
}

/** What to try, best first. */
function backingsFor(options: DmaOptions): StaticArray<i32> {
  if (options.backing != Backing.Any) return [options.backing];
  if (options.cache != Cache.Cached) return [Backing.UDmaBuf];
  if (options.contiguous == Contiguous.No) return [Backing.Pages];
  return options.contiguous == Contiguous.Single
    ? [Backing.UDmaBuf, Backing.Hugetlb, Backing.TransparentHugePages]
    : [Backing.Hugetlb, Backing.TransparentHugePages, Backing.UDmaBuf];
}

/** Of the last buffer that had more segments than it should have; 0 if the last one failed otherwise. */
let lastSegmentCount: i32 = 0;

/** `null` if the host says that it cannot be had; then its error stands ready. */
function tryAlloc(lengthBytes: i32, backing: i32, options: DmaOptions): DmaBuffer | null {
  lastSegmentCount = 0;
  const block = memoryBlockBytes(backing);
  if (block < 0) return null;
  const unit = max<usize>(block, CACHE_LINE_BYTES);
  const alignment = max<usize>(unit, options.alignment);
  const wanted = ((<usize>lengthBytes + unit - 1) / unit) * unit;
  const space = spaceOf(backing);
  const start = wanted < <usize>lengthBytes ? <usize>0 : space.reserve(wanted, alignment, baseSkew());
  if (start == 0) {
    fail("ERR_AXI_OUT_OF_MEMORY", `Cannot allocate ${lengthBytes} bytes: the linear memory cannot grow that far.`);
  }
  if (backing == Backing.Pages) memory.fill(start, 0, wanted);
  // The rest of its last block is nobody's, and no device's.
  const lines = (<usize>lengthBytes + CACHE_LINE_BYTES - 1) & ~(CACHE_LINE_BYTES - 1);
  const region = regionCreate(start, lines, backing, options.alignment, options.cache);
  if (region < 0) {
    space.giveBack(start, wanted);
    return null;
  }
  if (options.contiguous == Contiguous.Single) {
    const count = check(regionSegments(region, 0, 0));
    if (count > 1) {
      lastSegmentCount = count;
      regionFree(region);
      space.giveBack(start, wanted);
      return null;
    }
  }
  if (options.deviceUse != DeviceUse.ReadsAndWrites) check(regionRestrict(region, options.deviceUse));
  return new DmaBuffer(start, lengthBytes, backing, region, wanted);
}

function spaceOf(backing: i32): Space {
  return backing == Backing.Pages ? ordinary : covered;
}

function segmentsOfRegion(region: usize, _: usize, segmentsPtr: usize, capacity: i32): i32 {
  return regionSegments(<i32>region, segmentsPtr, capacity);
}

/** What the memory's virtual address adds to the alignment of pointers: its low 31 bits are more than any alignment. */
function baseSkew(): usize {
  const address = memoryVirtualAddress(0);
  if (address < 0) errorRaise();
  return (<u32>address) & 0x7fffffff;
}
