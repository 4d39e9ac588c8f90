import { AxiscriptError } from "../util/errors";
import type { DeviceUse, GrantRegister } from "../memory/device-memory";
import type { ScatterGatherList } from "../memory/scatter-gather";
import { GRANT_COUNT_OFFSET, GRANTS } from "./layout";

const HALF = 2 ** 32;
const CACHE_LINE_BYTES = 64;
const down = (address: number) => Math.floor(address / CACHE_LINE_BYTES);
const up = (address: number) => Math.ceil(address / CACHE_LINE_BYTES);

/**
 * The physical memory that a script's transfers may use: disjoint intervals, in the gate's memory, where a start is
 * checked against them. Each byte counts how often it was granted for reads and for writes.
 *
 * A grant of n pieces among N intervals costs O(log N + n), and what lies behind it is moved: some 20 µs for 100,000
 * intervals.
 */
export class GrantedMemory implements GrantRegister {
  readonly #count: Uint32Array;
  /** Pairs of lower and upper half. */
  readonly #starts: Uint32Array;
  readonly #ends: Uint32Array;
  /** Pairs of reads and writes. */
  readonly #uses: Uint32Array;
  /** How many pieces are granted, each as often as it is. */
  #pieces = 0;

  /** @param buffer the gate's memory */
  constructor(buffer: ArrayBufferLike) {
    const words = 2 * GRANTS.capacity;
    this.#count = new Uint32Array(buffer, GRANT_COUNT_OFFSET, 1);
    this.#starts = new Uint32Array(buffer, GRANTS.starts, words);
    this.#ends = new Uint32Array(buffer, GRANTS.ends, words);
    this.#uses = new Uint32Array(buffer, GRANTS.uses, words);
  }

  /** How many intervals there are. */
  get length(): number {
    return this.#count[0] ?? 0;
  }

  /**
   * Grants memory, once more if it was granted before: all of it, or nothing.
   *
   * @throws AxiscriptError ERR_AXI_LIMIT if it lies in too many pieces
   */
  grant(segments: ScatterGatherList, use: DeviceUse): void {
    const pieces = this.#pieces + piecesOf(segments);
    if (pieces > GRANTS.pieces) {
      throw new AxiscriptError(
        "ERR_AXI_LIMIT",
        `Cannot let devices use more memory: it would lie in ${pieces} pieces, and the gate holds ${GRANTS.pieces}. ` +
          "Use contiguous regions, or free some.",
      );
    }
    this.#pieces = pieces;
    this.#change(segments, use, 1);
  }

  /** Takes a grant back, which must have been given. It never fails: the tables have room for what may be left. */
  revoke(segments: ScatterGatherList, use: DeviceUse): void {
    this.#change(segments, use, -1);
    this.#pieces -= piecesOf(segments);
  }

  /** Takes back whatever was granted, also where a grant was cut short. */
  revokeAll(): void {
    this.#count[0] = this.#pieces = 0;
  }

  /** An interval with what is granted; for messages and tests. */
  at(index: number): { start: number; end: number; reads: number; writes: number } {
    return {
      start: this.#startOf(index),
      end: this.#endOf(index),
      reads: this.#uses[2 * index] ?? 0,
      writes: this.#uses[2 * index + 1] ?? 0,
    };
  }

  /** A device reads whole cache lines; the rest of a line that is granted in part is the script's own memory, too. */
  #change(segments: ScatterGatherList, use: DeviceUse, by: 1 | -1): void {
    const pieces = sorted(segments.intervals());
    if (pieces.length === 0) return;
    const lines = pieces.map((address, index) => CACHE_LINE_BYTES * (index % 2 === 0 ? down(address) : up(address)));
    // In the order of addresses the pieces at the ends of the range are anywhere.
    const areSame = pieces.every((address, index) => address === lines[index]);
    if (use === "both" && areSame) this.#add(pieces, by, by);
    else {
      if (use !== "writes") this.#add(lines, by, 0);
      if (use !== "reads") this.#add(pieces, 0, by);
    }
  }

  #add(pieces: Float64Array, reads: number, writes: number): void {
    const first = this.#firstIndex((index) => this.#endOf(index) >= (pieces[0] ?? 0));
    const lastEnd = pieces[pieces.length - 1] ?? 0;
    const behind = this.#firstIndex((index) => this.#startOf(index) > lastEnd);
    this.#replace(first, behind, this.#merge(first, behind, pieces, reads, writes));
  }

  /** The intervals from `first` to `behind` with the change: quadruples of start, end, reads and writes. */
  #merge(first: number, behind: number, pieces: Float64Array, reads: number, writes: number): number[] {
    const merged: number[] = [];
    let index = first;
    let piece = 0;
    let cursor = 0;
    while (index < behind || piece < pieces.length) {
      const start = index < behind ? Math.max(this.#startOf(index), cursor) : Number.POSITIVE_INFINITY;
      const change = piece < pieces.length ? Math.max(pieces[piece] ?? 0, cursor) : Number.POSITIVE_INFINITY;
      const from = Math.min(start, change);
      const end = start === from ? this.#endOf(index) : start;
      const changeEnd = change === from ? (pieces[piece + 1] ?? 0) : change;
      cursor = Math.min(end, changeEnd);
      const before = start === from ? index : -1;
      append(merged, from, cursor, [
        (this.#uses[2 * before] ?? 0) + (change === from ? reads : 0),
        (this.#uses[2 * before + 1] ?? 0) + (change === from ? writes : 0),
      ]);
      if (start === from && cursor === end) index++;
      if (change === from && cursor === changeEnd) piece += 2;
    }
    return merged;
  }

  #replace(first: number, behind: number, merged: readonly number[]): void {
    const length = this.length;
    const fresh = merged.length / 4;
    const grown = length + fresh - (behind - first);
    // Whatever cuts this short leaves nothing granted.
    this.#count[0] = 0;
    for (const table of [this.#starts, this.#ends, this.#uses]) {
      table.copyWithin(2 * (first + fresh), 2 * behind, 2 * length);
    }
    for (let at = 0; at < merged.length; at += 4) {
      const [start, end] = [merged[at] ?? 0, merged[at + 1] ?? 0];
      const index = 2 * first + at / 2;
      this.#starts[index] = start;
      this.#starts[index + 1] = start / HALF;
      this.#ends[index] = end;
      this.#ends[index + 1] = end / HALF;
      this.#uses[index] = merged[at + 2] ?? 0;
      this.#uses[index + 1] = merged[at + 3] ?? 0;
    }
    this.#count[0] = grown;
  }

  /** The first index for which a condition holds that holds for all behind it. */
  #firstIndex(holds: (index: number) => boolean): number {
    let low = 0;
    let high = this.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (holds(middle)) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  #startOf(index: number): number {
    return (this.#starts[2 * index + 1] ?? 0) * HALF + (this.#starts[2 * index] ?? 0);
  }

  #endOf(index: number): number {
    return (this.#ends[2 * index + 1] ?? 0) * HALF + (this.#ends[2 * index] ?? 0);
  }
}

/** A line that is granted in part, at either end, is a piece of its own. */
function piecesOf(segments: ScatterGatherList): number {
  return segments.length + 2;
}

/** Appends an interval, or lengthens the last one if it goes on with the same uses. */
function append(merged: number[], start: number, end: number, [reads, writes]: readonly [number, number]): void {
  if (reads < 0 || writes < 0) throw new RangeError("memory is taken back that was not granted");
  if (reads === 0 && writes === 0) return;
  const last = merged.length - 4;
  if (last >= 0 && merged[last + 1] === start && merged[last + 2] === reads && merged[last + 3] === writes) {
    merged[last + 1] = end;
  } else merged.push(start, end, reads, writes);
}

/** Pairs of start and end in the order of their addresses. */
function sorted(intervals: Float64Array): Float64Array {
  let inOrder = true;
  for (let at = 2; at < intervals.length; at += 2) inOrder &&= (intervals[at - 2] ?? 0) <= (intervals[at] ?? 0);
  if (inOrder) return intervals;
  const order = Array.from({ length: intervals.length / 2 }, (_, index) => index);
  order.sort((a, b) => (intervals[2 * a] ?? 0) - (intervals[2 * b] ?? 0));
  return Float64Array.from(order.flatMap((index) => [intervals[2 * index] ?? 0, intervals[2 * index + 1] ?? 0]));
}
