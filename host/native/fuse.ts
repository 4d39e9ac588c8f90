import koffi from "koffi";
import { readFileSync } from "node:fs";
import { closeDescriptor, SystemCallError } from "./libc";

/**
 * Mounting a file system that this process serves. Loaded for boards that have one, and not before.
 *
 * Sources: fuse(4), mount(2), umount2(2), unshare(2), and the headers `linux/mount.h`, `linux/sched.h`.
 */
const libc = koffi.load(null);

const O_RDWR = 2;
const O_NONBLOCK = 0o4000;
const O_CLOEXEC = 0o2000000;
const MS_NOSUID = 2;
const MS_NODEV = 4;
const MS_NOEXEC = 8;
const MS_REC = 0x4000;
const MS_SLAVE = 1 << 19;
const MNT_DETACH = 2;
const UMOUNT_NOFOLLOW = 8;
const CLONE_NEWNS = 0x20000;

/** `linux/fuse.h`: _IOW(229, 1, struct fuse_backing_map) and _IOW(229, 2, uint32_t) */
const FUSE_DEV_IOC_BACKING_OPEN = 0x4010e501;
const FUSE_DEV_IOC_BACKING_CLOSE = 0x4004e502;

/** The type that the table of mounts shows. */
const FILE_SYSTEM = "fuse.axiscript";

const rawOpen: (path: string, flags: number) => number = libc.func("int open(const char *, int)");
const rawMount: (
  source: string | null,
  target: string,
  type: string | null,
  flags: number,
  options: string | null,
) => number = libc.func("int mount(const char *, const char *, const char *, unsigned long, const char *)");
const rawUnmount: (target: string, flags: number) => number = libc.func("int umount2(const char *, int)");
const rawIoctl: (fd: number, request: number, argument: Uint8Array) => number = libc.func(
  "int ioctl(int, unsigned long, void *)",
);
const rawUnshare: (flags: number) => number = libc.func("int unshare(int)");

/**
 * Mounts a file system over a directory. Whoever reads and writes the descriptor serves it; what programs ask for
 * meanwhile waits. Everybody may use it, with the rights that its files have.
 *
 * @returns the descriptor, which does not block; {@link closeDescriptor} ends the file system
 * @throws SystemCallError for example ENOENT without FUSE, EACCES or EPERM without the right
 */
export function mountFuse(directory: string): number {
  const fd = rawOpen("/dev/fuse", O_RDWR | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) throw new SystemCallError("open /dev/fuse", koffi.errno());
  const user = `user_id=${process.getuid?.() ?? 0},group_id=${process.getgid?.() ?? 0}`;
  const options = `fd=${fd},rootmode=40000,${user},allow_other,default_permissions`;
  if (rawMount("axiscript", directory, FILE_SYSTEM, MS_NOSUID | MS_NODEV | MS_NOEXEC, options) === 0) return fd;
  const error = new SystemCallError(`mount ${directory}`, koffi.errno());
  closeDescriptor(fd);
  throw error;
}

/**
 * Where file systems of {@link mountFuse} are mounted below a directory, whether they are still served or not, by their
 * paths from there. The last one that was mounted comes first.
 *
 * @param directory an absolute path without symbolic links, as the table of mounts has it
 */
export function mountsBelow(directory: string): string[] {
  const mounted = readFileSync("/proc/self/mountinfo", "utf8").split("\n").reverse();
  return mounted
    .filter((line) => line.includes(` - ${FILE_SYSTEM} `))
    .map((line) => line.split(" ")[4] ?? "")
    .map((target) =>
      target.replace(/\\([0-7]{3})/g, (_, code: string) => String.fromCharCode(Number.parseInt(code, 8))),
    )
    .filter((path) => path.startsWith(`${directory}/`))
    .map((path) => path.slice(directory.length + 1));
}

/**
 * Unmounts every file system of {@link mountFuse} below a directory. Files that programs have open stay theirs.
 *
 * @param directory as {@link mountsBelow}
 * @param through another path of the same directory to reach them by: that of an open descriptor, which leads nowhere
 *   else if the directory is replaced meanwhile
 * @throws SystemCallError
 */
export function unmountBelow(directory: string, through = directory): void {
  for (const path of mountsBelow(directory)) {
    check(`umount ${path}`, rawUnmount(`${through}/${path}`, MNT_DETACH | UMOUNT_NOFOLLOW));
  }
}

/**
 * Gives this thread a table of mounts of its own, in which file systems that it serves are not mounted: it cannot wait
 * for itself, whatever path it opens. Later changes of the system's mounts reach it all the same.
 *
 * @param directories where the file systems are mounted
 * @throws SystemCallError
 */
export function hideMounts(directories: readonly string[]): void {
  check("unshare", rawUnshare(CLONE_NEWNS));
  check("mount /", rawMount(null, "/", null, MS_REC | MS_SLAVE, null));
  for (const directory of directories) {
    check(`umount ${directory}`, rawUnmount(directory, MNT_DETACH | UMOUNT_NOFOLLOW));
  }
}

/** Unmounts one file system of {@link mountFuse}. Throws {@link SystemCallError}. */
export function unmountFuse(directory: string): void {
  check(`umount ${directory}`, rawUnmount(directory, MNT_DETACH | UMOUNT_NOFOLLOW));
}

/**
 * The number of the device that a mounted file system is to the kernel, as `/proc/PID/maps` shows it: `00:28`.
 *
 * @param directory an absolute path without symbolic links
 * @throws RangeError if nothing is mounted there
 */
export function deviceNumberOf(directory: string): string {
  const mounts = readFileSync("/proc/self/mountinfo", "utf8").split("\n");
  const [, , number = ""] =
    mounts.map((line) => line.split(" ")).findLast(([, , , , at]) => at === escaped(directory)) ?? [];
  if (number === "") throw new RangeError(`nothing is mounted at ${directory}`);
  return number
    .split(":")
    .map((part) => Number(part).toString(16).padStart(2, "0"))
    .join(":");
}

/** As the table of mounts has a path. */
function escaped(path: string): string {
  return path.replace(/[ \t\n\\]/g, (character) => `\\${character.charCodeAt(0).toString(8).padStart(3, "0")}`);
}

/**
 * Lets the kernel map one file in place of another, of a file system of {@link mountFuse} (Linux 6.9).
 *
 * @param fd the file system's
 * @param backing open for reading and writing
 * @returns what the answer to an `open` names it by
 * @throws SystemCallError
 */
export function openBacking(fd: number, backing: number): number {
  // struct fuse_backing_map: fd, flags, padding of 64 bits
  const map = new Int32Array([backing, 0, 0, 0]);
  const id = rawIoctl(fd, FUSE_DEV_IOC_BACKING_OPEN, new Uint8Array(map.buffer));
  if (id <= 0) throw new SystemCallError("FUSE_DEV_IOC_BACKING_OPEN", koffi.errno());
  return id;
}

/** Takes that back, for what is opened from now on. */
export function closeBacking(fd: number, id: number): void {
  rawIoctl(fd, FUSE_DEV_IOC_BACKING_CLOSE, new Uint8Array(new Int32Array([id]).buffer));
}

function check(call: string, result: number): void {
  if (result !== 0) throw new SystemCallError(call, koffi.errno());
}
