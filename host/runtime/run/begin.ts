import { workerData } from "node:worker_threads";
import { beginThread, ThreadStart } from "../../util/thread-start";

/** Of the script's thread, which loads the rest of its modules after this one. */
export const threadStart = new ThreadStart(new Int32Array(workerData as SharedArrayBuffer), 0);

beginThread(threadStart);
