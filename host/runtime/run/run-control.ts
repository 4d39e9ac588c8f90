import { existsSync, readlinkSync } from "node:fs";
import { basename } from "node:path";
import type { MemoryRange } from "../../memory/linear-memory";
import type { IsolateAddress } from "../../native/isolate";
import { ThreadStart } from "../../util/thread-start";
import { RUN_STATE } from "./run-guard";

const STATE = 0;
const ENDED = 1;
const NOTES = 2;
const STARTED = 3;
const MESSAGES = 4;
const WORDS_BYTES = 24;
/** Who gives back what the script holds: its own thread, or, where that does not get to it, the one that asked for the run. */
const END = { none: 0, done: 1, begun: 2, takenOver: 3 } as const;
const ISOLATE = 0;
const MEMORY_ADDRESS = 1;
const MEMORY_BYTES = 2;
const THREAD = 3;
const NUMBERS_BYTES = 32;

/** How many notes may be under way: a script that writes without end must not fill the other thread's queue. */
const MOST_NOTES = 64;

/**
 * What the thread that runs a script and the one that asked for it share, for one run.
 *
 * ```
 *   state │ ended │ notes under way │ started │ messages │ - │
 *   isolate: f64 │ { virtual address: f64, length: f64 } of the memory │ number of the thread: f64
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

  /** Called by the script's thread before it gives back what the script holds. Blocks for ever after {@link takeOver}. */
  beginEnd(): void {
    while (Atomics.compareExchange(this.#words, ENDED, END.none, END.begun) === END.takenOver) {
      Atomics.wait(this.#words, ENDED, END.takenOver);
    }
    Atomics.notify(this.#words, ENDED);
  }

  /** Everything that the script held was given back. */
  end(): void {
    Atomics.store(this.#words, ENDED, END.done);
    Atomics.notify(this.#words, ENDED);
  }

  /**
   * Keeps the script's thread, which was asked to stop, from giving back what the script holds: that is the caller's now.
   *
   * @param scriptMs how long to wait for a thread that has only to leave the script's code
   * @param hostMs how long to wait for one that is in the host's
   * @returns false if the thread has done it, or has not begun with the script, and does not any more
   */
  takeOver(scriptMs: number, hostMs: number): boolean {
    if (!this.start.await()) return false;
    const isInScript = () => Atomics.load(this.state, 0) === RUN_STATE.terminating;
    Atomics.wait(this.#words, ENDED, END.none, isInScript() ? scriptMs : hostMs);
    Atomics.wait(this.#words, ENDED, END.begun, hostMs);
    if (Atomics.load(this.#words, ENDED) === END.done) return false;
    return Atomics.exchange(this.#words, ENDED, END.takenOver) !== END.done;
  }

  /** Sets which of the process's threads runs the script: the calling one. */
  noteThread(): void {
    this.#numbers[THREAD] = Number(basename(readlinkSync("/proc/thread-self")));
  }

  /** Whether the thread that runs the script is there; true before it said which it is. */
  isThreadAlive(): boolean {
    const thread = this.#numbers[THREAD] ?? 0;
    return thread === 0 || existsSync(`/proc/self/task/${thread}`);
  }

  /** Wakes who is in {@link awaitMessage}. */
  messageSent(): void {
    Atomics.store(this.#words, MESSAGES, 1);
    Atomics.notify(this.#words, MESSAGES);
  }

  /** Blocks until a message was sent since the last call, for a while; whether one was. */
  awaitMessage(timeoutMs: number): boolean {
    Atomics.wait(this.#words, MESSAGES, 0, timeoutMs);
    return Atomics.exchange(this.#words, MESSAGES, 0) === 1;
  }

  /** Counts a note that is to be sent; false while too many are under way. */
  tryNote(): boolean {
    if (Atomics.add(this.#words, NOTES, 1) < MOST_NOTES) return true;
    this.noteArrived();
    return false;
  }

  /** How many notes were sent that did not arrive yet. */
  get notesUnderWay(): number {
    return Atomics.load(this.#words, NOTES);
  }

  noteArrived(): void {
    Atomics.sub(this.#words, NOTES, 1);
  }
}
