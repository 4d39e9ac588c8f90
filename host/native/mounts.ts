import koffi from "koffi";
import { SystemCallError } from "./libc";

/**
 * Mount namespaces. What is done here holds for the calling thread and for what it becomes or starts: other threads keep
 * the namespace, root and working directory that they had. Only Node's synchronous calls run on the calling thread.
 *
 * Sources: unshare(2), mount(2), mount_namespaces(7), and the header `linux/mount.h`.
 */
const libc = koffi.load(null);

const CLONE_NEWNS = 0x20000;
const MS_BIND = 0x1000;
const MS_MOVE = 0x2000;
const MS_REC = 0x4000;
const MS_UNBINDABLE = 0x20000;
const MS_PRIVATE = 0x40000;

const rawUnshare: (flags: number) => number = libc.func("int unshare(int)");
const rawMount: (
  source: string | null,
  target: string,
  type: string | null,
  flags: number,
  options: string | null,
) => number = libc.func("int mount(const char *, const char *, const char *, unsigned long, const char *)");
const rawChroot: (path: string) => number = libc.func("int chroot(const char *)");

/**
 * Gives the calling thread a mount namespace of its own, in which nothing is shared with others: what is mounted there
 * goes with the last process that has it.
 *
 * @throws SystemCallError EPERM without CAP_SYS_ADMIN
 */
export function enterMountNamespace(): void {
  checked("unshare", rawUnshare(CLONE_NEWNS));
  checked("mount", rawMount(null, "/", null, MS_REC | MS_PRIVATE, null));
}

/** Mounts an empty file system in memory. Throws {@link SystemCallError}. */
export function mountTmpfs(target: string): void {
  checked("mount", rawMount("tmpfs", target, "tmpfs", 0, "mode=0755"));
}

/** Keeps a mount, and what is mounted below it, out of what {@link bind} takes along. Throws {@link SystemCallError}. */
export function makeUnbindable(target: string): void {
  checked("mount", rawMount(null, target, null, MS_UNBINDABLE, null));
}

/**
 * Makes a file or directory, with what is mounted below it, appear at another place too.
 *
 * @param target of the same sort, file or directory
 * @throws SystemCallError
 */
export function bind(source: string, target: string): void {
  checked("mount", rawMount(source, target, null, MS_BIND | MS_REC, null));
}

/** Makes a mount the root directory. The working directory is then the new root. Throws {@link SystemCallError}. */
export function moveToRoot(mountPoint: string): void {
  process.chdir(mountPoint);
  checked("mount", rawMount(".", "/", null, MS_MOVE, null));
  checked("chroot", rawChroot("."));
  process.chdir("/");
}

function checked(call: string, result: number): void {
  if (result !== 0) throw new SystemCallError(call, koffi.errno());
}
