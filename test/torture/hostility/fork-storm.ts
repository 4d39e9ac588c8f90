import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { atExit } from "../../../host/board/at-exit";

/** Forks of this process, several hundred per second. */
export interface ForkStorm {
  /** Children that were forked and reaped. */
  count(): number;
  /** Ends the storm; when this resolves, no child is left. Rejects with what the storm failed of, if it did. */
  stop(): Promise<void>;
}

/** The two numbers that both threads see. A change of the first is notified. */
export const STORM_WORD = { state: 0, forks: 1 } as const;
export const STORM_STATE = { forking: 0, stopping: 1, ended: 2 } as const;

const STOP_TIMEOUT_MS = 2000;

/**
 * Starts a thread in the current process that forks it again and again. While a child lives, the parent's pages are
 * shared with it, except those marked MADV_DONTFORK, and what the parent writes then moves to a new page.
 */
export function startForkStorm(): ForkStorm {
  const words = new Int32Array(new SharedArrayBuffer(8));
  const worker = new Worker(join(__dirname, "fork-storm-worker.js"), { workerData: words.buffer });
  let failure: Error | undefined;
  worker.on("error", (error) => {
    failure = error;
  });
  const exited = new Promise<void>((resolve) => worker.once("exit", () => resolve()));
  worker.unref();

  const end = (): void => {
    if (Atomics.compareExchange(words, STORM_WORD.state, STORM_STATE.forking, STORM_STATE.stopping) !== 0) return;
    Atomics.notify(words, STORM_WORD.state);
    // As in the board's thread: Node may not terminate it within native code.
    Atomics.wait(words, STORM_WORD.state, STORM_STATE.stopping, STOP_TIMEOUT_MS);
  };
  const cancelAtExit = atExit(end);
  return {
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
