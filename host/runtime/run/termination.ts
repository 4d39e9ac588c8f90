import { InterruptedError } from "../../util/errors";
import { recordSignals } from "../../native/signals";

/** What {@link holdTermination} gives. */
export interface TerminationHold {
  /**
   * To be called before a run.
   *
   * @throws InterruptedError if a signal has come
   */
  check(): void;
  /** Whether one has come. */
  arrived(): boolean;
  /** Whether one has come again since, a while after the first: a person insists. */
  again(): boolean;
  /** Gives the signals their former effect. */
  release(): void;
}

/**
 * Keeps SIGINT, SIGTERM and SIGHUP from ending the process, so that a board and its files are not left behind: a run is
 * stopped by them, or does not begin. Listeners on `process` for these signals are not called meanwhile.
 *
 * @example
 * const hold = holdTermination();
 * try {
 *   const runtime = await createRuntime();
 *   hold.check();
 *   await runtime.run("script.wasm").finally(() => runtime.close());
 * } finally {
 *   hold.release();
 * }
 */
export function holdTermination(): TerminationHold {
  const recording = recordSignals();
  return {
    check: () => {
      const signal = recording.arrived();
      if (signal) throw new InterruptedError(signal);
    },
    arrived: () => recording.arrived() !== undefined,
    again: () => recording.again(),
    release: () => recording.end(),
  };
}
