import { closeSync, openSync, readSync, statSync } from "node:fs";
import { join } from "node:path";
import { PATHS } from "../kernel/paths";

/** Of a line in the kernel's log, what is behind its time. */
const ABOUT_MODEL = /^\[[ \d.]+\] .*?(ERR_AXI_MODEL: .*)$/gm;

/** What a board says of its users' models in the kernel's log, in pieces. */
export class ModelErrors {
  readonly #log: string;
  #readBytes: number;

  /**
   * Errors from now on.
   *
   * @param sysroot of the board, which need not be there yet
   */
  constructor(sysroot: string) {
    this.#log = join(sysroot, PATHS.kernelLog);
    this.#readBytes = this.#lengthBytes();
  }

  /** The errors since the last call, one line each. */
  take(): string[] {
    const more = Buffer.alloc(Math.max(this.#lengthBytes() - this.#readBytes, 0));
    if (more.length === 0) return [];
    const fd = openSync(this.#log, "r");
    try {
      this.#readBytes += readSync(fd, more, 0, more.length, this.#readBytes);
    } finally {
      closeSync(fd);
    }
    return [...more.toString("utf8").matchAll(ABOUT_MODEL)].map(([, error = ""]) => error);
  }

  #lengthBytes(): number {
    try {
      return statSync(this.#log).size;
    } catch {
      return 0; // no board, or nobody's that may be looked into: who opens it says so
    }
  }
}
