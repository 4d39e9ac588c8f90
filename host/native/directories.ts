import koffi from "koffi";
import { SystemCallError } from "./libc";

/**
 * System calls for files below a directory that is open. Loaded when a script is given files, and not before.
 *
 * Sources: openat2(2), getdents64(2), statfs(2), and the headers `linux/openat2.h` and `asm-generic/fcntl.h`.
 */
const libc = koffi.load(null);

/** The same on x86-64 and arm64, as all system calls since 2019. */
const SYS_OPENAT2 = 437;
const SYS_GETDENTS64 = process.arch === "arm64" ? 61 : 217;
/** A descriptor that stands for a file without opening it. */
export const O_PATH = 0o10000000;
const O_CLOEXEC = 0o2000000;
const RESOLVE_NO_MAGICLINKS = 2;
const RESOLVE_BENEATH = 8;
const RESOLVE_IN_ROOT = 0x10;
const AT_REMOVEDIR = 0x200;
const OPEN_HOW_BYTES = 24;
const STATFS_BYTES = 120;
/** The kernel answers EAGAIN where a path with `..` was renamed in the meantime. */
const MAX_TRIES = 64;
const EAGAIN = 11;

const rawOpenAt2: (number: number, fd: number, path: string, how: Uint8Array, size: number) => number = libc.func(
  "syscall",
  "long",
  ["long", "long", "const char *", "void *", "long"],
);
const rawGetDents: (number: number, fd: number, buffer: Uint8Array, size: number) => number = libc.func(
  "syscall",
  "long",
  ["long", "long", "void *", "long"],
);
const rawUnlinkAt: (fd: number, path: string, flags: number) => number = libc.func(
  "int unlinkat(int, const char *, int)",
);
const rawMkdirAt: (fd: number, path: string, mode: number) => number = libc.func(
  "int mkdirat(int, const char *, unsigned int)",
);
const rawRenameAt: (from: number, path: string, to: number, newPath: string) => number = libc.func(
  "int renameat(int, const char *, int, const char *)",
);
const rawSeek: (fd: number, offset: bigint, whence: number) => number | bigint = libc.func(
  "int64_t lseek(int, int64_t, int)",
);
const rawClose: (fd: number) => number = libc.func("int close(int)");
const rawFileSystem: (fd: number, buffer: Uint8Array) => number = libc.func("int fstatfs(int, void *)");

/**
 * Where a descriptor is put. It is there as soon as the kernel has given it, so that whoever stops the caller at any
 * moment can still close it.
 */
export interface DescriptorSlot {
  /** -1: none. */
  fd: number;
}

/**
 * Opens a path that does not lead out of a directory: no `..`, absolute path or symbolic link does, whoever changes the
 * tree meanwhile.
 *
 * @param slot takes the descriptor
 * @param directory descriptor of the directory
 * @param mode of a file that is made
 * @throws SystemCallError EXDEV for a path that leads out, and whatever else openat2(2) says
 */
export function openBeneath(slot: DescriptorSlot, directory: number, path: string, flags: number, mode = 0): void {
  openAt(slot, directory, path, { flags, mode, resolve: RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS });
}

/**
 * Opens a file as a process whose root is a directory would: absolute symbolic links, too, lead to what is below it.
 *
 * @param directory descriptor of the directory
 * @returns the descriptor
 * @throws SystemCallError as openat2(2)
 */
export function openInRoot(directory: number, path: string, flags: number): number {
  const slot = { fd: -1 };
  openAt(slot, directory, path, { flags, mode: 0, resolve: RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS });
  return slot.fd;
}

function openAt(
  slot: DescriptorSlot,
  directory: number,
  path: string,
  { flags, mode, resolve }: { readonly flags: number; readonly mode: number; readonly resolve: number },
): void {
  const how = Buffer.alloc(OPEN_HOW_BYTES);
  how.writeBigUInt64LE(BigInt(flags | O_CLOEXEC), 0);
  how.writeBigUInt64LE(BigInt(mode), 8);
  how.writeBigUInt64LE(BigInt(resolve), 16);
  for (let tries = 0; tries < MAX_TRIES; tries++) {
    slot.fd = rawOpenAt2(SYS_OPENAT2, directory, path, how, OPEN_HOW_BYTES);
    if (slot.fd >= 0) return;
    if (koffi.errno() !== EAGAIN) break;
  }
  throw lastError("openat2");
}

/** Closes what a slot holds, if it holds something. */
export function closeSlot(slot: DescriptorSlot): void {
  // close gives 0, in one step with -1: nobody who stops the caller in between finds a descriptor that is closed.
  if (slot.fd >= 0) slot.fd = rawClose(slot.fd) - 1;
}

/** Removes a name from a directory. Throws {@link SystemCallError}. */
export function unlinkAt(directory: number, name: string, isDirectory: boolean): void {
  check("unlinkat", rawUnlinkAt(directory, name, isDirectory ? AT_REMOVEDIR : 0));
}

/** Makes a directory. Throws {@link SystemCallError}. */
export function makeDirectoryAt(directory: number, name: string, mode: number): void {
  check("mkdirat", rawMkdirAt(directory, name, mode));
}

/** Renames, and replaces what has the new name. Throws {@link SystemCallError}. */
export function renameAt(from: number, name: string, to: number, newName: string): void {
  check("renameat", rawRenameAt(from, name, to, newName));
}

/** Moves the offset of a descriptor; the new one. `whence`: 0 from the start, 1 from where it is, 2 from the end. */
export function seek(fd: number, offset: bigint, whence: number): bigint {
  const position = BigInt(rawSeek(fd, offset, whence));
  if (position < 0n) throw lastError("lseek");
  return position;
}

/** Directory entries as the kernel writes them (`struct linux_dirent64`); how many bytes, 0 at the end. */
export function readDirectory(fd: number, buffer: Uint8Array): number {
  return check("getdents64", rawGetDents(SYS_GETDENTS64, fd, buffer, buffer.length));
}

/** The kind of the file system that holds an open file: the magic number in `linux/magic.h`. */
export function fileSystemOf(fd: number): number {
  const buffer = Buffer.alloc(STATFS_BYTES);
  check("fstatfs", rawFileSystem(fd, buffer));
  return buffer.readUInt32LE(0);
}

function check(call: string, result: number): number {
  if (result < 0) throw lastError(call);
  return result;
}

function lastError(call: string): SystemCallError {
  return new SystemCallError(call, koffi.errno());
}
