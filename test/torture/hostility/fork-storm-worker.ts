import { workerData } from "node:worker_threads";
import { ThreadStart } from "../../../host/thread-start";
import { forkAndExit } from "./fork-and-exit";
import { STORM_STATE, STORM_WORD } from "./fork-storm";
import { reap } from "./reap";

/**
 * Between two forks, and at least half as long as a fork took: they hold up every page fault of the process, and where
 * they take long, in an emulated computer, hardly anything else would happen.
 */
const PAUSE_MS = 2;

const words = new Int32Array(workerData as SharedArrayBuffer);
try {
  new ThreadStart(words, STORM_WORD.started).done();
  while (Atomics.load(words, STORM_WORD.state) !== STORM_STATE.stopping) {
    if (Atomics.wait(words, STORM_WORD.state, STORM_STATE.waiting) === "ok") continue;
    const startedAt = performance.now();
    // A fork that fails, for want of processes or memory, is no child; the next one may succeed.
    const pid = forkAndExit();
    if (pid > 0) {
      reap(pid);
      Atomics.add(words, STORM_WORD.forks, 1);
    }
    const pauseMs = Math.max(PAUSE_MS, (performance.now() - startedAt) / 2);
    Atomics.wait(words, STORM_WORD.state, STORM_STATE.forking, pauseMs);
  }
} finally {
  Atomics.store(words, STORM_WORD.state, STORM_STATE.ended);
  Atomics.notify(words, STORM_WORD.state);
}
