import koffi from "koffi";
import { SystemCallError } from "./libc";

/**
 * Which file a path leads to, without asking its file system: one that this very thread serves could not answer. Source:
 * statx(2).
 */
const libc = koffi.load(null);

const AT_FDCWD = -100;
const AT_STATX_DONT_SYNC = 0x4000;
const STATX_INO = 0x100;
/** struct statx: the inode in 64 bits, and where the device's two numbers are */
const STATX = { bytes: 256, inode: 32, major: 136, minor: 140 } as const;

const rawStatx: (directory: number, path: string, flags: number, mask: number, buffer: Uint8Array) => number =
  libc.func("int statx(int, const char *, int, unsigned int, void *)");
const buffer = Buffer.alloc(STATX.bytes);

/**
 * A file's device and inode as the kernel writes them in `/proc/PID/maps`: `00:1b:4711`.
 *
 * @throws SystemCallError
 */
export function fileIdentity(path: string): string {
  if (rawStatx(AT_FDCWD, path, AT_STATX_DONT_SYNC, STATX_INO, buffer) !== 0) {
    throw new SystemCallError(`statx ${path}`, koffi.errno());
  }
  const two = (offset: number) => buffer.readUInt32LE(offset).toString(16).padStart(2, "0");
  return `${two(STATX.major)}:${two(STATX.minor)}:${buffer.readBigUInt64LE(STATX.inode)}`;
}
