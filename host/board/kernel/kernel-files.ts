import type { Directory, Link } from "./kernel-tree";

/**
 * How the kernel side shows itself to programs: as a file system that the board serves, or as plain files. Paths are
 * relative to the sysroot.
 */
export interface KernelFiles {
  /** Makes a directory or a link appear, in one step. One that is there already stays. */
  add(path: string, node: Directory | Link): void;
  /** Makes it disappear. */
  remove(path: string): void;
  /** The names in a directory; none if it is missing. */
  entries(path: string): string[];
  /** Says that an attribute reads differently from now on. */
  changed(path: string, text: string): void;
}
