import { closeSync, constants, ftruncateSync, openSync, renameSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { monotonicMs } from "../../util/clock";
import { messageOf } from "../../util/errors";
import { readRegularFile } from "../../files/regular-file";
import { PATHS } from "../kernel/paths";
import type { BoardRecord } from "../fabric/record";

const { O_APPEND, O_CREAT, O_NOFOLLOW, O_NONBLOCK, O_WRONLY } = constants;

/** More than any attribute has, or the log: what a program may have put in their place. */
const MOST_BYTES = 2 ** 26;

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

  /** A file's text; `undefined` if there is no such file, or something else in its place, or nobody lets us read it. */
  read(relative: string): string | undefined {
    try {
      return readRegularFile(this.path(relative), MOST_BYTES).toString("latin1");
    } catch {
      return undefined;
    }
  }

  /**
   * Replaces a file in one step. On a full disk it is overwritten, if need be in several; where that fails, too, it stays
   * as it was.
   */
  replace(relative: string, text: string): void {
    const draft = this.path(`${PATHS.private}/draft`);
    try {
      writeFileSync(draft, text, { mode: 0o644 });
      renameSync(draft, this.path(relative));
    } catch (error) {
      if (!overwrite(this.path(relative), text)) this.log(`axiscript: cannot write ${relative}: ${messageOf(error)}`);
    }
  }

  /** A line in the kernel's log. One that cannot be written is lost. */
  log(message: string): void {
    this.record?.kernel(message);
    const line = `[${(monotonicMs() / 1000).toFixed(6).padStart(12)}] ${message}\n`;
    try {
      appendLine(this.path(PATHS.kernelLog), line);
    } catch {
      // A full disk, or a program that removed the directory, is no reason for the board to end.
    }
  }
}

function appendLine(path: string, line: string): void {
  const fd = openSync(path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0o644);
  try {
    writeSync(fd, line);
  } finally {
    closeSync(fd);
  }
}

/** Writes over what a file holds, which takes no more space. False if that cannot be done. */
function overwrite(path: string, text: string): boolean {
  try {
    const fd = openSync(path, O_WRONLY | O_NOFOLLOW | O_NONBLOCK);
    try {
      writeSync(fd, text, 0);
      ftruncateSync(fd, Buffer.byteLength(text));
    } finally {
      closeSync(fd);
    }
    return true;
  } catch {
    return false;
  }
}
