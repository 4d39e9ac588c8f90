import { AxiscriptError } from "../../util/errors";
import { reserveStack } from "../module/stack-reserve";

/**
 * What a script is doing: one word that its thread shares with whoever may stop it.
 *
 * ```
 *              begin, leave              enter
 *   ┌──────┐ ───────────────▶ ┌────────┐ ─────▶ ┌──────┐
 *   │ host │                  │ script │        │ host │ …
 *   └──────┘                  └────────┘        └──────┘
 *      │ stop                      │ stop
 *      ▼                           ▼
 *   ┌───────────┐   leave    ┌─────────────┐
 *   │ stopAsked │ ─────────▶ │ terminating │   the script's next step is its last
 *   └───────────┘            └─────────────┘
 * ```
 *
 * A script is only ever cut off in its own code: a host function may hold a pin, a mapping or a descriptor that nobody
 * would know of any more.
 */
export const RUN_STATE = { script: 0, host: 1, terminating: 2, stopAsked: 3 } as const;

const STATE = 0;
/** How long a termination that was announced may take: longer than any thread waits for its core. */
const TERMINATION_MS = 1000;

/** What a script imports. */
export type HostFunction = (...args: never[]) => unknown;

/** A script ended by `proc_exit`. */
export class ScriptExit extends Error {
  override readonly name = "ScriptExit";

  constructor(readonly exitCode: number) {
    super(`the script ended with exit code ${exitCode}`);
  }
}

/**
 * Asks a script to stop, from another thread.
 *
 * @returns true if the caller must now terminate the execution of the script's thread; false if the thread does that
 *   itself, when the host function that it is in returns
 */
export function askToStop(word: Int32Array): boolean {
  for (;;) {
    const { script, host, terminating, stopAsked } = RUN_STATE;
    if (Atomics.compareExchange(word, STATE, script, terminating) === script) return true;
    if (Atomics.compareExchange(word, STATE, host, stopAsked) !== script) return false;
  }
}

/**
 * Stands between a script and the host's functions. It keeps a stop out of them, and it poisons the run: an exception
 * that leaves a host function ends the run. WebAssembly can catch exceptions, so it leaves as a trap, which it cannot
 * catch; besides, every further call fails with the first such exception, and so does the run.
 */
export class RunGuard {
  readonly #word: Int32Array;
  readonly #terminate: () => void;
  #first: { readonly thrown: unknown } | undefined;
  #refusal: () => unknown = () => undefined;

  /**
   * @param word at least one number, `host` at first
   * @param terminate ends what this thread's JavaScript is doing, uncatchably
   */
  constructor(word: Int32Array = new Int32Array([RUN_STATE.host]), terminate = () => {}) {
    this.#word = word;
    this.#terminate = terminate;
  }

  /** What ended the run while the script was in a host function; it counts, whatever the script made of it. */
  get first(): { readonly thrown: unknown } | undefined {
    const refusal = this.#first ? undefined : this.#refusal();
    if (refusal !== undefined) this.#first = { thrown: refusal };
    return this.#first;
  }

  /** @param refusal what ended the run in a function that is not wrapped; `undefined`: nothing so far */
  poisonedBy(refusal: () => unknown): void {
    this.#refusal = refusal;
  }

  /** From now on the script's own code runs. Throws if it was stopped before. */
  begin(): void {
    const { host, script } = RUN_STATE;
    if (Atomics.compareExchange(this.#word, STATE, host, script) !== host) throw stopped();
  }

  /** The script's own code runs no more; to be called however it ended, but for a termination. */
  end(): void {
    const { script, host, terminating } = RUN_STATE;
    if (Atomics.compareExchange(this.#word, STATE, script, host) !== terminating) return;
    // One that came together with the thread's own time limit was cancelled with it, and does not come any more.
    Atomics.wait(this.#word, STATE, terminating, TERMINATION_MS);
  }

  /** A host function as the script gets it. */
  wrap(body: HostFunction): HostFunction {
    return (...args) => {
      reserveStack();
      this.#enter();
      try {
        return body(...args);
      } catch (thrown) {
        throw this.#fail(thrown);
      } finally {
        this.#leave();
      }
    };
  }

  /** Notes what ends the run, and gives what is to be thrown: something that the script cannot catch. */
  #fail(thrown: unknown): unknown {
    // Loaded when something went wrong.
    const { reasonOf, uncatchable } = require("./uncatchable") as typeof import("./uncatchable");
    this.#first ??= this.first ?? { thrown: reasonOf(thrown) };
    return uncatchable(thrown);
  }

  /** Throws if a stop was asked for; for waits within a host function. */
  checkWait(): void {
    if (Atomics.load(this.#word, STATE) === RUN_STATE.stopAsked) throw stopped();
  }

  #enter(): void {
    const { first } = this;
    if (first) throw first.thrown;
    const { script, host } = RUN_STATE;
    if (Atomics.compareExchange(this.#word, STATE, script, host) !== script) this.#awaitTermination();
  }

  #leave(): void {
    const { script, host, terminating } = RUN_STATE;
    if (Atomics.compareExchange(this.#word, STATE, host, script) === host) return;
    Atomics.store(this.#word, STATE, terminating);
    this.#terminate();
    this.#awaitTermination();
  }

  /** Somebody has announced the end of this thread's execution, and it may not have come yet. */
  #awaitTermination(): never {
    for (;;) Atomics.wait(this.#word, STATE, RUN_STATE.terminating, TERMINATION_MS);
  }
}

function stopped(): AxiscriptError {
  return new AxiscriptError("ERR_AXI_ABORTED", "The script was stopped.");
}
