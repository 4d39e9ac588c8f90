import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { atExit } from "../../../host/board/at-exit";
import { ThreadStart } from "../../../host/util/thread-start";

/** Forks of this process, several hundred per second. */
export interface ForkStorm {
  /** Has it rage, from when it was started or calmed. */
  begin(): void;
  /** Has it rest. */
  calm(): void;
  /** Children that were forked and reaped. */
  count(): number;
  /** Ends the storm; when this resolves, no child is left. Rejects with what the storm failed of, if it did. */
  stop(): Promise<void>;
}

/** The numbers that both threads see. A change of the state is notified. */
export const STORM_WORD = { state: 0, forks: 1, started: 2 } as const;
export const STORM_STATE = { waiting: 0, forking: 1, stopping: 2, ended: 3 } as const;

const STOP_TIMEOUT_MS = 2000;

/**
 * Starts a thread in the current process that will fork it again and again; it is ready when this returns. While a child
 * lives, the parent's pages are shared with it, except those marked MADV_DONTFORK, and what the parent writes then moves
 * to a new page.
 */
export function startForkStorm(): ForkStorm {
  const words = new Int32Array(new SharedArrayBuffer(12));
  const worker = new Worker(join(__dirname, "fork-storm-worker.js"), { workerData: words.buffer });
  let failure: Error | undefined;
  worker.on("error", (error) => {
    failure = error;
  });
  const exited = new Promise<void>((resolve) => worker.once("exit", () => resolve()));
  worker.unref();

  new ThreadStart(words, STORM_WORD.started).await();

  const change = (from: number, to: number): boolean => {
    const isChanged = Atomics.compareExchange(words, STORM_WORD.state, from, to) === from;
    Atomics.notify(words, STORM_WORD.state);
    return isChanged;
  };
  const end = (): void => {
    const { waiting, forking, stopping } = STORM_STATE;
    if (!change(forking, stopping) && !change(waiting, stopping)) return;
    // As of the board's thread: Node may not terminate it within native code.
    Atomics.wait(words, STORM_WORD.state, STORM_STATE.stopping, STOP_TIMEOUT_MS);
  };
  const cancelAtExit = atExit(end);
  return {
    begin: () => void change(STORM_STATE.waiting, STORM_STATE.forking),
    calm: () => void change(STORM_STATE.forking, STORM_STATE.waiting),
    count: () => Atomics.load(words, STORM_WORD.forks),
    stop: async () => {
      cancelAtExit();
      end();
      worker.ref();
      await exited;
      if (failure) throw failure;
    },
  };
}
