import { constants as FILES } from "node:fs";
import { constants } from "node:os";
import { Attribute, DeviceNode, Directory, type ErrnoName, type TreeNode } from "../kernel-tree";

/**
 * The messages on `/dev/fuse`. Source: kernel `include/uapi/linux/fuse.h`, protocol 7.31; numbers are in the machine's
 * byte order, which is little-endian on x86-64 and arm64.
 *
 * ```
 *   request: length u32 │ opcode u32 │ unique u64 │ node u64 │ uid, gid, pid u32 │ 4 │ body
 *   reply:   length u32 │ -errno i32 │ unique u64 │ body
 * ```
 */

const MAJOR = 7;
const MINOR = 31;
const REQUEST_HEADER_BYTES = 40;
const REPLY_HEADER_BYTES = 16;
const INODE_BYTES = 88;
const PAGE_BYTES = 4096;
const MAX_NAME_BYTES = 255;

/** The root directory's number. */
export const ROOT_ID = 1;
/** The most that one request writes. */
const MAX_WRITE_BYTES = 32 * PAGE_BYTES;
/** Room for the largest request. */
export const MAX_REQUEST_BYTES = MAX_WRITE_BYTES + PAGE_BYTES;

export const OPCODE = {
  lookup: 1,
  forget: 2,
  getattr: 3,
  setattr: 4,
  readlink: 5,
  symlink: 6,
  mknod: 8,
  mkdir: 9,
  unlink: 10,
  rmdir: 11,
  rename: 12,
  link: 13,
  open: 14,
  read: 15,
  write: 16,
  statfs: 17,
  release: 18,
  fsync: 20,
  flush: 25,
  init: 26,
  opendir: 27,
  readdir: 28,
  releasedir: 29,
  fsyncdir: 30,
  access: 34,
  create: 35,
  interrupt: 36,
  destroy: 38,
  ioctl: 39,
  poll: 40,
  batchForget: 42,
  fallocate: 43,
  rename2: 45,
  tmpfile: 51,
} as const;

/** Every read and write reaches the server. */
const FOPEN_DIRECT_IO = 1;
/** The kernel maps another file; without FOPEN_DIRECT_IO it also reads and writes that (Linux 6.9). */
const FOPEN_PASSTHROUGH = 1 << 7;
/** Nobody is told of a descriptor that is closed, which therefore also works when nobody answers any more. */
const FOPEN_NOFLUSH = 1 << 5;
/** Two writes at a time are not made to wait for each other by the kernel. */
const FOPEN_PARALLEL_DIRECT_WRITES = 1 << 6;
/** Requests may write more than a page. */
const INIT_BIG_WRITES = 1 << 5;
/** There is a second word of flags. */
const INIT_EXTENDED = 1 << 30;
/** In the second word: there is a limit to the time that an answer takes. */
const INIT2_REQUEST_TIMEOUT = 1 << 10;

/** In the second word: other files can take the place of this file system's. */
const INIT2_PASSTHROUGH = 1 << 5;
/** Of a wake-up: what stands in place of the error of a reply. */
const NOTIFY_POLL = 1;
/** Whoever polls waits, and is to be woken. */
const POLL_SCHEDULE_NOTIFY = 1;

const FILE_TYPES = { directory: FILES.S_IFDIR, attribute: FILES.S_IFREG, link: FILES.S_IFLNK } as const;

/** What a program asks for. */
export interface FuseRequest {
  readonly opcode: number;
  readonly unique: bigint;
  readonly nodeId: number;
  /** Who asks; 0: somebody in another pid namespace. */
  readonly pid: number;
  readonly body: Buffer;
}

/** Decodes a request; its body is a view of the message. */
export function decodeRequest(message: Buffer): FuseRequest {
  return {
    opcode: message.readUInt32LE(4),
    unique: message.readBigUInt64LE(8),
    nodeId: idAt(message, 16),
    pid: message.readUInt32LE(32),
    body: message.subarray(REQUEST_HEADER_BYTES),
  };
}

/** A number of 64 bits that the server gave out itself, or that is as small. */
function idAt(body: Buffer, offset: number): number {
  return Number(body.readBigUInt64LE(offset));
}

/** A name that ends in NUL. */
export function nameIn(body: Buffer, offset = 0): string {
  return body.toString("latin1", offset, body.indexOf(0, offset));
}

/** fuse_mkdir_in: mode and umask before the name. */
export function decodeMkdir(body: Buffer): string {
  return nameIn(body, 8);
}

/** fuse_forget_in */
export function decodeForget(body: Buffer): number {
  return idAt(body, 0);
}

/** fuse_batch_forget_in: pairs of node and number of lookups. */
export function decodeBatchForget(body: Buffer): [nodeId: number, lookups: number][] {
  return Array.from({ length: body.readUInt32LE(0) }, (_, i) => [idAt(body, 8 + i * 16), idAt(body, 16 + i * 16)]);
}

/** fuse_mknod_in: the kind of file; and the name. */
export function decodeMknod(body: Buffer): { name: string; isFile: boolean } {
  return { name: nameIn(body, 16), isFile: (body.readUInt32LE(0) & FILES.S_IFMT) === FILES.S_IFREG };
}

/** A name, and what a link of that name leads to. */
export function decodeSymlink(body: Buffer): { name: string; target: string } {
  const name = nameIn(body);
  return { name, target: nameIn(body, name.length + 1) };
}

/**
 * fuse_setattr_in: what size is asked for; of an open file (`ftruncate`), or by a path, as O_TRUNC comes, too.
 * `undefined`: none.
 */
export function decodeSize(body: Buffer): { sizeBytes: number; ofOpenFile: boolean } | undefined {
  const valid = body.readUInt32LE(0);
  if ((valid & 8) === 0) return undefined;
  return { sizeBytes: Number(body.readBigUInt64LE(16)), ofOpenFile: (valid & 64) !== 0 };
}

/** fuse_setattr_in: what is to be changed of mode and owner; all else is ignored. */
export function decodeSetattr(body: Buffer): { mode?: number; uid?: number; gid?: number } {
  const valid = body.readUInt32LE(0);
  return {
    ...(valid & 1 ? { mode: body.readUInt32LE(68) & 0o7777 } : {}),
    ...(valid & 2 ? { uid: body.readUInt32LE(76) } : {}),
    ...(valid & 4 ? { gid: body.readUInt32LE(80) } : {}),
  };
}

/** fuse_open_in: what the file is opened for. */
export function decodeOpen(body: Buffer): { reads: boolean; writes: boolean } {
  const access = body.readUInt32LE(0) & 3;
  return { reads: access !== FILES.O_WRONLY, writes: access !== FILES.O_RDONLY };
}

/** fuse_release_in, fuse_flush_in and others that begin with the handle. */
export function decodeHandle(body: Buffer): number {
  return idAt(body, 0);
}

/** fuse_read_in; and whether the program would rather have EAGAIN than wait. */
export function decodeRead(body: Buffer): {
  handle: number;
  offset: number;
  lengthBytes: number;
  nonBlocking: boolean;
} {
  return {
    ...{ handle: idAt(body, 0), offset: idAt(body, 8), lengthBytes: body.readUInt32LE(16) },
    nonBlocking: (body.readUInt32LE(32) & FILES.O_NONBLOCK) !== 0,
  };
}

/** fuse_poll_in; `wake`: by what the kernel knows who is to be woken, if somebody is. */
export function decodePoll(body: Buffer): { handle: number; wake: bigint | undefined } {
  const waits = (body.readUInt32LE(16) & POLL_SCHEDULE_NOTIFY) !== 0;
  return { handle: idAt(body, 0), wake: waits ? body.readBigUInt64LE(8) : undefined };
}

/** fuse_fallocate_in */
export function decodeFallocate(body: Buffer): { offset: number; lengthBytes: number; mode: number } {
  return { offset: idAt(body, 8), lengthBytes: idAt(body, 16), mode: body.readUInt32LE(24) };
}

/** fuse_interrupt_in: the request that is to end early. */
export function decodeInterrupt(body: Buffer): bigint {
  return body.readBigUInt64LE(0);
}

/** fuse_write_in, with the data behind it. */
export function decodeWrite(body: Buffer): { handle: number; offset: number; data: Buffer } {
  return { handle: idAt(body, 0), offset: idAt(body, 8), data: body.subarray(40, 40 + body.readUInt32LE(16)) };
}

/** A reply that succeeds. */
export function encodeReply(unique: bigint, body: Buffer): Buffer {
  return Buffer.concat([replyHeader(unique, body.length, 0), body]);
}

/** A reply that fails. */
export function encodeError(unique: bigint, error: ErrnoName): Buffer {
  return replyHeader(unique, 0, -constants.errno[error]);
}

function replyHeader(unique: bigint, bodyBytes: number, error: number): Buffer {
  const header = Buffer.alloc(REPLY_HEADER_BYTES);
  header.writeUInt32LE(REPLY_HEADER_BYTES + bodyBytes, 0);
  header.writeInt32LE(error, 4);
  header.writeBigUInt64LE(unique, 8);
  return header;
}

/** fuse_init_in: whether the kernel can be told how long an answer takes at the most (Linux 6.14). */
function knowsTimeouts(body: Buffer): boolean {
  const extended = (body.readUInt32LE(12) & INIT_EXTENDED) !== 0;
  return extended && (body.readUInt32LE(16) & INIT2_REQUEST_TIMEOUT) !== 0;
}

/** fuse_init_in: whether other files can take the place of this file system's (Linux 6.9). */
export function knowsPassthrough(body: Buffer): boolean {
  const extended = (body.readUInt32LE(12) & INIT_EXTENDED) !== 0;
  return extended && (body.readUInt32LE(16) & INIT2_PASSTHROUGH) !== 0;
}

/** fuse_init_out of a file system of devices, for which {@link knowsPassthrough}: an answer may take for ever. */
export function encodeDeviceInit(): Buffer {
  const body = Buffer.alloc(64);
  body.writeUInt32LE(MAJOR, 0);
  body.writeUInt32LE(MINOR, 4);
  body.writeUInt32LE((INIT_BIG_WRITES | INIT_EXTENDED) >>> 0, 12);
  body.writeUInt32LE(MAX_WRITE_BYTES, 20);
  body.writeUInt32LE(1, 24); // time granularity, ns
  body.writeUInt32LE(INIT2_PASSTHROUGH, 32);
  body.writeUInt32LE(1, 36); // file systems below a file that takes another's place
  return body;
}

/**
 * fuse_init_out
 *
 * @param request body of the kernel's fuse_init_in
 * @param timeoutSeconds the kernel gives the file system up when an answer takes longer
 */
export function encodeInit(request: Buffer, timeoutSeconds: number): Buffer {
  const body = Buffer.alloc(64);
  body.writeUInt32LE(MAJOR, 0);
  body.writeUInt32LE(MINOR, 4);
  body.writeUInt32LE(INIT_BIG_WRITES, 12);
  body.writeUInt32LE(MAX_WRITE_BYTES, 20);
  body.writeUInt32LE(1, 24); // time granularity, ns
  if (knowsTimeouts(request)) {
    body.writeUInt32LE((INIT_BIG_WRITES | INIT_EXTENDED) >>> 0, 12);
    body.writeUInt32LE(INIT2_REQUEST_TIMEOUT, 32);
    body.writeUInt16LE(Math.min(timeoutSeconds, 0xffff), 40);
  }
  return body;
}

/** fuse_entry_out: a node under the number that the kernel is to use for it. Nothing of it may be kept. */
export function encodeEntry(node: TreeNode, nodeId: number): Buffer {
  const entry = Buffer.alloc(40);
  entry.writeBigUInt64LE(BigInt(nodeId), 0);
  return Buffer.concat([entry, inode(node)]);
}

/** fuse_attr_out */
export function encodeAttributes(node: TreeNode): Buffer {
  return Buffer.concat([Buffer.alloc(16), inode(node)]);
}

function inode(node: TreeNode): Buffer {
  const body = Buffer.alloc(INODE_BYTES);
  const seconds = BigInt(Math.floor(node.madeAtMs / 1000));
  body.writeBigUInt64LE(BigInt(node.number), 0);
  body.writeBigUInt64LE(BigInt(sizeOf(node)), 8);
  for (const time of [24, 32, 40]) body.writeBigUInt64LE(seconds, time);
  body.writeUInt32LE(FILE_TYPES[kindOf(node)] | node.mode, 60);
  body.writeUInt32LE(node instanceof Directory ? 2 : 1, 64);
  body.writeUInt32LE(node.uid, 68);
  body.writeUInt32LE(node.gid, 72);
  body.writeUInt32LE(PAGE_BYTES, 80);
  return body;
}

function sizeOf(node: TreeNode): number {
  if (node instanceof Directory) return 0;
  if (node instanceof Attribute) return node.operations.lengthBytes ?? PAGE_BYTES;
  if (node instanceof DeviceNode) return node.operations.lengthBytes;
  return node.target.length;
}

function kindOf(node: TreeNode): keyof typeof FILE_TYPES {
  if (node instanceof Directory) return "directory";
  return node instanceof Attribute || node instanceof DeviceNode ? "attribute" : "link";
}

/** fuse_open_out */
export function encodeOpen(handle: number): Buffer {
  const body = Buffer.alloc(16);
  body.writeBigUInt64LE(BigInt(handle), 0);
  body.writeUInt32LE(FOPEN_DIRECT_IO | FOPEN_PARALLEL_DIRECT_WRITES, 8);
  return body;
}

/** fuse_open_out of a device. */
export function encodeOpenDevice(handle: number, { operations: { backing, open } }: DeviceNode): Buffer {
  const body = Buffer.alloc(16);
  const answered = FOPEN_DIRECT_IO | FOPEN_PARALLEL_DIRECT_WRITES;
  body.writeBigUInt64LE(BigInt(handle), 0);
  body.writeUInt32LE(FOPEN_PASSTHROUGH | FOPEN_NOFLUSH | (open ? answered : 0), 8);
  body.writeInt32LE(backing, 12);
  return body;
}

/** fuse_poll_out */
export function encodePoll(events: number): Buffer {
  const body = Buffer.alloc(8);
  body.writeUInt32LE(events, 0);
  return body;
}

/** Wakes who polls: a message of its own, no reply. */
export function encodeWakeUp(wake: bigint): Buffer {
  const message = Buffer.alloc(REPLY_HEADER_BYTES + 8);
  message.writeUInt32LE(message.length, 0);
  message.writeInt32LE(NOTIFY_POLL, 4);
  message.writeBigUInt64LE(wake, REPLY_HEADER_BYTES);
  return message;
}

/** fuse_write_out: how much was taken. */
export function encodeWritten(lengthBytes: number): Buffer {
  const body = Buffer.alloc(8);
  body.writeUInt32LE(lengthBytes, 0);
  return body;
}

/** fuse_statfs_out: a file system without blocks. */
export function encodeStatfs(): Buffer {
  const body = Buffer.alloc(80);
  body.writeUInt32LE(PAGE_BYTES, 40);
  body.writeUInt32LE(MAX_NAME_BYTES, 44);
  return body;
}

/** fuse_dirent, as many from an index on as there is room for. */
export function encodeEntries(entries: readonly [string, TreeNode][], first: number, maxBytes: number): Buffer {
  const list: Buffer[] = [];
  let room = maxBytes;
  for (const [index, [name, node]] of entries.entries()) {
    const entry = Buffer.alloc(Math.ceil((24 + name.length) / 8) * 8);
    if (index < first) continue;
    if (entry.length > room) break;
    room -= entry.length;
    entry.writeBigUInt64LE(BigInt(node.number), 0);
    entry.writeBigUInt64LE(BigInt(index + 1), 8);
    entry.writeUInt32LE(name.length, 16);
    entry.writeUInt32LE(FILE_TYPES[kindOf(node)] >>> 12, 20);
    entry.write(name, 24, "latin1");
    list.push(entry);
  }
  return Buffer.concat(list);
}
