import {
  CHUNK_ENTRIES,
  ENTRIES_OFFSET,
  NEXT_OFFSET,
  NO_RUN,
  PAGE_OFFSET,
  pageRunsModule,
  RUN_BYTES,
  RUNS_OFFSET,
} from "./page-runs-module";

const WORD_BYTES = 4;

/** 32-bit words of a run. */
export const RUN_WORDS = RUN_BYTES / WORD_BYTES;

interface Exports {
  readonly memory: WebAssembly.Memory;
  readonly append: (count: number, page: number) => number;
}

let compiled: WebAssembly.Module | undefined;

/**
 * Pages that follow each other in virtual memory, as runs of pages that also follow each other in physical memory.
 *
 * ```
 *   word  0             1              2
 *         ┌─────────────┬──────────────┬───────────────┐
 *         │ first page  │ frame, 31:0  │ frame, 54:32  │   first page: counted from the beginning of the first run
 *         └─────────────┴──────────────┴───────────────┘   frame: of that page
 * ```
 *
 * A run ends where the next one begins; the last one, at {@link PageRuns.pageCount}. Integer words keep all 55 bits of a
 * page frame number, which a double does not.
 */
export class PageRuns {
  readonly #append: Exports["append"];
  readonly #next: BigInt64Array;
  /** The module's memory. */
  readonly #memory: Uint32Array;
  #words = new Uint32Array(0);
  #usedWords = 0;
  #pageCount = 0;

  /** Where the pagemap's entries are to be put, low half first. */
  readonly entries: Int32Array;

  constructor() {
    compiled ??= new WebAssembly.Module(pageRunsModule());
    const { append, memory } = new WebAssembly.Instance(compiled, {}).exports as unknown as Exports;
    this.#append = append;
    this.#next = new BigInt64Array(memory.buffer, NEXT_OFFSET, 1);
    this.#memory = new Uint32Array(memory.buffer);
    this.entries = new Int32Array(memory.buffer, ENTRIES_OFFSET, CHUNK_ENTRIES * 2);
    this.clear();
  }

  get pageCount(): number {
    return this.#pageCount;
  }

  /** Forgets all runs, and keeps the room that they took. */
  clear(): void {
    this.#usedWords = this.#pageCount = 0;
    this.#next[0] = NO_RUN;
  }

  /**
   * Adds pages, up to the first whose entry shows no frame: not present, or hidden.
   *
   * @param count how many of {@link PageRuns.entries} to add
   * @returns how many were added
   */
  append(count: number): number {
    const end = this.#append(count, this.#pageCount) / WORD_BYTES;
    const runs = this.#memory.subarray(RUNS_OFFSET / WORD_BYTES, end);
    this.#reserve(this.#usedWords + runs.length);
    this.#words.set(runs, this.#usedWords);
    this.#usedWords += runs.length;
    const before = this.#pageCount;
    this.#pageCount = this.#memory[PAGE_OFFSET / WORD_BYTES] ?? 0;
    return this.#pageCount - before;
  }

  /** Whether an entry says that its page is in memory. */
  isPresent(index: number): boolean {
    return (this.entries[2 * index + 1] ?? 0) < 0;
  }

  /** The words of all runs, in an array of their own. */
  toWords(): Uint32Array {
    return this.#words.slice(0, this.#usedWords);
  }

  /**
   * The first page whose frame is not what other runs say of it.
   *
   * @param words what {@link PageRuns.toWords} gave
   * @param pageCount how many pages those runs hold
   * @returns the number of the page; `undefined` if all pages are the same
   */
  firstDifference(words: Uint32Array, pageCount: number): number | undefined {
    const found = this.#words.subarray(0, this.#usedWords);
    // Half the time of a loop here, and the usual case.
    if (pageCount === this.#pageCount && Buffer.compare(bytesOf(words), bytesOf(found)) === 0) return undefined;
    const common = Math.min(words.length, found.length);
    let at = 0;
    while (at < common && words[at] === found[at]) at++;
    // Where only one of them begins a run, the other goes on, which is a difference as well.
    const run = at - (at % RUN_WORDS);
    return Math.min(found[run] ?? this.#pageCount, words[run] ?? pageCount);
  }

  #reserve(wordCount: number): void {
    if (wordCount <= this.#words.length) return;
    const words = new Uint32Array(Math.max(wordCount, 2 * this.#words.length));
    words.set(this.#words.subarray(0, this.#usedWords));
    this.#words = words;
  }
}

function bytesOf({ buffer, byteOffset, byteLength }: Uint32Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}
