import { setTimeout as sleep } from "node:timers/promises";

/** Keeps work to a share of one core: a rest is as long as the work before it asks for. */
export class Pace {
  readonly #share: number;
  #restedAt = performance.now();

  /** @param share of one core, more than 0 and at most 1 */
  constructor(share: number) {
    this.#share = share;
  }

  /** Rests for what was done since the last rest. Messages and the end of the parent are noticed here. */
  async rest(): Promise<void> {
    const workedMs = performance.now() - this.#restedAt;
    await sleep(Math.max(1, workedMs * (1 / this.#share - 1)));
    this.#restedAt = performance.now();
  }
}
