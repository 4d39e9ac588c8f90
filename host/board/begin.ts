import { workerData } from "node:worker_threads";
import { beginThread, ThreadStart } from "../util/thread-start";
import { THREAD_WORDS } from "./thread-words";

beginThread(new ThreadStart(new Int32Array(workerData as SharedArrayBuffer), THREAD_WORDS.started));
