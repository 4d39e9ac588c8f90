import { monotonicMs } from "../../util/clock";
import { AxiscriptError, InterruptedError, messageOf } from "../../util/errors";
import { recordSignals } from "../../native/signals";
import type { RunResult } from "./run";
import { type PlannedRun, ScriptThread } from "./script-thread";
import { timedOut } from "./time-limit";

/** The longest that Node's timers wait. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** A board on which a script would wait in vain once it has failed. */
export interface WatchedBoard {
  /** Resolves when it serves nobody any more. */
  readonly ended?: Promise<void>;
  /** Why, if it failed. */
  readonly failure?: AxiscriptError | undefined;
}

/** What ends a run from outside, and who is told what it says. */
export interface RunHooks {
  readonly signal: AbortSignal | undefined;
  readonly onNote: (message: string) => void;
  /** What the script runs on, if that may fail. */
  readonly board?: WatchedBoard | undefined;
  /** The script was asked to stop, and does not: the process is to end. Absent: it is waited for. */
  readonly onStuck?: () => void;
}

/** The threads in which one runtime runs scripts: one for each script that runs, and one that waits for the next. */
export class ScriptThreads {
  /** Threads that run a script, with what stops it. */
  readonly #busy = new Map<ScriptThread, (reason: AxiscriptError) => void>();
  /** Runs and threads that are about to end. */
  readonly #ending = new Set<Promise<unknown>>();
  #idle: ScriptThread | undefined;
  #closed = false;
  #watched: WatchedBoard | undefined;
  #boardFailure: AxiscriptError | undefined;

  /**
   * Runs a script in a thread.
   *
   * @throws AxiscriptError whatever ended the script; ERR_AXI_TIMEOUT, ERR_AXI_ABORTED, ERR_AXI_BOARD
   */
  run(job: PlannedRun, hooks: RunHooks): Promise<RunResult> {
    const run = this.#run(job, hooks);
    this.#await(run);
    return run;
  }

  /**
   * Runs a script in a thread while the calling one waits.
   *
   * @throws AxiscriptError whatever ended the script; ERR_AXI_TIMEOUT
   * @throws InterruptedError after SIGINT, SIGTERM or SIGHUP, if the calling thread is the main one
   */
  runSync(job: PlannedRun, { onNote, board }: Pick<RunHooks, "onNote" | "board">): RunResult {
    if (this.#closed) throw closed();
    const thread = this.#take();
    const signals = recordSignals();
    let reason: AxiscriptError | undefined;
    let deadline = Infinity;
    const { timeoutMs, leftMs } = job;
    const onBegin = () => {
      if (timeoutMs !== undefined) deadline = monotonicMs() + (leftMs ?? timeoutMs);
    };
    const look = () => {
      if (reason) return;
      const signal = signals.arrived();
      if (signal) reason = new InterruptedError(signal);
      else if (monotonicMs() >= deadline) reason = timedOut(timeoutMs ?? 0);
      else reason = board?.failure;
      if (reason) thread.stop();
    };
    try {
      return thread.runSync(job, { onBegin, onNote, onStuck: () => {} }, look);
    } catch (error) {
      throw stoppedFor(reason, error);
    } finally {
      signals.end();
      this.#giveBack(thread);
    }
  }

  /** Stops every script and ends every thread. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const stop of this.#busy.values()) stop(closed());
    if (this.#idle) this.#await(this.#idle.end());
    this.#idle = undefined;
    while (this.#ending.size > 0) await Promise.allSettled(this.#ending);
  }

  async #run(job: PlannedRun, { signal, onNote, board, onStuck = () => {} }: RunHooks): Promise<RunResult> {
    if (this.#closed) throw closed();
    if (this.#boardFailure) throw this.#boardFailure;
    const thread = this.#take();
    let reason: AxiscriptError | undefined;
    const stop = (why: AxiscriptError) => {
      reason ??= why;
      thread.stop();
    };
    const onAbort = () => stop(aborted(signal));
    let cancelTimer = () => {};
    const onBegin = () => {
      const { timeoutMs, leftMs } = job;
      if (timeoutMs !== undefined) cancelTimer = after(leftMs ?? timeoutMs, () => stop(timedOut(timeoutMs)));
    };
    if (board) this.#watch(board);
    this.#busy.set(thread, stop);
    signal?.addEventListener("abort", onAbort);
    try {
      return await thread.run(job, { onBegin, onNote, onStuck });
    } catch (error) {
      throw stoppedFor(reason, error);
    } finally {
      cancelTimer();
      signal?.removeEventListener("abort", onAbort);
      this.#busy.delete(thread);
      this.#giveBack(thread);
    }
  }

  /** Stops all scripts when the board fails. */
  #watch(board: WatchedBoard): void {
    if (this.#watched === board) return;
    this.#watched = board;
    void board.ended?.then(() => {
      this.#boardFailure = board.failure;
      for (const stop of this.#busy.values()) if (this.#boardFailure) stop(this.#boardFailure);
    });
  }

  #take(): ScriptThread {
    const thread = this.#idle?.alive ? this.#idle : ScriptThread.take();
    this.#idle = undefined;
    return thread;
  }

  #giveBack(thread: ScriptThread): void {
    if (!thread.alive) return;
    if (this.#closed || this.#idle) this.#await(thread.end());
    else this.#idle = thread;
  }

  #await(end: Promise<unknown>): void {
    const settled = end.catch(() => undefined).finally(() => this.#ending.delete(settled));
    this.#ending.add(settled);
  }
}

/** What ended a run that may have been stopped: what the script itself came to before goes first. */
function stoppedFor(reason: AxiscriptError | undefined, error: unknown): unknown {
  return reason && error instanceof AxiscriptError && error.code === "ERR_AXI_ABORTED" ? reason : error;
}

/** The error of a run whose AbortSignal was triggered. */
export function aborted(signal: AbortSignal | undefined): AxiscriptError {
  const reason: unknown = signal?.reason;
  return new AxiscriptError("ERR_AXI_ABORTED", `The script was stopped by its AbortSignal: ${messageOf(reason)}`, {
    cause: reason,
  });
}

function closed(): AxiscriptError {
  return new AxiscriptError("ERR_AXI_ABORTED", "The script was stopped: its runtime was closed.");
}

/** As setTimeout, for any time; gives what cancels it. */
export function after(durationMs: number, body: () => void): () => void {
  const until = monotonicMs() + durationMs;
  let timer: NodeJS.Timeout;
  const wait = () => {
    const rest = until - monotonicMs();
    if (rest <= 0) body();
    else timer = setTimeout(wait, Math.min(Math.ceil(rest), MAX_TIMER_MS));
  };
  timer = setTimeout(wait, Math.min(durationMs, MAX_TIMER_MS));
  return () => clearTimeout(timer);
}
