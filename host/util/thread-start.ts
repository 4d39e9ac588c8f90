/** On a machine that has other things to do, or is emulated. */
const START_TIMEOUT_MS = 30_000;

const STATE = { none: 0, begun: 1, done: 2, prevented: 3 } as const;

/**
 * How far a thread has come with loading its modules, in a word that it shares with the thread which started it.
 *
 * At the end of the process Node terminates threads wherever they are. One that is terminated while a native module
 * initialises takes the process down with it: what that module tells Node fails, and it answers with `abort`. So whoever
 * may end a process waits first, for as long as it takes. A thread that has loaded nothing yet may also never do so, as
 * where no more files may be opened, and nobody hears of that at the end of the process: it is kept from beginning.
 */
export class ThreadStart {
  /** @param words shared; 0 at `index` until the thread has started */
  constructor(
    private readonly words: Int32Array,
    private readonly index: number,
  ) {}

  /** Called by the thread that was started, before it loads anything; false: it must not. */
  begin(): boolean {
    return Atomics.compareExchange(this.words, this.index, STATE.none, STATE.begun) !== STATE.prevented;
  }

  /** Called by the thread that was started, or when it has ended. */
  done(): void {
    Atomics.store(this.words, this.index, STATE.done);
    Atomics.notify(this.words, this.index);
  }

  /** Whether the other thread has started, or never will. */
  get isDone(): boolean {
    return Atomics.load(this.words, this.index) >= STATE.done;
  }

  /** Blocks until the other thread has started, unless it has not begun: then it never does. False: it has not. */
  await(): boolean {
    const found = Atomics.compareExchange(this.words, this.index, STATE.none, STATE.prevented);
    if (found === STATE.begun) Atomics.wait(this.words, this.index, STATE.begun, START_TIMEOUT_MS);
    return Atomics.load(this.words, this.index) !== STATE.prevented;
  }
}

/**
 * Begins a thread. To be called before it loads what may fail, as a native module does where no more files may be opened:
 * whoever waits for the thread to have started must not wait for one that has ended.
 */
export function beginThread(start: ThreadStart): void {
  if (!start.begin()) process.exit();
  process.once("exit", () => start.done());
}
