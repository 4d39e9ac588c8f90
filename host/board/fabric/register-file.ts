/** Every bit of a register. */
export const ALL_BITS = 0xffffffff;

/** Is told of a register, by its offset in bytes, and what software has written there. */
export type WriteListener = (offset: number, value: number) => void;

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
  #listener: WriteListener | undefined;
  /** For the listener: by register, what was there when it was last told of. */
  #told = new Int32Array(0);
  #pulses: number | undefined;

  /**
   * @param shared the registers, 32 bits each
   * @param writable by offset in bytes, the bits that software writes and the core only reads; the others read 0 until
   *   the core sets them
   * @throws RangeError if one of them lies behind the end
   */
  constructor(shared: Int32Array, writable: ReadonlyMap<number, number>) {
    if (Math.max(0, ...writable.keys()) >= shared.byteLength)
      throw new RangeError("there is no room for all registers");
    this.#shared = shared;
    this.#writable = new Int32Array(shared.length);
    this.#own = new Int32Array(shared.length);
    this.#shown = new Int32Array(shared.length);
    this.#sharedBytes = new Uint8Array(shared.buffer, shared.byteOffset, shared.byteLength);
    this.#shownBytes = new Uint8Array(this.#shown.buffer);
    for (const [offset, bits] of writable) this.#writable[offset / 4] = bits;
  }

  /**
   * From now on tells of what software writes, as far as it is noticed: of several writes to a register between two looks
   * of the last, and of none that changes nothing.
   *
   * @param pulses offset of the register of which {@link clear} tells, after all others
   */
  onWrite(listener: WriteListener, pulses?: number): void {
    this.#listener = listener;
    this.#told = this.#shared.slice();
    this.#pulses = pulses;
  }

  /** Tells of what was written since the last time, in the order of the registers. */
  tellWrites(): void {
    for (let index = 0; index < this.#told.length; index++) {
      if (index * 4 !== this.#pulses) this.#tell(index, this.#shared[index] ?? 0);
    }
  }

  #tell(index: number, found: number): void {
    if (found === this.#told[index]) return;
    this.#told[index] = found;
    this.#listener?.(index * 4, found >>> 0);
  }

  /** What software sees now, as an unsigned number. */
  load(offset: number): number {
    return Atomics.load(this.#shared, offset / 4) >>> 0;
  }

  /** Has pulses read 0 again, if software has not written since `found` was loaded; whether that was so. */
  clear(offset: number, found: number): boolean {
    const index = offset / 4;
    this.#tell(index, found | 0);
    this.#told[index] = 0;
    return Atomics.compareExchange(this.#shared, index, found | 0, 0) === (found | 0);
  }

  /** Shows another value, if software has not written since `found` was loaded; whether that was so. */
  replace(offset: number, found: number, value: number): boolean {
    const index = offset / 4;
    if (Atomics.compareExchange(this.#shared, index, found | 0, value | 0) !== (found | 0)) return false;
    this.#tell(index, found | 0);
    this.#told[index] = value;
    return true;
  }

  /** What the core put into a register that software cannot write, as an unsigned number. */
  get(offset: number): number {
    return (this.#own[offset / 4] ?? 0) >>> 0;
  }

  /** Sets a register that software cannot write. */
  set(offset: number, value: number): void {
    this.#own[offset / 4] = value;
    this.#shown[offset / 4] = value;
    this.#told[offset / 4] = value;
    Atomics.store(this.#shared, offset / 4, value | 0);
  }

  /** Puts back every bit that is not software's. Takes a fraction of a microsecond where nothing was written. */
  settle(): void {
    if (Buffer.compare(this.#sharedBytes, this.#shownBytes) === 0) return;
    this.tellWrites();
    for (let index = 0; index < this.#shared.length; index++) {
      const found = this.#shared[index] ?? 0;
      const wanted = (found & (this.#writable[index] ?? 0)) | (this.#own[index] ?? 0);
      this.#shown[index] = wanted;
      // Software may be writing: what it writes now must not be lost.
      if (found === wanted) continue;
      if (Atomics.compareExchange(this.#shared, index, found, wanted) === found) this.#told[index] = wanted;
    }
  }
}
