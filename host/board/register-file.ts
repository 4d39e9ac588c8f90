/** Every bit of a register. */
export const ALL_BITS = 0xffffffff;

/**
 * A core's registers, in memory that software maps and writes as it likes.
 *
 * Nobody is told of a write, so that a model looks at the registers when it is polled, and puts back what software cannot
 * write on the real device when it settles.
 */
export class RegisterFile {
  readonly #shared: Int32Array;
  /** By register, the bits that software writes; the others are the core's. */
  readonly #writable: Int32Array;
  /** By register, what the core put into its own bits. */
  readonly #own: Int32Array;
  /** By register, what it showed when all was as it should be. */
  readonly #shown: Int32Array;
  readonly #sharedBytes: Uint8Array;
  readonly #shownBytes: Uint8Array;

  /**
   * @param shared the registers, 32 bits each
   * @param writable by offset in bytes, the bits that software writes and the core only reads; the others read 0 until
   *   the core sets them
   */
  constructor(shared: Int32Array, writable: ReadonlyMap<number, number>) {
    this.#shared = shared;
    this.#writable = new Int32Array(shared.length);
    this.#own = new Int32Array(shared.length);
    this.#shown = new Int32Array(shared.length);
    this.#sharedBytes = new Uint8Array(shared.buffer, shared.byteOffset, shared.byteLength);
    this.#shownBytes = new Uint8Array(this.#shown.buffer);
    for (const [offset, bits] of writable) this.#writable[offset / 4] = bits;
  }

  /** What software sees now, as an unsigned number. */
  load(offset: number): number {
    return Atomics.load(this.#shared, offset / 4) >>> 0;
  }

  /** What software sees now; 0 from now on. For registers whose bits are pulses. */
  take(offset: number): number {
    return Atomics.exchange(this.#shared, offset / 4, 0) >>> 0;
  }

  /** Shows another value, if software has not written since `found` was loaded; whether that was so. */
  replace(offset: number, found: number, value: number): boolean {
    return Atomics.compareExchange(this.#shared, offset / 4, found | 0, value | 0) === (found | 0);
  }

  /** What the core put into a register that software cannot write, as an unsigned number. */
  get(offset: number): number {
    return (this.#own[offset / 4] ?? 0) >>> 0;
  }

  /** Sets a register that software cannot write. */
  set(offset: number, value: number): void {
    this.#own[offset / 4] = value;
    this.#shown[offset / 4] = value;
    Atomics.store(this.#shared, offset / 4, value | 0);
  }

  /** Puts back every bit that is not software's. Takes a fraction of a microsecond where nothing was written. */
  settle(): void {
    if (Buffer.compare(this.#sharedBytes, this.#shownBytes) === 0) return;
    for (let index = 0; index < this.#shared.length; index++) {
      const found = this.#shared[index] ?? 0;
      const wanted = (found & (this.#writable[index] ?? 0)) | (this.#own[index] ?? 0);
      this.#shown[index] = wanted;
      // Software may be writing: what it writes now must not be lost.
      if (found !== wanted) Atomics.compareExchange(this.#shared, index, found, wanted);
    }
  }
}
