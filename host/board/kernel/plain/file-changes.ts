import { existsSync } from "node:fs";
import { monotonicMs } from "../../../util/clock";
import { FileWatch, WATCH } from "../../../native/file-watch";
import type { BoardFiles } from "../../directory/files";

/** What programs do to plain files to ask the kernel for something. */
const ASKING = WATCH.changed | WATCH.created | WATCH.gone | WATCH.movedIn;
/** The kernel takes some 10 ms to end a watch of a directory, which is much of a short run. */
const BEGIN_AFTER_MS = 500;

/** Tells when a program has changed plain files of a board that has run for a while, if this user has watches left. */
export class FileChanges {
  readonly #files: BoardFiles;
  readonly #directories = new Set<string>();
  readonly #beginAt = monotonicMs() + BEGIN_AFTER_MS;
  #begun = false;
  #watch: FileWatch | undefined;

  constructor(files: BoardFiles) {
    this.#files = files;
    try {
      this.#watch = new FileWatch();
    } catch {
      // Whoever asks goes on looking.
    }
  }

  /** Whether changes are told. Else it is for the caller to look again and again. */
  get areTold(): boolean {
    return this.#begun && this.#watch !== undefined;
  }

  /** Tells of the entries of one more directory. */
  add(directory: string): void {
    this.#directories.add(directory);
    if (this.#begun) this.#tellOf(directory);
  }

  /** Begins to tell, if it is time. What was changed before is not told. */
  begin(): void {
    if (this.#begun || monotonicMs() < this.#beginAt) return;
    this.#begun = true;
    for (const directory of this.#directories) if (existsSync(this.#files.path(directory))) this.#tellOf(directory);
  }

  /** Readable while there are changes; -1 if nobody tells. */
  get fd(): number {
    return this.#watch?.fd ?? -1;
  }

  /** Takes notice of the changes that there are. */
  take(): void {
    this.#watch?.take(() => {});
  }

  close(): void {
    this.#watch?.close();
    this.#watch = undefined;
  }

  #tellOf(directory: string): void {
    try {
      this.#watch?.add(this.#files.path(directory), ASKING);
    } catch {
      this.close();
    }
  }
}
