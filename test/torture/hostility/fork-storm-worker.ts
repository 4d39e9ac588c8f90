import { workerData } from "node:worker_threads";
import { forkAndExit } from "./fork-and-exit";
import { STORM_STATE, STORM_WORD } from "./fork-storm";
import { reap } from "./reap";

/**
 * At least, between two forks: they hold up every page fault of the process. Where a fork takes longer, as in an emulator,
 * the pause is as long, else there would be nothing but forks.
 */
const PAUSE_MS = 2;

const words = new Int32Array(workerData as SharedArrayBuffer);
try {
  while (Atomics.load(words, STORM_WORD.state) === STORM_STATE.forking) {
    const started = performance.now();
    // A fork that fails, for want of processes or memory, is no child; the next one may succeed.
    const pid = forkAndExit();
    if (pid > 0) {
      reap(pid);
      Atomics.add(words, STORM_WORD.forks, 1);
    }
    const pauseMs = Math.max(PAUSE_MS, performance.now() - started);
    Atomics.wait(words, STORM_WORD.state, STORM_STATE.forking, pauseMs);
  }
} finally {
  Atomics.store(words, STORM_WORD.state, STORM_STATE.ended);
  Atomics.notify(words, STORM_WORD.state);
}
