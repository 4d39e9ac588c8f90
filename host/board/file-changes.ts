import { FileWatch, WATCH } from "../native/file-watch";
import type { BoardFiles } from "./files";

/** What programs do to plain files to ask the kernel for something. */
const ASKING = WATCH.changed | WATCH.created | WATCH.gone | WATCH.movedIn;

/** Tells when a program has changed plain files of the board, where the kernel has watches left for this user. */
export class FileChanges {
  readonly #files: BoardFiles;
  #watch: FileWatch | undefined;

  constructor(files: BoardFiles) {
    this.#files = files;
    try {
      this.#watch = new FileWatch();
    } catch {
      // Whoever asks looks for himself.
    }
  }

  /** Whether changes are told. Else it is for the caller to look again and again. */
  get areTold(): boolean {
    return this.#watch !== undefined;
  }

  /** Tells of the entries of one more directory, from now on. */
  add(directory: string): void {
    try {
      this.#watch?.add(this.#files.path(directory), ASKING);
    } catch {
      this.close();
    }
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
}
