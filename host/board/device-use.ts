import { readdirSync } from "node:fs";
import { EVENT, FileWatch, WATCH } from "../native/file-watch";
import type { BoardFiles } from "./files";
import { PATHS } from "./paths";

/** Of a directory whose devices were there before the board, or whose events were lost. */
const UNKNOWN = Infinity;

/**
 * Whether somebody has one of the board's device files open or mapped: as long as nobody has, nobody writes to a register.
 *
 * The board itself opens device files by other names, which do not count (see {@link UioClass}).
 */
export class DeviceUse {
  #watch: FileWatch | undefined;
  /** How many were opened and not closed. */
  #opened = 0;

  constructor(files: BoardFiles) {
    const devices = files.path(PATHS.devices);
    try {
      this.#watch = new FileWatch();
      this.#watch.add(devices, WATCH.opened | WATCH.closed);
      // An earlier board's, which somebody may still have.
      if (readdirSync(devices).some((name) => name.startsWith("uio"))) this.#opened = UNKNOWN;
    } catch {
      this.close();
    }
  }

  /** Readable when a file was opened or closed; -1 if nobody tells. */
  get fd(): number {
    return this.#watch?.fd ?? -1;
  }

  /** False only if it is certain that nobody has one. */
  take(): boolean {
    this.#watch?.take(this.#count);
    return this.#opened !== 0;
  }

  readonly #count = (what: number): void => {
    if (what & EVENT.overflow) this.#opened = UNKNOWN;
    else if ((what & EVENT.ofDirectory) === 0) this.#opened += what & WATCH.opened ? 1 : -1;
  };

  close(): void {
    this.#watch?.close();
    this.#watch = undefined;
    this.#opened = UNKNOWN;
  }
}
