import { closeSync, constants, fstatSync, lstatSync, openSync, readSync, statSync, type Stats } from "node:fs";
import { dirname } from "node:path";
import { errnoCode } from "../util/errors";
import { ForeignFileError, isTrusted } from "./ownership";

const { O_NOCTTY, O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = constants;
const STICKY = 0o1000;
/** What is read at a time of a file that has grown. */
const PIECE_BYTES = 65536;

/**
 * The content of a file that a user named. Pipes and devices are refused: a read could wait for ever, or never end.
 *
 * @param mostBytes how long it may be
 * @throws Error with the reason
 */
export function readRegularFile(path: string, mostBytes: number): Buffer {
  // A pipe without a writer would let the opening wait, too.
  const fd = openSync(path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
  try {
    const stat = fstatSync(fd);
    if (stat.isDirectory()) throw new Error("it is a directory");
    if (!stat.isFile()) throw new Error("it is a pipe or a device, not a file");
    const pieces: Buffer[] = [];
    let length = 0;
    // Its size may change while it is read: what is there when its end is reached is its content.
    for (let room = stat.size + 1; length <= mostBytes; room = PIECE_BYTES) {
      const piece = Buffer.alloc(Math.min(room, mostBytes + 1 - length));
      const count = readSync(fd, piece);
      if (count === 0) return Buffer.concat(pieces);
      pieces.push(piece.subarray(0, count));
      length += count;
    }
    throw new Error(`it has more than ${mostBytes / 2 ** 20} MiB`);
  } finally {
    closeSync(fd);
  }
}

/**
 * Opens a file to be written, without waiting for the reader of a pipe. What another user may have put there to have
 * something else overwritten is refused: a symbolic link, or a further name of a file.
 *
 * @param flags of open(2). Truncating is for the caller to do, once this has returned
 * @returns the descriptor
 * @throws ForeignFileError; errors of open(2), ENXIO for a pipe that nobody reads
 */
export function openOwnFile(path: string, flags: number, mode: number): number {
  const isFollowed = isOwnLink(path);
  const fd = open(path, flags | O_NONBLOCK | (isFollowed ? 0 : O_NOFOLLOW), mode);
  try {
    if (!isFollowed) requireUnplanted(path, fstatSync(fd));
    return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

function open(path: string, flags: number, mode: number): number {
  try {
    return openSync(path, flags, mode);
  } catch (error) {
    if (errnoCode(error) === "ELOOP") throw new ForeignFileError(path, "is a symbolic link of another user");
    throw error;
  }
}

function isOwnLink(path: string): boolean {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  return stat !== undefined && stat.isSymbolicLink() && isTrusted(stat.uid);
}

/** As the kernel does where `fs.protected_regular` and `fs.protected_hardlinks` are set. */
function requireUnplanted(path: string, stat: Stats): void {
  const directory = statSync(dirname(path));
  const isShared = (directory.mode & STICKY) !== 0;
  if (!stat.isFile() || (!isShared && isTrusted(directory.uid))) return;
  if (isShared && !isTrusted(stat.uid)) throw new ForeignFileError(path, "was put there by another user");
  if (stat.nlink > 1) throw new ForeignFileError(path, "is another file, too (it has several names)");
}
