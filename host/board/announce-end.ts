import { workerData } from "node:worker_threads";
import { ThreadStart } from "../util/thread-start";
import { THREAD_WORDS } from "./thread";

// Loaded before all that may fail, as a native module does where no more files may be opened: who waits for the thread to
// have started must not wait for one that has ended.
const start = new ThreadStart(new Int32Array(workerData as SharedArrayBuffer), THREAD_WORDS.started);
process.once("exit", () => start.done());
