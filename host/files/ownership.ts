import { closeSync, constants, fstatSync, lstatSync, openSync, readFileSync, readlinkSync, type Stats } from "node:fs";
import { dirname, resolve } from "node:path";

/** A file or directory that another user made or can change, where that user could do harm by it. */
export class ForeignFileError extends Error {
  override readonly name = "ForeignFileError";

  /** @param reason goes on after the path: `belongs to user 1000` */
  constructor(path: string, reason: string) {
    super(`${path} ${reason}`);
  }
}

const { O_DIRECTORY, O_NOFOLLOW, O_RDONLY } = constants;
const ROOT = 0;
const STICKY = 0o1000;
const GROUP_WRITABLE = 0o020;
const OTHERS_WRITABLE = 0o002;
/** As many links as the kernel follows. */
const MOST_LINKS = 40;

const ownUser = () => process.geteuid?.() ?? ROOT;

/**
 * Refuses a path of which another user can decide where it leads: each directory and symbolic link on the way is this
 * user's or root's, and nobody else can rename what lies in those directories.
 *
 * @param path of a file or directory that exists, or whose last name does not
 * @throws ForeignFileError
 */
export function requireTrustedPath(path: string): void {
  checkWay(resolve(path), MOST_LINKS);
}

function checkWay(path: string, links: number): void {
  const parent = dirname(path);
  if (parent !== path) checkWay(parent, links);
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (!stat) return;
  if (!isTrusted(stat.uid)) throw new ForeignFileError(path, ownedBy(stat));
  if (stat.isSymbolicLink()) {
    if (links === 0) throw new ForeignFileError(path, "is a symbolic link that leads round in a circle");
    checkWay(resolve(parent, readlinkSync(path)), links - 1);
  } else if (stat.isDirectory() && (stat.mode & STICKY) === 0 && othersMayWrite(stat)) {
    throw new ForeignFileError(path, "can be changed by other users");
  }
}

/**
 * Opens a directory that is this user's alone to change, and no symbolic link.
 *
 * @returns the descriptor
 * @throws ForeignFileError; errors of open(2)
 */
export function openOwnDirectory(path: string, name = path): number {
  const fd = openSync(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  try {
    requireOwn(fstatSync(fd), name);
    return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/** Refuses what is not this user's, or what others may write to. Throws {@link ForeignFileError}. */
export function requireOwn(stat: Stats, path: string): void {
  if (stat.uid !== ownUser()) throw new ForeignFileError(path, ownedBy(stat));
  if (!stat.isSymbolicLink() && othersMayWrite(stat)) throw new ForeignFileError(path, "can be changed by other users");
}

/** Whether what this user owns may harm this process. Root may do so anyway. */
export function isTrusted(uid: number): boolean {
  return uid === ownUser() || uid === ROOT || (uid === overflowUser() && isInUserNamespace());
}

/** The group of a user alone, as many systems give one to each, or root's. */
function othersMayWrite({ mode, gid }: Stats): boolean {
  if ((mode & OTHERS_WRITABLE) !== 0) return true;
  return (mode & GROUP_WRITABLE) !== 0 && gid !== ROOT && gid !== process.getegid?.();
}

function ownedBy({ uid }: Stats): string {
  return uid === ROOT ? "belongs to root" : `belongs to another user (user number ${uid})`;
}

/** Which user files have whose owner has no number in this namespace: there, root's too. */
function overflowUser(): number {
  return Number(readOr("/proc/sys/kernel/overflowuid", "65534"));
}

function isInUserNamespace(): boolean {
  return !/^\s*0\s+0\s+4294967295\s*$/.test(readOr("/proc/self/uid_map", "0 0 4294967295"));
}

function readOr(path: string, otherwise: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return otherwise;
  }
}
