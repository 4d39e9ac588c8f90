import { monotonicMs } from "../util/clock";
import { AxiscriptError, InterruptedError } from "../util/errors";
import { recordSignals } from "../native/signals";
import { timedOut } from "../runtime/run/time-limit";
import { endAtOnceWhen } from "./end";

/** How often the program looks whether a signal has come. */
const LOOK_INTERVAL_MS = 10;

/**
 * What stops a run: SIGINT, SIGTERM and SIGHUP ask the script to end, and so does its time limit. One that does not, or a
 * signal that is sent again, ends the program with what it has.
 *
 * Signals are recorded, and not handled, to the end of the program: none must cut off what is left to be done or said.
 */
export class Stopping {
  readonly #signals = recordSignals();
  readonly #controller = new AbortController();
  readonly #givenUp: Promise<never>;
  readonly #timer: NodeJS.Timeout;
  readonly #timeoutMs: number | undefined;
  #reject: (error: unknown) => void = () => {};
  #isGivenUp = false;

  /** @param timeoutMs the script's, for the message */
  constructor(timeoutMs: number | undefined) {
    this.#timeoutMs = timeoutMs;
    this.#givenUp = new Promise((_, reject) => {
      this.#reject = reject;
    });
    this.#givenUp.catch(() => {});
    this.#timer = setInterval(() => this.#look(), LOOK_INTERVAL_MS);
    const begun = monotonicMs();
    const isLate = () => timeoutMs !== undefined && monotonicMs() - begun > timeoutMs;
    endAtOnceWhen(() => isLate() || this.#signals.arrived() !== undefined);
  }

  /** Aborts with the first signal. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Whether the script may still be running. */
  get isGivenUp(): boolean {
    return this.#isGivenUp;
  }

  /** @throws InterruptedError if a signal has come */
  check(): void {
    const signal = this.#signals.arrived();
    if (signal) throw new InterruptedError(signal);
  }

  /** Waits no longer for a script that was asked to stop. */
  giveUp(): void {
    const signal = this.#signals.arrived();
    if (!signal && this.#timeoutMs === undefined) return;
    this.#isGivenUp = true;
    this.#reject(signal ? new InterruptedError(signal) : timedOut(this.#timeoutMs ?? 0));
  }

  /**
   * What a run comes to.
   *
   * @throws InterruptedError if a signal stopped it
   */
  async orGivenUp<T>(running: Promise<T>): Promise<T> {
    try {
      return await Promise.race([running, this.#givenUp]);
    } catch (error) {
      const isAbort = error instanceof AxiscriptError && error.code === "ERR_AXI_ABORTED";
      const signal = this.#signals.arrived();
      throw isAbort && signal ? new InterruptedError(signal) : error;
    }
  }

  /** Looks no more. */
  end(): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    if (this.#signals.arrived()) this.#controller.abort();
    if (this.#signals.again()) this.giveUp();
  }
}
