import { blockThread, monotonicMs } from "../util/clock";

/** How long a poll spins before it sleeps, which takes some 0.1 ms: most transfers of a virtual board are done by then. */
const POLL_SPIN_MS = 0.03;
/** How often at least a poll looks before its time is up, however long the thread is held up meanwhile. */
const LEAST_ROUNDS = 10;
/** How long a poll sleeps then between two rounds of looks, and a wait for a device between two looks. */
export const POLL_SLEEP_MS = 0.05;

/** Between the rounds of a poll. */
export class PollPause {
  /** When the poll that is under way last looked, and how much time it has taken so far. */
  #lastRoundAt = 0;
  #polledMs = 0;

  /**
   * 1 when time is up. Of the time since the last round a tenth of the time-out counts at most: where this thread was held
   * up, a device that this machine imitates was too, and gets some more looks.
   *
   * @param round 0 begins a poll
   */
  pause(timeoutMs: number, round: number): number {
    const now = monotonicMs();
    if (round === 0) this.#polledMs = 0;
    else this.#polledMs += Math.min(now - this.#lastRoundAt, timeoutMs / LEAST_ROUNDS);
    this.#lastRoundAt = now;
    if (this.#polledMs >= timeoutMs) return 1;
    if (this.#polledMs >= POLL_SPIN_MS) blockThread(POLL_SLEEP_MS);
    return 0;
  }
}
