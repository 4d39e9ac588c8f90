import { type BigIntStats, readFileSync } from "node:fs";

/** A process that holds a lock on a file. */
export interface FileHolder {
  readonly pid: number;
  /** As in `/proc/PID/comm`. */
  readonly command: string;
}

type FileIdentity = Pick<BigIntStats, "dev" | "ino">;

/** A file's device and inode as the kernel writes them in `/proc/locks` and `/proc/PID/maps`: `00:1b:4711`. */
export function kernelFileName({ dev, ino }: FileIdentity): string {
  const two = (value: bigint) => value.toString(16).padStart(2, "0");
  // As glibc takes a device number apart.
  const major = ((dev >> 8n) & 0xfffn) | ((dev >> 32n) & 0xfffff000n);
  const minor = (dev & 0xffn) | ((dev >> 12n) & 0xffffff00n);
  return `${two(major)}:${two(minor)}:${ino}`;
}

/**
 * Who holds a lock (flock) on a file. Source: `/proc/locks`, which names files by device and inode, and shows only the
 * processes of this one's pid namespace.
 *
 * @param identity the file's device and inode
 */
export function lockHolders(identity: FileIdentity): FileHolder[] {
  const file = kernelFileName(identity);
  const locks = readOr("/proc/locks", "").split("\n");
  const pids = locks
    .map((line) => line.split(/\s+/))
    .filter((fields) => fields[1] === "FLOCK" && fields.includes(file))
    .map((fields) => Number(fields[4]))
    .filter((pid) => pid > 0);
  return [...new Set(pids)].map((pid) => ({ pid, command: readOr(`/proc/${pid}/comm`, "?").trim() }));
}

function readOr(path: string, otherwise: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return otherwise;
  }
}
