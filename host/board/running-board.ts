import { readFileSync, renameSync, unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { errnoCode } from "../util/errors";
import { PATHS } from "./kernel/paths";

/** What programs should know of a board that stands by itself. Of a board that was killed it stays behind. */
export interface RunningBoard {
  /** Its process. */
  readonly pid: number;
  /** What its devices do not reach, if there is something to say. */
  readonly addressNote?: string;
}

const FILE = `${PATHS.private}/running.json`;

/** Tells programs that the board in a directory is theirs to use. */
export function announceBoard(sysroot: string, board: RunningBoard): void {
  const path = join(sysroot, FILE);
  writeFileSync(`${path}.new`, `${JSON.stringify(board)}\n`, { mode: 0o600 });
  renameSync(`${path}.new`, path);
}

/** Takes that back. To be called by the one who has locked the directory. */
export function retractBoard(sysroot: string): void {
  try {
    unlinkSync(join(sysroot, FILE));
  } catch (error) {
    if (errnoCode(error) !== "ENOENT") throw error;
  }
}

/** What was announced in a directory that somebody has locked; `undefined`: that board serves its own process alone. */
export function findRunningBoard(sysroot: string): RunningBoard | undefined {
  try {
    return JSON.parse(readFileSync(join(sysroot, FILE), "utf8")) as RunningBoard;
  } catch {
    return undefined;
  }
}
