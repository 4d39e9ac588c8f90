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
 * Gives this thread a table of mounts of its own, in which a file system that it serves is not mounted: it cannot wait
 * for itself, whatever path it opens. Later changes of the system's mounts reach it all the same.
 *
 * @param directory where the file system is mounted
 * @throws SystemCallError
 */
export function hideMount(directory: string): void {
  check("unshare", rawUnshare(CLONE_NEWNS));
  check("mount /", rawMount(null, "/", null, MS_REC | MS_SLAVE, null));
  check(`umount ${directory}`, rawUnmount(directory, MNT_DETACH | UMOUNT_NOFOLLOW));
}

function check(call: string, result: number): void {
  if (result !== 0) throw new SystemCallError(call, koffi.errno());
}
