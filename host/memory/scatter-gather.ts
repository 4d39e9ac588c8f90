import { pageSizeBytes } from "../native/libc";
import type { MemoryRange } from "./linear-memory";
import { RUN_WORDS } from "./page-runs";

/** A piece of memory that a device can reach with one address. */
export interface Segment {
  readonly physicalAddress: bigint;
  readonly lengthBytes: number;
}

/**
 * Where a range of virtual memory lies in physical memory: segments in the order of the range, as few as possible.
 *
 * ```
 *   virtual     ├──────────────── totalBytes ────────────────┤
 *   pages    ┊     page 0    ┊     page 1    ┊     page 2    ┊
 *   segments    ├──────────── 0 ─────────────┤├───── 1 ──────┤
 * ```
 *
 * It holds 12 bytes a segment; {@link ScatterGatherList.at} makes the objects.
 *
 * @example
 * for (const { physicalAddress, lengthBytes } of pagemap.segmentsOf(virtualAddress, 1 << 20)) describe(...);
 */
export class ScatterGatherList implements Iterable<Segment> {
  /** The first byte of the range. */
  readonly virtualAddress: bigint;
  /** The length of the range, which is the sum of all segments'. */
  readonly totalBytes: number;
  /** How many segments there are. */
  readonly length: number;
  /** The runs of pages that the segments are cut out of, as `PageRuns` lays them out. Not to be changed. */
  readonly runWords: Uint32Array;
  /** From the beginning of the first page to the first byte of the range. */
  readonly #offsetBytes: number;

  /** Lists come from `Pagemap.segmentsOf`. */
  constructor({ virtualAddress, lengthBytes }: MemoryRange, runWords: Uint32Array) {
    this.virtualAddress = virtualAddress;
    this.totalBytes = lengthBytes;
    this.length = runWords.length / RUN_WORDS;
    this.runWords = runWords;
    this.#offsetBytes = Number(virtualAddress % BigInt(pageSizeBytes));
  }

  /** The list of a range that lies in one run of pages, of which the first has this page frame number. */
  static ofOneRun(range: MemoryRange, frame: number): ScatterGatherList {
    return new ScatterGatherList(range, Uint32Array.of(0, frame, Math.floor(frame / 2 ** 32)));
  }

  /** The page frame number of the first page. */
  get firstFrame(): number {
    const [, low = 0, high = 0] = this.runWords;
    return high * 2 ** 32 + low;
  }

  /** How many pages the range touches. */
  get pageCount(): number {
    return this.totalBytes === 0 ? 0 : Math.ceil((this.#offsetBytes + this.totalBytes) / pageSizeBytes);
  }

  /**
   * One segment.
   *
   * @param index 0 to `length` - 1
   * @throws RangeError for any other index
   */
  at(index: number): Segment {
    if (!Number.isInteger(index) || index < 0 || index >= this.length) {
      throw new RangeError(`Cannot take segment ${index} as the list has ${this.length}.`);
    }
    const at = index * RUN_WORDS;
    const [page = 0, low = 0, high = 0] = [this.runWords[at], this.runWords[at + 1], this.runWords[at + 2]];
    const startBytes = page * pageSizeBytes;
    const endBytes = (this.runWords[at + RUN_WORDS] ?? this.pageCount) * pageSizeBytes;
    // Only the first segment may begin, and only the last may end, in the middle of a page.
    const skippedBytes = Math.max(this.#offsetBytes - startBytes, 0);
    const frame = (BigInt(high) << 32n) | BigInt(low);
    return {
      physicalAddress: frame * BigInt(pageSizeBytes) + BigInt(skippedBytes),
      lengthBytes: Math.min(endBytes, this.#offsetBytes + this.totalBytes) - (startBytes + skippedBytes),
    };
  }

  /** Pairs of the first and the first following physical address of each segment, all below 2^53. */
  intervals(): Float64Array {
    const pairs = new Float64Array(2 * this.length);
    for (let index = 0; index < this.length; index++) {
      const at = index * RUN_WORDS;
      const [page = 0, low = 0, high = 0] = [this.runWords[at], this.runWords[at + 1], this.runWords[at + 2]];
      const endBytes = (this.runWords[at + RUN_WORDS] ?? this.pageCount) * pageSizeBytes;
      const base = (high * 2 ** 32 + low - page) * pageSizeBytes;
      pairs[2 * index] = base + Math.max(this.#offsetBytes, page * pageSizeBytes);
      pairs[2 * index + 1] = base + Math.min(endBytes, this.#offsetBytes + this.totalBytes);
    }
    return pairs;
  }

  *[Symbol.iterator](): Iterator<Segment> {
    for (let index = 0; index < this.length; index++) yield this.at(index);
  }
}
