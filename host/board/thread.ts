import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { Worker } from "node:worker_threads";
import { startWorker } from "../util/start-worker";
import { monotonicMs } from "../util/clock";
import { ThreadStart } from "../util/thread-start";
import { requireWorkingDirectory } from "../util/working-directory";
import { atExit } from "./at-exit";
import type { Faults } from "./fabric/fabric";
import type { FuseKernelOptions } from "./kernel/fuse/fuse-kernel";
import type { ReachedMemory } from "./kernel/open-bus";
import { HOST_DIRECTORY } from "../util/host-directory";
import { THREAD_STATE, THREAD_WORDS } from "./thread-words";

/** What the board's thread works on. */
export interface BoardJob {
  readonly sysroot: string;
  readonly memory: ReachedMemory;
  readonly faults: Faults;
  readonly seed: number;
  /** Where the u-dma-buf begins. */
  readonly bufferAddress: number;
  /** `undefined`: the kernel's files are plain ones. */
  readonly fuse: FuseKernelOptions | undefined;
  /** Whether ports that do not snoop the processor's caches see the memory behind them. */
  readonly strictCoherency: boolean;
  /** A file for the record; `undefined`: no record. */
  readonly record: string | undefined;
  /** Modules with models of the user's own. */
  readonly models: readonly string[];
}

const START_POLL_MS = 1;
/** How long the thread may take to end, once it has started, before it is terminated. */
const STOP_TIMEOUT_MS = 2000;
/** A call of a model takes microseconds. */
const MODEL_CALL_MS = 500;

let prepared: BoardThread | undefined;

/** A thread that serves one board. */
export class BoardThread {
  readonly #words = new Int32Array(new SharedArrayBuffer(16));
  readonly #start = new ThreadStart(this.#words, THREAD_WORDS.started);
  readonly #worker: Worker;
  readonly #exited: Promise<void>;
  readonly #serving: Promise<void>;
  readonly #cancelAtExit: () => void;
  #failure: Error | undefined;

  private constructor() {
    requireWorkingDirectory();
    this.#worker = startWorker(join(HOST_DIRECTORY, "board/worker.js"), { workerData: this.#words.buffer });
    this.#worker.on("error", (error) => {
      this.#failure = error;
    });
    this.#exited = new Promise((resolve) => this.#worker.once("exit", () => resolve()));
    // A thread that the system does not let start never says that it has.
    void this.#exited.then(() => this.#start.done());
    this.#serving = new Promise((resolve) => this.#worker.once("message", () => resolve()));
    // A program that forgets its board can still end.
    this.#worker.unref();
    this.#cancelAtExit = atExit(() => this.#end());
  }

  /** Starts a thread ahead of time: it takes some 40 ms until it can serve, in parallel to whatever comes first. */
  static prepare(): void {
    prepared ??= new BoardThread();
  }

  /** The thread that was prepared, or a new one. */
  static take(): BoardThread {
    const thread = prepared ?? new BoardThread();
    prepared = undefined;
    return thread;
  }

  /** Lets the thread serve a board. */
  serve(job: BoardJob): void {
    this.#worker.postMessage(job);
    this.#change(THREAD_STATE.serving);
  }

  /** Resolves when the thread serves its board, or has ended. The program does not end by itself from now on. */
  async whenServing(): Promise<void> {
    this.#worker.ref();
    await Promise.race([this.#serving, this.#exited]);
  }

  /**
   * The model, as a number in the job's list, in which the thread is stuck. Waits as long as a call may take if one is
   * under way.
   */
  hangingModel(): number | undefined {
    const read = (word: number) => Atomics.load(this.#words, word);
    const calls = read(THREAD_WORDS.modelCalls);
    const model = read(THREAD_WORDS.model);
    const deadline = monotonicMs() + MODEL_CALL_MS;
    while (model !== 0 && monotonicMs() < deadline) {
      if (read(THREAD_WORDS.model) !== model || read(THREAD_WORDS.modelCalls) !== calls) return undefined;
      // Nobody notifies it.
      Atomics.wait(this.#words, THREAD_WORDS.modelCalls, calls, 1);
    }
    return model === 0 ? undefined : model - 1;
  }

  /** What it failed of, if it did, as far as this thread has heard of it. */
  get failure(): Error | undefined {
    return this.#failure ?? (this.#state === THREAD_STATE.failed ? new Error("its thread ended") : undefined);
  }

  /** Resolves when the thread has ended, whatever the reason. */
  get exited(): Promise<void> {
    return this.#exited;
  }

  /** Ends the thread's work: when this resolves it touches nothing any more. Returns what it failed of, if it did. */
  async stop(): Promise<Error | undefined> {
    this.#cancelAtExit();
    // The event loop alone hears of a thread that ended instead.
    while (!this.#start.isDone) await delay(START_POLL_MS);
    this.#end();
    if (this.#state === THREAD_STATE.ended) return undefined;
    this.#worker.ref();
    const deadline = setTimeout(() => void this.#worker.terminate(), STOP_TIMEOUT_MS);
    await this.#exited;
    clearTimeout(deadline);
    return this.#failure;
  }

  get #state(): number {
    return Atomics.load(this.#words, THREAD_WORDS.state);
  }

  /** Waits, for a millisecond as a rule, until the thread has left its work. At the end of the process, too. */
  #end(): void {
    if (this.#state >= THREAD_STATE.ended) return;
    this.#change(THREAD_STATE.stopping);
    if (!this.#start.await()) return;
    Atomics.wait(this.#words, THREAD_WORDS.state, THREAD_STATE.stopping, STOP_TIMEOUT_MS);
  }

  #change(state: number): void {
    Atomics.store(this.#words, THREAD_WORDS.state, state);
    Atomics.notify(this.#words, THREAD_WORDS.state);
  }
}
