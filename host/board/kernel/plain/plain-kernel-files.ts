import { lstatSync, readdirSync, renameSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { makeDirectories } from "../../../files/own-directories";
import { removeTree } from "../../../files/remove";
import type { BoardFiles } from "../../directory/files";
import type { KernelFiles } from "../kernel-files";
import { Attribute, Directory, Link, type TreeNode } from "../kernel-tree";
import { noteMade } from "../../directory/made-files";
import { PATHS } from "../paths";

/** The kernel's files as plain ones, which say what is so when they were last written. */
export class PlainKernelFiles implements KernelFiles {
  readonly #files: BoardFiles;

  constructor(files: BoardFiles) {
    this.#files = files;
  }

  /** Written aside and moved into place as one. */
  add(path: string, node: Directory | Link): void {
    const target = this.#files.path(path);
    if (lstatSync(target, { throwIfNoEntry: false })) return;
    const draft = this.#files.path(`${PATHS.private}/draft-node`);
    removeTree(draft);
    write(draft, node);
    noteMade(this.#files.sysroot, path);
    renameSync(draft, target);
  }

  remove(path: string): void {
    removeTree(this.#files.path(path));
  }

  entries(path: string): string[] {
    const directory = this.#files.path(path);
    return lstatSync(directory, { throwIfNoEntry: false }) ? readdirSync(directory) : [];
  }

  changed(path: string, text: string): void {
    this.#files.replace(path, text);
  }
}

function write(path: string, node: TreeNode): void {
  if (node instanceof Link) symlinkSync(node.target, path);
  else if (node instanceof Attribute) writeFileSync(path, node.operations.show?.() ?? "", { mode: 0o644 });
  else if (node instanceof Directory) {
    makeDirectories(path);
    for (const [name, entry] of node.entries) write(join(path, name), entry);
  }
}
