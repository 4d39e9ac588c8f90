import { existsSync } from "node:fs";
import { threadNumber } from "./thread-number";

const FREE = 0;
/** How long to wait before asking whether the holder still lives. */
const PATIENCE_MS = 50;

function isAlive(thread: number): boolean {
  return existsSync(`/proc/self/task/${thread}`);
}

/**
 * A lock between threads of this process, in a word of memory that they share: 0, or the kernel's number of the thread
 * that holds it. A thread that dies with the lock does not keep the others waiting: what the lock guards is written so
 * that it is whole at any moment.
 */
export class SharedLock {
  readonly #word: Int32Array;

  /** @param word a single number in shared memory, 0 at first */
  constructor(word: Int32Array) {
    this.#word = word;
  }

  /** Calls `body` while no other thread is in such a call. */
  hold<T>(body: () => T): T {
    this.#take();
    try {
      return body();
    } finally {
      Atomics.store(this.#word, 0, FREE);
      Atomics.notify(this.#word, 0);
    }
  }

  #take(): void {
    const own = threadNumber();
    for (;;) {
      const holder = Atomics.compareExchange(this.#word, 0, FREE, own);
      // A script that a time limit stopped on this thread may have left the lock behind: `finally` does not run then.
      if (holder === FREE || holder === own) return;
      const timedOut = Atomics.wait(this.#word, 0, holder, PATIENCE_MS) === "timed-out";
      if (timedOut && !isAlive(holder)) Atomics.compareExchange(this.#word, 0, holder, FREE);
    }
  }
}
