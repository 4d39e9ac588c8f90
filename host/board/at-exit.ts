import { isMainThread } from "node:worker_threads";
import { isIgnored, TERMINATION_SIGNALS, whenNotRecorded } from "../native/signals";

/** With each, whether it is worth while when a signal ends the process, too. */
const cleanups = new Map<() => void, boolean>();

/**
 * Has something done when the process ends without having done it. One listener serves all: Node warns of more than ten.
 *
 * @param atSignals also when one of the termination signals ends it, for which nothing else in the program listens: what
 *   would be left behind else is more than the process
 * @returns a function that takes the request back
 */
export function atExit(cleanup: () => void, { atSignals = false } = {}): () => void {
  if (cleanups.size === 0) process.once("exit", cleanUp);
  cleanups.set(cleanup, atSignals);
  if (atSignals) whenNotRecorded(listen);
  return () => {
    cleanups.delete(cleanup);
    if (cleanups.size === 0) process.off("exit", cleanUp);
    if (atSignals) whenNotRecorded(listen);
  };
}

function cleanUp(): void {
  const due = [...cleanups.keys()];
  cleanups.clear();
  for (const cleanup of due) cleanup();
}

/** Signals end the first process of a container only if it asks for them. */
const FIRST_PROCESS = 1;

/** Listens for signals as long as there is something to do. Node tells them to the main thread alone. */
function listen(): void {
  if (!isMainThread || process.pid === FIRST_PROCESS) return;
  const isNeeded = [...cleanups.values()].includes(true);
  for (const name of TERMINATION_SIGNALS) {
    const isListening = process.listeners(name).includes(endBySignal);
    if (!isNeeded) process.off(name, endBySignal);
    // First, to see the others: one that listens once is gone when it is called.
    else if (!isListening && !isIgnored(name)) process.prependListener(name, endBySignal);
  }
}

/** Ends the process as the signal would have without a listener. What the program does itself is left to it. */
function endBySignal(name: NodeJS.Signals): void {
  if (process.listenerCount(name) > 1) return;
  for (const each of TERMINATION_SIGNALS) process.off(each, endBySignal);
  cleanUp();
  process.kill(process.pid, name);
}
