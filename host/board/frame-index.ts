/** A bus address has 40 bits: no device reaches a frame of more bits than these, of 4 KiB or more. */
const FRAME_LIMIT = 2 ** 28;
const LEAST_CAPACITY = 2 ** 12;
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

  /** Notes a number for a frame, in place of what was there. Frames that no device reaches are left out. */
  set(frame: number, note: number): void {
    if (frame >= FRAME_LIMIT || frame === 0) return;
    const slot = this.#slotOf(frame);
    this.#notes[slot] = note;
    if (this.#frames[slot] === frame) return;
    this.#frames[slot] = frame;
    if (++this.#count * 2 > this.#frames.length) this.#grow();
  }

  /** The slot that holds a frame, or the empty one where it would be. */
  #slotOf(frame: number): number {
    const frames = this.#frames;
    const mask = frames.length - 1;
    let slot = (Math.imul(frame, SCATTER) >>> 4) & mask;
    while (frames[slot] !== 0 && frames[slot] !== frame) slot = (slot + 1) & mask;
    return slot;
  }

  #grow(): void {
    const [frames, notes] = [this.#frames, this.#notes];
    this.#frames = new Uint32Array(frames.length * 2);
    this.#notes = new Float64Array(frames.length * 2);
    frames.forEach((frame, from) => {
      if (frame === 0) return;
      const slot = this.#slotOf(frame);
      this.#frames[slot] = frame;
      this.#notes[slot] = notes[from] ?? 0;
    });
  }
}
