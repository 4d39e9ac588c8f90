import { posix } from "node:path";
import type { KernelFiles } from "../kernel-files";
import { Directory, type Link } from "../kernel-tree";

const MOUNT = "sys/";

/** The kernel's files as a tree that a file system shows, mounted at `sys`: what is so now is read when it is asked for. */
export class FuseKernelFiles implements KernelFiles {
  readonly root = new Directory();

  add(path: string, node: Directory | Link): void {
    this.#parentOf(path).add(posix.basename(path), node);
  }

  remove(path: string): void {
    this.#parentOf(path).remove(posix.basename(path));
  }

  entries(path: string): string[] {
    const entry = this.#parentOf(path).entries.get(posix.basename(path));
    return entry instanceof Directory ? [...entry.entries.keys()] : [];
  }

  changed(): void {
    // An attribute's content is made when it is read.
  }

  #parentOf(path: string): Directory {
    if (!path.startsWith(MOUNT)) throw new RangeError(`${path} does not lie below ${MOUNT}`);
    return this.root.at(posix.dirname(path).slice(MOUNT.length));
  }
}
