import { errnoCode, InterruptedError } from "../errors";
import { recordSignals } from "../native/signals";
import { callInScript, checkDescriptors, translateTimeout } from "./time-limit";

/**
 * Calls a function so that it can be stopped at any point, WebAssembly that spins included, on this thread.
 *
 * Whatever the function did until then stays done, and its `finally` blocks do not run: clean up outside.
 *
 * @param body what to call
 * @param timeoutMs from 1 to 2^32 - 1; absent: no limit
 * @throws AxiscriptError ERR_AXI_TIMEOUT; ERR_AXI_IO if a limit asks for more open files than are allowed
 * @throws InterruptedError after SIGINT, SIGTERM or SIGHUP
 */
export function callInterruptibly(body: () => void, timeoutMs?: number): void {
  if (timeoutMs !== undefined) checkDescriptors();
  const signals = recordSignals();
  let failure: { thrown: unknown } | undefined;
  try {
    callInScript(
      () => {
        signals.interrupt();
        const early = signals.arrived();
        if (early) throw new InterruptedError(early);
        body();
      },
      { breakOnSigint: true, ...(timeoutMs === undefined ? {} : { timeout: timeoutMs }) },
    );
  } catch (thrown) {
    failure = { thrown };
  } finally {
    // At once: from the end of V8's own handler to this, a further SIGINT ends the process.
    signals.end();
  }
  const signal = signals.arrived();
  // A SIGINT in the microseconds before interrupt() reached V8's own handler, which records nothing.
  if (!failure) return;
  const isInterrupt = errnoCode(failure.thrown) === "ERR_SCRIPT_EXECUTION_INTERRUPTED";
  throw isInterrupt ? new InterruptedError(signal ?? "SIGINT") : translateTimeout(failure.thrown, timeoutMs ?? 0);
}
