import type { constants } from "node:os";

/**
 * The kernel's files as the board's thread holds them: directories, attributes and symbolic links, as sysfs and configfs
 * have them.
 */
export type TreeNode = Directory | Attribute | Link | DeviceNode;

/** The name of an errno, for example `EINVAL`. */
export type ErrnoName = keyof typeof constants.errno;

/** What the kernel refuses, with the errno that a program sees. */
export class KernelError extends Error {
  override readonly name = "KernelError";
  readonly code: ErrnoName;

  constructor(code: ErrnoName, message: string = code) {
    super(message);
    this.code = code;
  }
}

/**
 * What an operation does, in steps: each `yield` lets other programs have their turn. It throws {@link KernelError} for
 * what it refuses.
 */
export type Work = Generator<void, void, void>;

/** Does all of a piece of work at once. */
export function finish(work: Work): void {
  while (!work.next().done);
}

let numbers = 1;

/** What all nodes have: an inode's number and rights. */
abstract class Inode {
  /** Never used again. 1 is left to the root. */
  readonly number = ++numbers;
  readonly madeAtMs = Date.now();
  /** Without the file type. */
  mode: number;
  uid = 0;
  gid = 0;
  /** Set when it is taken out of the tree: files that are still open fail with ENODEV. */
  removed = false;

  constructor(mode: number) {
    this.mode = mode;
  }
}

/** What `mkdir` and `rmdir` do in a directory that allows them. */
export interface DirectoryHooks {
  /** Makes a directory, which is then added. Throws {@link KernelError} instead. */
  make(name: string): Directory;
  /** Called before a directory goes. Throws {@link KernelError} if it may not. */
  remove(name: string): void;
  /** Makes a file that is empty; absent: there can be none. */
  readonly makeFile?: () => Attribute;
  /** Makes a symbolic link; absent: there can be none. */
  readonly makeLink?: (target: string) => Link;
}

/** A directory; nobody can make, remove or rename anything in it but through its hooks. */
export class Directory extends Inode {
  readonly hooks: DirectoryHooks | undefined;
  readonly #entries = new Map<string, TreeNode>();

  constructor(entries: Readonly<Record<string, TreeNode>> = {}, hooks?: DirectoryHooks) {
    super(0o755);
    this.hooks = hooks;
    for (const [name, entry] of Object.entries(entries)) this.#entries.set(name, entry);
  }

  get entries(): ReadonlyMap<string, TreeNode> {
    return this.#entries;
  }

  add(name: string, entry: TreeNode): void {
    this.#entries.set(name, entry);
  }

  /** Takes an entry out, with all that is in it. Does nothing if there is none. */
  remove(name: string): void {
    const entry = this.#entries.get(name);
    this.#entries.delete(name);
    if (entry) markRemoved(entry);
  }

  /** The directory at a relative path; those that are missing are made. */
  at(path: string): Directory {
    const [name = "", ...rest] = path.split("/");
    const found = this.#entries.get(name);
    const next = found instanceof Directory ? found : new Directory();
    if (next !== found) this.add(name, next);
    return rest.length === 0 ? next : next.at(rest.join("/"));
  }
}

function markRemoved(node: TreeNode): void {
  node.removed = true;
  if (node instanceof Directory) for (const entry of node.entries.values()) markRemoved(entry);
}

/** What reading and writing an attribute does. One of the two may be missing, and then nobody may do that. */
export interface AttributeOperations {
  /** What it reads as now. */
  readonly show?: () => string | Buffer;
  /** Takes what one call of `write` wrote. What it throws, or the work does, is the error of that call. */
  readonly store?: (data: Buffer) => Work | undefined;
  /**
   * Of a binary attribute that takes effect when it is closed: all that was written, at most so many bytes, goes to
   * `store` as one.
   */
  readonly collects?: { readonly maxBytes: number; readonly isWhole: (data: Buffer) => boolean };
  /** Whether it is there to have something mounted on it: for the kernel it is the same file each time it looks. */
  readonly isPlace?: boolean;
  /** What `stat` says, bytes; that of a page if absent, as in sysfs. */
  readonly lengthBytes?: number;
}

/** An attribute: a file whose content is made when it is read, and acted upon when it is written. */
export class Attribute extends Inode {
  readonly operations: AttributeOperations;

  constructor(operations: AttributeOperations) {
    super((operations.show ? 0o444 : 0) | (operations.store ? 0o200 : 0));
    this.operations = operations;
  }

  /** An attribute that always reads the same. */
  static of(content: string | Buffer): Attribute {
    return new Attribute({
      show: () => content,
      ...(Buffer.isBuffer(content) ? { lengthBytes: content.length } : {}),
    });
  }
}

/** A device that a program has open, by the kernel's rules for it. */
export interface OpenDevice {
  /** At most so many bytes; `undefined`: whoever asks has to wait. Throws {@link KernelError}. */
  read(lengthBytes: number): Buffer | undefined;
  /** How many bytes were taken. Throws {@link KernelError}. */
  write(data: Buffer): number;
  /** What there is to be had now: bits of {@link POLL}. */
  poll(): number;
}

/** Of `poll(2)`. */
export const POLL = { in: 1, error: 8, hangUp: 16, readNormal: 64 } as const;

/** What a device is to the file system. */
export interface DeviceOperations {
  readonly lengthBytes: number;
  /** What the kernel maps in its place, and reads and writes unless {@link open} is there: see `openBacking`. */
  readonly backing: number;
  /** Called whenever it is opened. */
  readonly onOpen: (pid: number) => void;
  /** Of a device whose reads and writes are answered here. */
  readonly open?: () => OpenDevice;
  /** Has memory for a part of it. Throws an error with the errno as its code. */
  readonly allocate: (offset: number, lengthBytes: number) => void;
}

/** A device file: a piece of memory that programs map, of a size that never changes. */
export class DeviceNode extends Inode {
  readonly operations: DeviceOperations;
  /** How many open files there are of it, mappings included. */
  users = 0;

  constructor(operations: DeviceOperations) {
    super(0o600);
    this.operations = operations;
  }
}

/** A symbolic link. */
export class Link extends Inode {
  readonly target: string;

  constructor(target: string) {
    super(0o777);
    this.target = target;
  }
}
