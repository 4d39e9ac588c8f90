import { createHash } from "node:crypto";
import { closeSync, constants, fstatSync, writeSync } from "node:fs";
import { resolve } from "node:path";
import { AxiscriptError, errnoCode, messageOf } from "../../util/errors";
import { openOwnFile } from "../../files/regular-file";
import type { FileIdentity, Permission, PermissionRequest, Recorded } from "./permission";
import { valueOf } from "./refusal";

/** For its owner alone: it tells what runs on a machine. */
const MODE = 0o600;
/** Values that scripts make up are cut to this. */
const MAX_VALUE_LENGTH = 4096;
/** How many uses are remembered as recorded; after that they may be recorded again. */
const MAX_REMEMBERED = 4096;

/**
 * A record of what a script was granted and refused: one JSON object a line, appended by one write each, so that several
 * runs can share a file. A line is with the kernel before what it tells of happens; if it cannot be written, that does
 * not happen.
 */
export class Audit {
  /** The record's own file, which no script may change. */
  readonly file: FileIdentity;
  readonly #path: string;
  readonly #script: string;
  readonly #fd: number;
  readonly #recorded = new Set<string>();
  /** What was written last ends within a line. */
  #torn = false;

  /** @throws AxiscriptError ERR_AXI_IO if it cannot be opened or written */
  constructor(path: string, script: PermissionRequest["script"]) {
    this.#path = path;
    this.#script = resolve(script.path);
    try {
      const flags = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT;
      this.#fd = openOwnFile(path, flags, MODE);
    } catch (cause) {
      throw this.#failure("open", errnoCode(cause) ?? messageOf(cause), cause);
    }
    const { dev, ino } = fstatSync(this.#fd, { bigint: true });
    this.file = { dev, ino };
    try {
      this.#write("run", `sha256:${createHash("sha256").update(script.wasm).digest("hex")}`, true);
    } catch (error) {
      closeSync(this.#fd);
      throw error;
    }
  }

  /** @throws AxiscriptError ERR_AXI_IO if it cannot be written */
  record(permission: Permission, granted: boolean, recorded: Recorded): void {
    const { name } = permission;
    if (name === "fpga" && permission.files.length > 0) {
      for (const file of permission.files) this.#recordUse(name, file, granted, recorded);
    } else this.#recordUse(name, valueOf(permission), granted, recorded);
  }

  close(): void {
    closeSync(this.#fd);
  }

  #recordUse(name: Permission["name"], value: string, granted: boolean, recorded: Recorded): void {
    const shown = value.slice(0, MAX_VALUE_LENGTH);
    const key = `${granted} ${name} ${shown}`;
    if ((recorded === "first" || !granted) && this.#recorded.has(key)) return;
    this.#write(name, shown, granted);
    if (this.#recorded.size >= MAX_REMEMBERED) this.#recorded.clear();
    this.#recorded.add(key);
  }

  #write(permission: Permission["name"] | "run", value: string, granted: boolean): void {
    const entry = { time: new Date().toISOString(), script: this.#script, permission, value, granted };
    const line = Buffer.from(`${this.#torn ? "\n" : ""}${JSON.stringify(entry)}\n`);
    let written: number;
    try {
      written = writeSync(this.#fd, line);
    } catch (cause) {
      throw this.#failure("write", errnoCode(cause) ?? messageOf(cause), cause);
    }
    this.#torn = written < line.length;
    if (this.#torn) throw this.#failure("write", `only ${written} of ${line.length} bytes fitted`);
  }

  #failure(action: string, reason: string, cause?: unknown): AxiscriptError {
    return new AxiscriptError(
      "ERR_AXI_IO",
      `Cannot ${action} the audit file ${this.#path}: ${reason}. Nothing is done that cannot be recorded.`,
      { cause },
    );
  }
}
