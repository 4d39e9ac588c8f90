import type { MemoryRange } from "../memory/linear-memory";
import type { IsolateAddress } from "../native/isolate";
import { ThreadStart } from "../thread-start";
import { RUN_STATE } from "./run-guard";

const STATE = 0;
const ENDED = 1;
const NOTES = 2;
const STARTED = 3;
const WORDS_BYTES = 16;
const ISOLATE = 0;
const MEMORY_ADDRESS = 1;
const MEMORY_BYTES = 2;
const NUMBERS_BYTES = 24;

/** How many notes may be under way: a script that writes without end must not fill the other thread's queue. */
const MOST_NOTES = 64;

/**
 * What the thread that runs a script and the one that asked for it share, for one run.
 *
 * ```
 *   state │ ended │ notes under way │ started │ isolate: f64 │ { virtual address: f64, length: f64 } of the memory
 * ```
 */
export class RunControl {
  readonly buffer: SharedArrayBuffer;
  /** For the RunGuard, and whoever stops the script. */
  readonly state: Int32Array;
  /** Of the thread that runs the script. */
  readonly start: ThreadStart;
  readonly #words: Int32Array;
  readonly #numbers: Float64Array;

  /** @param buffer that of the other thread's */
  constructor(buffer?: SharedArrayBuffer) {
    this.buffer = buffer ?? new SharedArrayBuffer(WORDS_BYTES + NUMBERS_BYTES);
    this.#words = new Int32Array(this.buffer, 0, WORDS_BYTES / 4);
    this.#numbers = new Float64Array(this.buffer, WORDS_BYTES);
    this.start = new ThreadStart(this.#words, STARTED);
    this.state = this.#words.subarray(STATE, STATE + 1);
    if (!buffer) this.#words[STATE] = RUN_STATE.host;
  }

  /** The engine of the thread that runs the script; set before the script begins. */
  get isolate(): IsolateAddress {
    return this.#numbers[ISOLATE] ?? 0;
  }

  set isolate(address: IsolateAddress) {
    this.#numbers[ISOLATE] = address;
  }

  /** The memory that was shared with the board; length 0 if none was. */
  get memory(): MemoryRange {
    const [, address = 0, lengthBytes = 0] = this.#numbers;
    return { virtualAddress: BigInt(address), lengthBytes };
  }

  set memory({ virtualAddress, lengthBytes }: MemoryRange) {
    this.#numbers[MEMORY_ADDRESS] = Number(virtualAddress);
    this.#numbers[MEMORY_BYTES] = lengthBytes;
  }

  /** Everything that the script held was given back. */
  end(): void {
    Atomics.store(this.#words, ENDED, 1);
    Atomics.notify(this.#words, ENDED);
  }

  /** Blocks until {@link end} was called, for a while once the thread has started. */
  awaitEnd(timeoutMs: number): void {
    this.start.await();
    Atomics.wait(this.#words, ENDED, 0, timeoutMs);
  }

  /** Counts a note that is to be sent; false while too many are under way. */
  tryNote(): boolean {
    if (Atomics.add(this.#words, NOTES, 1) < MOST_NOTES) return true;
    this.noteArrived();
    return false;
  }

  noteArrived(): void {
    Atomics.sub(this.#words, NOTES, 1);
  }
}
