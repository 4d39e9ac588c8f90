import { readdirSync, readFileSync, statSync } from "node:fs";
import { type FileHolder, lockHolders } from "./lock-holders";

/** A process that has a file open. */
export interface FileUser extends FileHolder {
  /** Whether it has locked the file for itself, or together with others who did so. */
  readonly locked: boolean;
}

/**
 * Who has a file open, as far as this process may see that. The file itself is not opened: of a device that could have an
 * effect.
 *
 * Source: `proc(5)`, `/proc/PID/fd` and `/proc/locks`.
 */
export function usersOf(path: string): FileUser[] {
  const wanted = statSync(path, { throwIfNoEntry: false, bigint: true });
  if (!wanted) return [];
  const lockers = lockHolders(wanted).map(({ pid }) => pid);
  const openers = readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => descriptorsOf(pid).some((descriptor) => isSame(`/proc/${pid}/fd/${descriptor}`, wanted)))
    .map(Number);
  return [...new Set([...lockers, ...openers])]
    .sort((a, b) => a - b)
    .map((pid) => ({ pid, command: commandOf(pid), locked: lockers.includes(pid) }));
}

/** Empty for a process that is gone, or belongs to somebody else. */
function descriptorsOf(pid: string): string[] {
  try {
    return readdirSync(`/proc/${pid}/fd`);
  } catch {
    return [];
  }
}

function isSame(path: string, wanted: { readonly dev: bigint; readonly ino: bigint }): boolean {
  try {
    const found = statSync(path, { bigint: true });
    return found.dev === wanted.dev && found.ino === wanted.ino;
  } catch {
    return false;
  }
}

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, "utf8").trim();
  } catch {
    return "?";
  }
}
