import { readDirectory, seek } from "../../../native/directories";
import { FILETYPE } from "./layout";

/** A `dirent` of WASI, before the name: next cookie and inode of 64 bits, name length of 32, type. */
const DIRENT_BYTES = 24;
const NATIVE_BYTES = 32 * 1024;
/** Where the name begins in the kernel's `struct linux_dirent64`. */
const NATIVE_NAME = 19;
/** `DT_…` of dirent.h. */
const TYPES = new Map<number, number>([
  [2, FILETYPE.character],
  [4, FILETYPE.directory],
  [6, FILETYPE.block],
  [8, FILETYPE.file],
  [10, FILETYPE.link],
  [12, FILETYPE.socket],
]);

/**
 * Fills a buffer with the entries of a directory, as `fd_readdir` does: the last one is cut where the buffer ends.
 *
 * The kernel's own offsets are the cookies, so that nothing is kept between calls.
 *
 * @param fd of the directory
 * @param cookie 0, or that of an entry: what comes after it
 * @returns how many bytes were filled; less than there is room for: that was all
 */
export function listDirectory(fd: number, cookie: bigint, buffer: Uint8Array): number {
  seek(fd, cookie, 0);
  const native = Buffer.alloc(NATIVE_BYTES);
  let used = 0;
  for (;;) {
    const end = readDirectory(fd, native);
    if (end === 0) return used;
    for (let at = 0; at < end; at += native.readUInt16LE(at + 16)) {
      const entry = direntOf(native, at);
      const fitting = entry.subarray(0, buffer.length - used);
      buffer.set(fitting, used);
      used += fitting.length;
      if (used === buffer.length) return used;
    }
  }
}

function direntOf(native: Buffer, at: number): Buffer {
  const start = at + NATIVE_NAME;
  const name = native.subarray(start, native.indexOf(0, start));
  const entry = Buffer.alloc(DIRENT_BYTES + name.length);
  native.copy(entry, 0, at + 8, at + 16);
  native.copy(entry, 8, at, at + 8);
  entry.writeUInt32LE(name.length, 16);
  entry.writeUInt32LE(TYPES.get(native.readUInt8(at + 18)) ?? FILETYPE.unknown, 20);
  name.copy(entry, DIRENT_BYTES);
  return entry;
}
