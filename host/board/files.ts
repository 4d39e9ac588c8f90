import { appendFileSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { monotonicMs } from "../clock";
import { errnoCode } from "../errors";
import { PATHS } from "./paths";
import type { BoardRecord } from "./record";

/** The board's files as the kernel side writes them: readers see the old text or the new one, nothing in between. */
export class BoardFiles {
  readonly sysroot: string;
  /** Where the kernel side also tells what it does. */
  readonly record: BoardRecord | undefined;

  constructor(sysroot: string, record?: BoardRecord) {
    this.sysroot = sysroot;
    this.record = record;
  }

  path(relative: string): string {
    return join(this.sysroot, relative);
  }

  /** A file's text; `undefined` if there is no such file. */
  read(relative: string): string | undefined {
    try {
      return readFileSync(this.path(relative), "latin1");
    } catch (error) {
      if (errnoCode(error) === "ENOENT") return undefined;
      throw error;
    }
  }

  /** Replaces a file in one step. */
  replace(relative: string, text: string): void {
    const draft = this.path(`${PATHS.private}/draft`);
    writeFileSync(draft, text);
    renameSync(draft, this.path(relative));
  }

  /** A line in the kernel's log. */
  log(message: string): void {
    this.record?.kernel(message);
    appendFileSync(this.path(PATHS.kernelLog), `[${(monotonicMs() / 1000).toFixed(6).padStart(12)}] ${message}\n`);
  }
}
