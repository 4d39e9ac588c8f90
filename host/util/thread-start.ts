/** On a machine that has other things to do, or is emulated. */
const START_TIMEOUT_MS = 30_000;

/**
 * Whether a thread has loaded its modules, in a word that it shares with the thread which started it.
 *
 * At the end of the process Node terminates threads wherever they are. One that is terminated while a native module
 * initialises takes the process down with it: what that module tells Node fails, and it answers with `abort`. So whoever
 * may end a process waits first, for as long as it takes.
 */
export class ThreadStart {
  /** @param words shared; 0 at `index` until the thread has started */
  constructor(
    private readonly words: Int32Array,
    private readonly index: number,
  ) {}

  /** Called by the thread that was started. */
  done(): void {
    Atomics.store(this.words, this.index, 1);
    Atomics.notify(this.words, this.index);
  }

  /** Whether the other thread has started. */
  get isDone(): boolean {
    return Atomics.load(this.words, this.index) !== 0;
  }

  /** Blocks until the other thread has started. */
  await(): void {
    Atomics.wait(this.words, this.index, 0, START_TIMEOUT_MS);
  }
}
