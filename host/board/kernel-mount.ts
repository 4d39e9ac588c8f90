import { existsSync, realpathSync, renameSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import { makeDirectories } from "../files/own-directories";
import { removeTree } from "../files/remove";
import { mountFuse, unmountBelow } from "../native/fuse";
import { SystemCallError } from "../native/libc";
import { PATHS } from "./paths";
import { buildTreeBesideMount } from "./tree";

/** What came of mounting a board's file system: all of it, or a note. */
export interface KernelMount {
  /** Who serves it, by this descriptor, closes it at the end. */
  readonly fd?: number;
  readonly unmount?: () => void;
  /** Why there is none. */
  readonly note?: string;
}

/**
 * Mounts the file system for the kernel's files at `sys`, and lays out the plain files beside it. Where that cannot be
 * done everything is left as it is.
 *
 * @param sysroot a directory that this board has locked
 */
export function mountKernelFiles(sysroot: string): KernelMount {
  const directory = realpathSync(sysroot);
  const mountPoint = join(directory, "sys");
  const before = join(directory, PATHS.private, "plain-sys");
  removeTree(before);
  if (existsSync(mountPoint)) renameSync(mountPoint, before);
  makeDirectories(mountPoint);
  let fd: number;
  try {
    fd = mountFuse(mountPoint);
  } catch (error) {
    if (!(error instanceof SystemCallError)) throw error;
    rmdirSync(mountPoint);
    if (existsSync(before)) renameSync(before, mountPoint);
    return {
      note:
        `the kernel's files are plain ones, since no file system can be mounted here (${error.message}): what a ` +
        "program asks for takes effect a moment later, and it is not told of errors",
    };
  }
  removeTree(before);
  buildTreeBesideMount(directory);
  return { fd, unmount: () => unmountBelow(directory) };
}
