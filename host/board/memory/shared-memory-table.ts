import type { MemoryRange } from "../../memory/linear-memory";
import { SharedLock } from "../shared-lock";

/** How many memories can be shared at once. */
const CAPACITY = 1024;
const LOCK = 0;
const VERSION = 1;
const STATE = 2;
const HEADER_BYTES = 16;
const ENTRY_NUMBERS = 2;
/** Of the state: which of the two lists counts; the rest is how many entries it has. */
const SECOND_LIST = 2 ** 30;

/**
 * Which memory of this process the board may reach: written by the threads that run scripts, read by the board's.
 *
 * ```
 *   lock │ version │ state │ – │ { virtual address: f64, length: f64 } × CAPACITY │ the same once more
 * ```
 *
 * A change writes the list that does not count, and then has it count by writing one number: a thread that ends in the
 * middle leaves the old list. While the board transfers, it holds the lock, so that memory which was withdrawn is not
 * touched any more when {@link withdraw} returns.
 */
export class SharedMemoryTable {
  readonly buffer: SharedArrayBuffer;
  readonly #header: Int32Array;
  readonly #entries: Float64Array;
  readonly #lock: SharedLock;

  /** @param buffer that of the table of another thread */
  constructor(buffer = new SharedArrayBuffer(HEADER_BYTES + 2 * CAPACITY * ENTRY_NUMBERS * 8)) {
    this.buffer = buffer;
    this.#header = new Int32Array(buffer, 0, HEADER_BYTES / 4);
    this.#entries = new Float64Array(buffer, HEADER_BYTES);
    this.#lock = new SharedLock(this.#header.subarray(LOCK, LOCK + 1));
  }

  /** Changes whenever the ranges do. */
  get version(): number {
    return Atomics.load(this.#header, VERSION);
  }

  /** The ranges; to be called within {@link whileUnchanged} by those who act on them. */
  ranges(): MemoryRange[] {
    const state = Atomics.load(this.#header, STATE);
    const list = this.#list(state >= SECOND_LIST);
    return Array.from({ length: state % SECOND_LIST }, (_, index) => ({
      virtualAddress: BigInt(list[index * ENTRY_NUMBERS] ?? 0),
      lengthBytes: list[index * ENTRY_NUMBERS + 1] ?? 0,
    }));
  }

  /** Adds a range; one that begins at the same address is replaced, since memory grows. */
  share(range: MemoryRange): void {
    this.whileUnchanged(() => this.#replace([...this.#others(range.virtualAddress), range]));
  }

  /** Takes the range that begins at an address away. */
  withdraw(virtualAddress: bigint): void {
    this.whileUnchanged(() => this.#replace(this.#others(virtualAddress)));
  }

  /** Calls `body` while nobody changes the table. */
  whileUnchanged<T>(body: () => T): T {
    return this.#lock.hold(body);
  }

  #others(virtualAddress: bigint): MemoryRange[] {
    return this.ranges().filter((range) => range.virtualAddress !== virtualAddress);
  }

  #replace(ranges: MemoryRange[]): void {
    if (ranges.length > CAPACITY) throw new RangeError(`a board reaches at most ${CAPACITY} memories`);
    const useSecond = Atomics.load(this.#header, STATE) < SECOND_LIST;
    const list = this.#list(useSecond);
    ranges.forEach(({ virtualAddress, lengthBytes }, index) => {
      list.set([Number(virtualAddress), lengthBytes], index * ENTRY_NUMBERS);
    });
    Atomics.add(this.#header, VERSION, 1);
    Atomics.store(this.#header, STATE, ranges.length + (useSecond ? SECOND_LIST : 0));
  }

  #list(second: boolean): Float64Array {
    const length = CAPACITY * ENTRY_NUMBERS;
    return this.#entries.subarray(second ? length : 0, second ? 2 * length : length);
  }
}
