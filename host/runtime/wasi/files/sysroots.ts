import { lstatSync, statSync } from "node:fs";
import { PATHS } from "../../../board/kernel/paths";
import type { FileIdentity } from "../../permissions/permission";

/** In every directory that holds a virtual board, and so no name that a script may give to anything. */
export const BOARD_MARK: string = PATHS.private;

/**
 * Whether a directory holds a virtual board, whose device files are plain files, or is the given sysroot, or lies below
 * one of these. Asked of the directories above it one by one from below: to whatever place they are moved meanwhile, what
 * lies below a sysroot stays there.
 *
 * @param directory leads to an open descriptor
 * @param depth how many directories may be above it
 * @param sysroot absent: there is no sysroot but boards'
 */
export function isBelowSysroot(directory: string, depth: number, sysroot: FileIdentity | undefined): boolean {
  for (let [place, left] = [directory, depth]; left >= 0; place += "/..", left--) {
    if (holdsBoard(place)) return true;
    const { dev, ino } = statSync(place, { bigint: true });
    if (sysroot?.dev === dev && sysroot.ino === ino) return true;
  }
  return false;
}

/** Whether a virtual board lies in a directory. What may not be looked at counts as one. */
export function holdsBoard(directory: string): boolean {
  try {
    return lstatSync(`${directory}/${BOARD_MARK}`, { throwIfNoEntry: false }) !== undefined;
  } catch {
    return true;
  }
}
