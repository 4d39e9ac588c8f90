import { Worker, type WorkerOptions } from "node:worker_threads";
import { withCause } from "./errors";

/**
 * Starts a thread.
 *
 * @throws AxiscriptError ERR_AXI_PROCESS_LIMIT, ERR_AXI_NODE_OPTIONS if the system or Node does not give this process one
 */
export function startWorker(path: string, options: WorkerOptions): Worker {
  try {
    return new Worker(path, options);
  } catch (error) {
    throw withCause(error);
  }
}
