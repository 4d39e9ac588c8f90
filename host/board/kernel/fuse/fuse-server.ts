import { readSync, writeSync } from "node:fs";
import { constants } from "node:os";
import { errnoCode } from "../../../util/errors";
import { waitReadableBriefly } from "../../../native/libc";
import {
  decodeBatchForget,
  decodeForget,
  decodeHandle,
  decodeInterrupt,
  decodeMkdir,
  decodeMknod,
  decodeOpen,
  decodeRead,
  decodeRequest,
  decodeSetattr,
  decodeSize,
  decodeSymlink,
  decodeWrite,
  encodeAttributes,
  encodeEntries,
  encodeEntry,
  encodeError,
  encodeInit,
  encodeOpen,
  encodeReply,
  encodeStatfs,
  encodeWritten,
  type FuseRequest,
  MAX_REQUEST_BYTES,
  nameIn,
  OPCODE,
  ROOT_ID,
} from "./fuse-protocol";
import { FuseDevices } from "./fuse-devices";
import {
  Attribute,
  DeviceNode,
  Directory,
  type ErrnoName,
  KernelError,
  Link,
  type TreeNode,
  type Work,
} from "../kernel-tree";
import { OpenAttribute } from "../open-attribute";

/** What a request comes to: a reply, a reply once some work is done, or nothing, for those that have none. */
type Outcome = Buffer | { readonly work: Work; readonly reply: Buffer } | undefined;

const MAX_AT_A_TIME = 32;
/**
 * After this the kernel gives the file system up. Else a thread of this very process that waits for an answer while the
 * process is killed would keep it alive, and itself waiting, for ever.
 */
const ANSWER_TIMEOUT_S = 60;
const DONE = Buffer.alloc(0);
/** Numbers for nodes that get another one at each look-up; below are those of the nodes themselves. */
const FIRST_PASSING_ID = 2 ** 40;

/** What sysfs and configfs answer to what they do not have; ENOSYS, in place of which the kernel has something, else. */
const REFUSALS: ReadonlyMap<number, ErrnoName> = new Map([
  [OPCODE.create, "EACCES"],
  [OPCODE.ioctl, "ENOTTY"],
  [OPCODE.tmpfile, "EOPNOTSUPP"],
  ...[OPCODE.symlink, OPCODE.mknod, OPCODE.unlink, OPCODE.rename, OPCODE.rename2, OPCODE.link].map(
    (opcode): [number, ErrnoName] => [opcode, "EPERM"],
  ),
]);

/** Serves a tree as a file system. Nothing is cached: what a program sees is what the tree says at that moment. */
export class FuseServer {
  readonly #log: (message: string) => void;
  /** -1 once the file system is unmounted, and there is nothing to wait for. */
  #fd: number;
  readonly #longestWorkMs: number;
  readonly #message = Buffer.alloc(MAX_REQUEST_BYTES);
  /** Nodes that the kernel knows, and how often it looked them up. */
  readonly #nodes = new Map<number, { readonly node: TreeNode; lookups: number }>();
  readonly #files = new Map<number, OpenAttribute>();
  readonly #devices = new FuseDevices((message) => this.#send(message));
  readonly #directories = new Map<number, readonly [string, TreeNode][]>();
  #lastHandle = 0;
  #lastPassingId = FIRST_PASSING_ID;
  /** Requests whose programs still wait. */
  readonly #unfinished = new Set<{ readonly unique: bigint; readonly work: Work; readonly reply: Buffer }>();

  /**
   * @param fd what `mountFuse` returned; it stays the caller's
   * @param longestWorkMs how long a piece of work may take
   * @param log takes what went wrong in the board itself
   */
  constructor(fd: number, root: Directory, longestWorkMs: number, log: (message: string) => void) {
    this.#fd = fd;
    this.#longestWorkMs = longestWorkMs;
    this.#log = log;
    this.#nodes.set(ROOT_ID, { node: root, lookups: 1 });
  }

  /** Readable while there are requests; -1 once the file system is unmounted. */
  get fd(): number {
    return this.#fd;
  }

  /** Goes on with what is under way, and answers those whose wait is over. True if there is more to do. */
  continue(): boolean {
    this.#continue();
    this.#devices.wake();
    return this.#unfinished.size > 0;
  }

  /** Answers the requests that there are, up to a limit: the fabric must have its turn, too. */
  serve(): void {
    let served = 0;
    while (served++ < MAX_AT_A_TIME && waitReadableBriefly(this.#fd, -1, 0)) this.#serveOne();
  }

  #serveOne(): void {
    let length: number;
    try {
      length = readSync(this.#fd, this.#message);
    } catch (error) {
      if (errnoCode(error) === "ENODEV") this.#fd = -1;
      // Else the program was killed before its request was read.
      return;
    }
    const request = decodeRequest(this.#message.subarray(0, length));
    try {
      const outcome = this.#answer(request);
      if (outcome === undefined) return;
      if (Buffer.isBuffer(outcome)) this.#send(encodeReply(request.unique, outcome));
      else {
        this.#unfinished.add({ unique: request.unique, ...outcome });
        this.#continue();
      }
    } catch (error) {
      this.#send(encodeError(request.unique, this.#errnoOf(error)));
    }
  }

  /** Does the next step of all that is under way. */
  #continue(): void {
    for (const item of this.#unfinished) {
      try {
        if (!item.work.next().done) continue;
        this.#send(encodeReply(item.unique, item.reply));
      } catch (error) {
        this.#send(encodeError(item.unique, this.#errnoOf(error)));
      }
      this.#unfinished.delete(item);
    }
  }

  #send(message: Buffer): void {
    try {
      writeSync(this.#fd, message);
    } catch (error) {
      // ENOENT: the program is gone; ENODEV: so is the mount.
      if (!["ENOENT", "ENODEV"].includes(errnoCode(error) ?? "")) throw error;
    }
  }

  /** Whatever a program asks for, the board goes on. */
  #errnoOf(error: unknown): ErrnoName {
    if (error instanceof KernelError) return error.code;
    this.#log(`axiscript: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
    const code = errnoCode(error) ?? "";
    return Object.hasOwn(constants.errno, code) ? (code as ErrnoName) : "EIO";
  }

  #answer(request: FuseRequest): Outcome {
    const { opcode, nodeId, body } = request;
    switch (opcode) {
      case OPCODE.init:
        return encodeInit(body, ANSWER_TIMEOUT_S + Math.ceil(this.#longestWorkMs / 1000));
      case OPCODE.lookup:
        return this.#entry(this.#child(nodeId, nameIn(body)));
      case OPCODE.forget:
        this.#forget(nodeId, decodeForget(body));
        return undefined;
      case OPCODE.batchForget:
        for (const [id, lookups] of decodeBatchForget(body)) this.#forget(id, lookups);
        return undefined;
      case OPCODE.getattr:
        return encodeAttributes(this.#node(nodeId));
      case OPCODE.setattr:
        return this.#setattr(this.#node(nodeId), body);
      case OPCODE.readlink:
        return this.#readlink(nodeId);
      case OPCODE.mkdir:
        return this.#mkdir(nodeId, decodeMkdir(body));
      case OPCODE.rmdir:
        return this.#rmdir(nodeId, nameIn(body));
      case OPCODE.mknod:
      case OPCODE.symlink:
      case OPCODE.unlink:
      case OPCODE.create:
        return this.#changeDirectory(request);
      case OPCODE.open:
      case OPCODE.read:
      case OPCODE.write:
      case OPCODE.flush:
      case OPCODE.release:
      case OPCODE.poll:
      case OPCODE.fallocate:
        return this.#answerFile(request);
      case OPCODE.opendir:
      case OPCODE.readdir:
      case OPCODE.releasedir:
        return this.#answerDirectory(request);
      case OPCODE.statfs:
        return encodeStatfs();
      case OPCODE.access:
      case OPCODE.fsync:
      case OPCODE.fsyncdir:
      case OPCODE.destroy:
        return DONE;
      // What the kernel does on behalf of a program does not end early, waiting for an interrupt does.
      case OPCODE.interrupt:
        this.#devices.interrupt(decodeInterrupt(body));
        return undefined;
      default:
        throw new KernelError(REFUSALS.get(opcode) ?? "ENOSYS");
    }
  }

  #answerFile(request: FuseRequest): Outcome {
    const { opcode, nodeId, body } = request;
    if (opcode === OPCODE.open) {
      const node = this.#node(nodeId);
      if (node instanceof DeviceNode) return this.#devices.open(node, ++this.#lastHandle, request.pid);
      if (!(node instanceof Attribute)) throw new KernelError("EINVAL");
      const { reads, writes } = decodeOpen(body);
      this.#files.set(++this.#lastHandle, new OpenAttribute(node, reads, writes));
      return encodeOpen(this.#lastHandle);
    }
    if (this.#devices.has(decodeHandle(body))) return this.#devices.answer(request);
    // Of an attribute the kernel says by itself that it can be read and written.
    if (opcode === OPCODE.poll || opcode === OPCODE.fallocate) throw new KernelError("ENOSYS");
    const file = this.#files.get(decodeHandle(body));
    if (!file) throw new KernelError("EBADF");
    if (opcode === OPCODE.read) {
      const { offset, lengthBytes } = decodeRead(body);
      return file.read(offset, lengthBytes);
    }
    if (opcode === OPCODE.write) {
      const { offset, data } = decodeWrite(body);
      const { taken, work } = file.write(offset, data);
      return after(work, encodeWritten(taken));
    }
    if (opcode === OPCODE.flush) return after(file.flush(), DONE);
    this.#files.delete(decodeHandle(body));
    return after(file.release(), DONE);
  }

  #answerDirectory({ opcode, nodeId, body }: FuseRequest): Outcome {
    if (opcode === OPCODE.opendir) {
      const directory = this.#directory(nodeId);
      this.#directories.set(++this.#lastHandle, [[".", directory], ["..", directory], ...directory.entries]);
      return encodeOpen(this.#lastHandle);
    }
    if (opcode === OPCODE.readdir) {
      const { handle, offset, lengthBytes } = decodeRead(body);
      return encodeEntries(this.#directories.get(handle) ?? [], offset, lengthBytes);
    }
    this.#directories.delete(decodeHandle(body));
    return DONE;
  }

  #node(nodeId: number): TreeNode {
    const node = this.#nodes.get(nodeId)?.node;
    if (!node) throw new KernelError("ENOENT");
    return node;
  }

  #directory(nodeId: number): Directory {
    const node = this.#node(nodeId);
    if (!(node instanceof Directory)) throw new KernelError("ENOTDIR");
    return node;
  }

  #child(parentId: number, name: string): TreeNode {
    const node = this.#directory(parentId).entries.get(name);
    if (!node) throw new KernelError("ENOENT");
    return node;
  }

  /**
   * Tells the kernel of a node. Attributes that can be written get another number each time: writes to one number wait
   * for each other in the kernel, and then none could be told that the device is busy.
   */
  #entry(node: TreeNode): Buffer {
    const passing = node instanceof Attribute && node.operations.store !== undefined && !node.operations.isPlace;
    const id = passing ? ++this.#lastPassingId : node.number;
    const known = this.#nodes.get(id);
    if (known) known.lookups++;
    else this.#nodes.set(id, { node, lookups: 1 });
    return encodeEntry(node, id);
  }

  #forget(nodeId: number, lookups: number): void {
    const known = this.#nodes.get(nodeId);
    if (!known || nodeId === ROOT_ID) return;
    known.lookups -= lookups;
    if (known.lookups <= 0) this.#nodes.delete(nodeId);
  }

  /**
   * What sysfs and device files have in common is that they keep their size. Opening them to be emptied (O_TRUNC) does
   * nothing, as with every device; other sizes are refused.
   */
  #setattr(node: TreeNode, body: Buffer): Buffer {
    const size = node instanceof DeviceNode ? decodeSize(body) : undefined;
    if (size && (size.ofOpenFile || size.sizeBytes !== 0)) throw new KernelError("EINVAL");
    return encodeAttributes(Object.assign(node, decodeSetattr(body)));
  }

  /** Makes and removes files and links, where a directory allows that. */
  #changeDirectory({ opcode, nodeId, body }: FuseRequest): Buffer {
    const parent = this.#directory(nodeId);
    const { makeFile, makeLink } = parent.hooks ?? {};
    if (!makeFile || !makeLink) throw new KernelError(REFUSALS.get(opcode) ?? "EPERM");
    // Then the kernel makes the file first, and opens it afterwards.
    if (opcode === OPCODE.create) throw new KernelError("ENOSYS");
    if (opcode === OPCODE.unlink) {
      const name = nameIn(body);
      const node = this.#child(nodeId, name);
      if (node instanceof Directory) throw new KernelError("EISDIR");
      if (node instanceof DeviceNode) throw new KernelError("EPERM");
      parent.remove(name);
      return DONE;
    }
    if (opcode === OPCODE.symlink) {
      const { name, target } = decodeSymlink(body);
      return this.#added(parent, name, makeLink(target));
    }
    const { name, isFile } = decodeMknod(body);
    if (!isFile) throw new KernelError("EPERM");
    return this.#added(parent, name, makeFile());
  }

  #added(parent: Directory, name: string, node: TreeNode): Buffer {
    parent.add(name, node);
    return this.#entry(node);
  }

  #readlink(nodeId: number): Buffer {
    const node = this.#node(nodeId);
    if (!(node instanceof Link)) throw new KernelError("EINVAL");
    return Buffer.from(node.target, "latin1");
  }

  #mkdir(parentId: number, name: string): Buffer {
    // Whether the name is free the kernel has looked up already.
    const parent = this.#directory(parentId);
    if (!parent.hooks) throw new KernelError("EPERM");
    return this.#added(parent, name, parent.hooks.make(name));
  }

  #rmdir(parentId: number, name: string): Buffer {
    const parent = this.#directory(parentId);
    if (!(this.#child(parentId, name) instanceof Directory)) throw new KernelError("ENOTDIR");
    if (!parent.hooks) throw new KernelError("EPERM");
    parent.hooks.remove(name);
    parent.remove(name);
    return DONE;
  }
}

/** A reply, once the work is done. */
function after(work: Work | undefined, reply: Buffer): Outcome {
  return work ? { work, reply } : reply;
}
