import { workerData } from "node:worker_threads";
import { ThreadStart } from "../../../host/util/thread-start";
import { forkAndExit } from "./fork-and-exit";
import { STORM_STATE, STORM_WORD } from "./fork-storm";
import { reap } from "./reap";

/** Between two forks: they hold up every page fault of the process. */
const PAUSE_MS = 2;

const words = new Int32Array(workerData as SharedArrayBuffer);
try {
  new ThreadStart(words, STORM_WORD.started).done();
  while (Atomics.load(words, STORM_WORD.state) !== STORM_STATE.stopping) {
    if (Atomics.wait(words, STORM_WORD.state, STORM_STATE.waiting) === "ok") continue;
    // A fork that fails, for want of processes or memory, is no child; the next one may succeed.
    const pid = forkAndExit();
    if (pid > 0) {
      reap(pid);
      Atomics.add(words, STORM_WORD.forks, 1);
    }
    Atomics.wait(words, STORM_WORD.state, STORM_STATE.forking, PAUSE_MS);
  }
} finally {
  Atomics.store(words, STORM_WORD.state, STORM_STATE.ended);
  Atomics.notify(words, STORM_WORD.state);
}
