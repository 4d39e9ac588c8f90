import { closeSync, openSync } from "node:fs";
import { Script } from "node:vm";
import { AxiscriptError, errnoCode, messageOf } from "../../util/errors";

/** Longest time limit: what fits into 32 bits, about 49 days. */
export const MAX_TIMEOUT_MS = 2 ** 32 - 1;

/** More than an event loop of any libuv opens. */
const TIMER_DESCRIPTORS = 8;
/** Where the function is that the next call is to be of: what `vm` runs is text. */
const CALL = Symbol.for("axiscript.interruptible-call");
const callScript = new Script(`globalThis[Symbol.for(${JSON.stringify(CALL.description)})]()`);

/**
 * Calls a function for a while, on this thread. Whatever it did until then stays done, and its `finally` blocks do not
 * run: clean up outside.
 *
 * @param timeoutMs the limit that is told
 * @param mostMs how long it may really run
 * @throws AxiscriptError ERR_AXI_TIMEOUT; ERR_AXI_IO if the limit asks for more open files than are allowed
 */
export function callWithin(body: () => void, timeoutMs: number, mostMs: number): void {
  checkDescriptors();
  const slot = globalThis as unknown as Record<symbol, unknown>;
  slot[CALL] = body;
  try {
    // It can end whatever runs: WebAssembly that spins included.
    callScript.runInThisContext({ displayErrors: false, timeout: Math.min(Math.ceil(mostMs), MAX_TIMEOUT_MS) });
  } catch (thrown) {
    throw errnoCode(thrown) === "ERR_SCRIPT_EXECUTION_TIMEOUT" ? timedOut(timeoutMs) : thrown;
  } finally {
    slot[CALL] = undefined;
  }
}

/** The error of a run that took too long. */
export function timedOut(timeoutMs: number): AxiscriptError {
  return new AxiscriptError("ERR_AXI_TIMEOUT", `The script was stopped: it ran longer than ${timeoutMs} ms.`);
}

/**
 * Node's timer has an event loop of its own, and where that gets no descriptors Node aborts the process.
 *
 * @throws AxiscriptError ERR_AXI_IO
 */
function checkDescriptors(): void {
  const opened: number[] = [];
  try {
    while (opened.length < TIMER_DESCRIPTORS) opened.push(openSync("/dev/null", "r"));
  } catch (cause) {
    throw new AxiscriptError(
      "ERR_AXI_IO",
      `Cannot limit the time of a run: ${messageOf(cause)}. The time limit needs up to ${TIMER_DESCRIPTORS} open files; raise their number (\`ulimit -n\`).`,
      { cause },
    );
  } finally {
    for (const fd of opened) closeSync(fd);
  }
}
