/** A bus address has 40 bits: no device reaches a frame of more bits than these, of 4 KiB or more. */
const FRAME_LIMIT = 2 ** 28;
const LEAST_CAPACITY = 2 ** 12;
/** For how many frames at most room is made beforehand: 1 GiB of 4 KiB pages. */
const MOST_RESERVED = 2 ** 18;
/** As many frames as a cache line holds lie side by side. */
const NEIGHBOUR_BITS = 4;
const NEIGHBOURS = 2 ** NEIGHBOUR_BITS;
/** 2^32 divided by the golden ratio, odd. */
const SCATTER = 0x9e3779b1;

/**
 * What was noted for page frames: a hash table with open addressing, in typed arrays. Frame 0 is nobody's and marks an
 * empty slot.
 */
export class FrameIndex {
  #frames = new Uint32Array(LEAST_CAPACITY);
  #notes = new Float64Array(LEAST_CAPACITY);
  #count = 0;

  /** Forgets everything. */
  clear(): void {
    this.#frames.fill(0);
    this.#count = 0;
  }

  /** What was noted for a frame; `undefined`: nothing. */
  get(frame: number): number | undefined {
    if (frame >= FRAME_LIMIT || frame === 0) return undefined;
    const slot = this.#slotOf(frame);
    return this.#frames[slot] === frame ? this.#notes[slot] : undefined;
  }

  /** Makes room for so many more frames, which is quicker than to grow on the way. */
  reserve(count: number): void {
    const wanted = (this.#count + Math.min(count, MOST_RESERVED)) * 2;
    if (wanted > this.#frames.length) this.#grow(2 ** Math.ceil(Math.log2(wanted)));
  }

  /** Notes a number for a frame, in place of what was there. Frames that no device reaches are left out. */
  set(frame: number, note: number): void {
    if (frame >= FRAME_LIMIT || frame === 0) return;
    const slot = this.#slotOf(frame);
    this.#notes[slot] = note;
    if (this.#frames[slot] === frame) return;
    this.#frames[slot] = frame;
    if (++this.#count * 2 > this.#frames.length) this.#grow(this.#frames.length * 2);
  }

  /** The slot that holds a frame, or the empty one where it would be. */
  #slotOf(frame: number): number {
    const frames = this.#frames;
    const mask = frames.length - 1;
    // Frames that follow each other are neighbours here, too: so they come into the cache together.
    let slot =
      (((Math.imul(frame >>> NEIGHBOUR_BITS, SCATTER) >>> 4) & -NEIGHBOURS) | (frame & (NEIGHBOURS - 1))) & mask;
    while (frames[slot] !== 0 && frames[slot] !== frame) slot = (slot + 1) & mask;
    return slot;
  }

  #grow(capacity: number): void {
    const [frames, notes] = [this.#frames, this.#notes];
    this.#frames = new Uint32Array(capacity);
    this.#notes = new Float64Array(capacity);
    for (let from = 0; from < frames.length; from++) {
      const frame = frames[from] ?? 0;
      if (frame === 0) continue;
      const slot = this.#slotOf(frame);
      this.#frames[slot] = frame;
      this.#notes[slot] = notes[from] ?? 0;
    }
  }
}
