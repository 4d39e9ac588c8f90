import { fdatasyncSync, fstatSync, fsyncSync, ftruncateSync, readSync, writeSync } from "node:fs";
import { checkWait } from "../../../util/wait";
import { AxiscriptError, errnoCode } from "../../../util/errors";
import type { LinearMemory } from "../../../memory/linear-memory";
import { seek } from "../../../native/directories";
import type { FileGrants, RunPermissions } from "../../permissions/permission";
import { NotAllowedError } from "../../permissions/refusal";
import { dataView, storeU32, type Transfer, transferVectors } from "../wasi-memory";
import { listDirectory } from "./directory-entries";
import { WASI_ERRNO, WasiError, wasiErrno } from "./errno";
import { FILETYPE, READ_RIGHTS, rightsOf, storeFileStat, WRITE_RIGHTS } from "./layout";
import { type Handle, Sandbox } from "./sandbox";

/** PATH_MAX of Linux. */
const MAX_PATH_BYTES = 4096;
/** A piece of a file that is moved at once; between two of them a script can be stopped. */
const PIECE_BYTES = 1 << 20;
const LOOKUP_FOLLOW = 1;
const OPEN = { create: 1, directory: 2, exclusive: 4, truncate: 8 } as const;
const FLAG = { append: 1, dsync: 2, rsync: 8, sync: 16 } as const;
const FDSTAT_BYTES = 24;
const PRESTAT_BYTES = 8;
const SUCCESS = 0;

/** A function of WASI on files: gives an errno. */
export type FileFunction = (...args: never[]) => number;

/** The file functions of one run. */
export interface FileFunctions {
  readonly functions: Readonly<Record<string, FileFunction>>;
  /** Closes everything that the script has open. */
  close(): void;
}

/**
 * WASI's functions on files, for scripts that were granted directories. Descriptors begin at 3.
 *
 * @throws AxiscriptError ERR_AXI_IO, ERR_AXI_UNSUPPORTED_PLATFORM
 */
export function createFiles(permissions: RunPermissions, grants: FileGrants, memory: LinearMemory): FileFunctions {
  const sandbox = new Sandbox(permissions, grants);
  const path = (guestPtr: number, lengthBytes: number) => readPath(memory, guestPtr, lengthBytes);
  const functions = {
    ...transferFunctions(sandbox, memory),
    ...descriptorFunctions(sandbox, memory),
    path_open: (
      fd: number,
      lookup: number,
      pathPtr: number,
      pathLength: number,
      open: number,
      rights: bigint,
      _inheriting: bigint,
      flags: number,
      result: number,
    ) => {
      const directory = sandbox.directory(fd);
      const opened = sandbox.open(directory, path(pathPtr, pathLength), {
        read: (rights & READ_RIGHTS) !== 0n,
        write: (rights & WRITE_RIGHTS) !== 0n,
        create: (open & OPEN.create) !== 0,
        exclusive: (open & OPEN.exclusive) !== 0,
        truncate: (open & OPEN.truncate) !== 0,
        directory: (open & OPEN.directory) !== 0,
        follow: (lookup & LOOKUP_FOLLOW) !== 0,
        append: (flags & FLAG.append) !== 0,
        sync: (flags & (FLAG.dsync | FLAG.rsync | FLAG.sync)) !== 0,
      });
      storeU32(memory, result, opened);
    },
    path_filestat_get: (fd: number, lookup: number, pathPtr: number, pathLength: number, stat: number) => {
      const follow = (lookup & LOOKUP_FOLLOW) !== 0;
      storeFileStat(memory, stat, sandbox.stat(sandbox.directory(fd), path(pathPtr, pathLength), follow));
    },
    path_create_directory: (fd: number, pathPtr: number, pathLength: number) =>
      sandbox.makeDirectory(sandbox.directory(fd), path(pathPtr, pathLength)),
    path_unlink_file: (fd: number, pathPtr: number, pathLength: number) =>
      sandbox.remove(sandbox.directory(fd), path(pathPtr, pathLength), false),
    path_remove_directory: (fd: number, pathPtr: number, pathLength: number) =>
      sandbox.remove(sandbox.directory(fd), path(pathPtr, pathLength), true),
    path_rename: (
      fd: number,
      pathPtr: number,
      pathLength: number,
      newFd: number,
      newPathPtr: number,
      newPathLength: number,
    ) =>
      sandbox.rename(
        sandbox.directory(fd),
        path(pathPtr, pathLength),
        sandbox.directory(newFd),
        path(newPathPtr, newPathLength),
      ),
  };
  return {
    functions: Object.fromEntries(Object.entries(functions).map(([name, body]) => [name, answering(body)])),
    close: () => sandbox.closeAll(),
  };
}

/** Reading and writing. */
function transferFunctions(sandbox: Sandbox, memory: LinearMemory) {
  const transfer = (
    fd: number,
    to: "read" | "write",
    vectors: { iovs: number; count: number; result: number },
    offset?: bigint,
  ): number => {
    const handle = fileFor(sandbox, fd, to);
    const move = (piece: Uint8Array, position: number | null) =>
      to === "read"
        ? readSync(handle.fd, piece, 0, piece.length, position)
        : writeSync(handle.fd, piece, 0, piece.length, position);
    return transferVectors(memory, vectors, (bytes, before) => {
      const at = offset === undefined ? undefined : offset + BigInt(before);
      return moveInPieces(bytes, (piece, done) => move(piece, at === undefined ? null : Number(at) + done));
    });
  };
  return {
    fd_read: (fd: number, iovs: number, count: number, result: number) => transfer(fd, "read", { iovs, count, result }),
    fd_write: (fd: number, iovs: number, count: number, result: number) =>
      transfer(fd, "write", { iovs, count, result }),
    fd_pread: (fd: number, iovs: number, count: number, offset: bigint, result: number) =>
      transfer(fd, "read", { iovs, count, result }, checkedOffset(offset)),
    fd_pwrite: (fd: number, iovs: number, count: number, offset: bigint, result: number) =>
      transfer(fd, "write", { iovs, count, result }, checkedOffset(offset)),
  };
}

/** What else is done with a descriptor. */
function descriptorFunctions(sandbox: Sandbox, memory: LinearMemory) {
  const move = (fd: number, offset: bigint, whence: number, position: number) => {
    const handle = sandbox.handle(fd);
    if (handle.kind === "directory") throw new WasiError("EBADF");
    if (whence >>> 0 > 2) throw new WasiError("EINVAL");
    dataView(memory, position, 8).setBigUint64(0, seek(handle.fd, offset, whence), true);
  };
  return {
    fd_close: (fd: number) => sandbox.close(fd),
    fd_seek: move,
    fd_tell: (fd: number, position: number) => move(fd, 0n, 1, position),
    fd_sync: (fd: number) => fsyncSync(fileFor(sandbox, fd, "write").fd),
    fd_datasync: (fd: number) => fdatasyncSync(fileFor(sandbox, fd, "write").fd),
    fd_filestat_set_size: (fd: number, size: bigint) =>
      ftruncateSync(fileFor(sandbox, fd, "write").fd, Number(checkedOffset(size))),
    fd_filestat_get: (fd: number, stat: number) =>
      storeFileStat(memory, stat, fstatSync(sandbox.handle(fd).fd, { bigint: true })),
    fd_fdstat_get: (fd: number, stat: number) => {
      const handle = sandbox.handle(fd);
      const data = dataView(memory, stat, FDSTAT_BYTES);
      const { base, inheriting } = rightsOf(handle);
      data.setBigUint64(0, 0n, true);
      data.setUint8(0, FILETYPE[handle.kind]);
      data.setUint16(2, handle.append ? FLAG.append : 0, true);
      data.setBigUint64(8, base, true);
      data.setBigUint64(16, inheriting, true);
    },
    fd_readdir: (fd: number, buffer: number, bufferLength: number, cookie: bigint, used: number) => {
      const handle = sandbox.directory(fd);
      if (!handle.read) throw new WasiError("ENOTCAPABLE");
      storeU32(memory, used, listDirectory(handle.fd, cookie, memory.view(buffer, bufferLength)));
    },
    fd_prestat_get: (fd: number, prestat: number) => {
      const name = Buffer.from(grantedName(sandbox, fd));
      const data = dataView(memory, prestat, PRESTAT_BYTES);
      data.setUint32(0, 0, true);
      data.setUint32(4, name.length, true);
    },
    fd_prestat_dir_name: (fd: number, pathPtr: number, pathLength: number) => {
      const name = Buffer.from(grantedName(sandbox, fd));
      if (pathLength >>> 0 < name.length) throw new WasiError("ENAMETOOLONG");
      memory.view(pathPtr, name.length).set(name);
    },
  };
}

/** Turns what a function throws into an errno. */
function answering(body: (...args: never[]) => unknown): FileFunction {
  return (...args) => {
    try {
      const answer = body(...args);
      return typeof answer === "number" ? answer : SUCCESS;
    } catch (error) {
      if (error instanceof NotAllowedError) return error.denied ? WASI_ERRNO.EPERM : WASI_ERRNO.ENOTCAPABLE;
      if (error instanceof AxiscriptError && error.code !== "ERR_AXI_IO") throw error;
      const code = errnoCode(error);
      // What is no failure of the system, a pointer of the script's for example, ends the run.
      if (code === undefined) throw error;
      return wasiErrno(code);
    }
  };
}

function fileFor(sandbox: Sandbox, fd: number, use: "read" | "write"): Handle {
  const handle = sandbox.handle(fd);
  if (handle.kind === "directory") throw new WasiError("EISDIR");
  if (!handle[use]) throw new WasiError("EBADF");
  return handle;
}

function grantedName(sandbox: Sandbox, fd: number): string {
  const { grantedAs } = sandbox.handle(fd);
  if (grantedAs === undefined) throw new WasiError("EBADF");
  return grantedAs;
}

function moveInPieces(bytes: Uint8Array, move: (piece: Uint8Array, done: number) => number): Transfer {
  let count = 0;
  while (count < bytes.length) {
    const piece = bytes.subarray(count, count + PIECE_BYTES);
    let moved: number;
    try {
      checkWait();
      moved = move(piece, count);
    } catch (error) {
      // What was moved before is told; the error comes back with the next call.
      if (count > 0 && !(error instanceof AxiscriptError)) break;
      throw error;
    }
    count += moved;
    if (moved < piece.length) break;
  }
  return { count, errno: 0 };
}

/** Beyond 2^53 no file system reaches, and Node takes numbers. */
function checkedOffset(offset: bigint): bigint {
  if (offset < 0n) throw new WasiError("EINVAL");
  if (offset > BigInt(Number.MAX_SAFE_INTEGER) - 0x1_0000_0000n) throw new WasiError("EFBIG");
  return offset;
}

/** A path as the kernel takes it. Names on disk are bytes; WASI's are UTF-8. */
function readPath(memory: LinearMemory, guestPtr: number, lengthBytes: number): string {
  if (lengthBytes >>> 0 >= MAX_PATH_BYTES) throw new WasiError("ENAMETOOLONG");
  const bytes = Buffer.from(memory.view(guestPtr, lengthBytes));
  if (bytes.includes(0)) throw new WasiError("EINVAL");
  const path = bytes.toString("utf8");
  if (!Buffer.from(path).equals(bytes)) throw new WasiError("EILSEQ");
  return path;
}
