import {
  type BigIntStats,
  closeSync,
  constants,
  fstatSync,
  ftruncateSync,
  lstatSync,
  openSync,
  readlinkSync,
} from "node:fs";
import { basename, dirname } from "node:path";
import { AxiscriptError, errnoCode, messageOf } from "../../../util/errors";
import {
  closeSlot,
  type DescriptorSlot,
  makeDirectoryAt,
  O_PATH,
  openBeneath,
  renameAt,
  unlinkAt,
} from "../../../native/directories";
import type { FileGrants, GrantedDirectory, RunPermissions } from "../../permissions/permission";
import { containsLoosely } from "../../permissions/places";
import { WasiError } from "./errno";
import { keepsFiles } from "./file-systems";
import { BOARD_MARK, holdsBoard, isBelowSysroot } from "./sysroots";

/** Files and directories that a script may have open at a time. */
export const MAX_OPEN_FILES = 256;
/** The descriptors of a script before this are its standard streams. */
const FIRST_DESCRIPTOR = 3;
/** How often a file that comes and goes is tried to be opened or made. */
const MAX_TRIES = 16;
const { O_APPEND, O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_RDWR, O_SYNC, O_WRONLY } =
  constants;
/** Before the user's umask. */
const FILE_MODE = 0o666;
const DIRECTORY_MODE = 0o777;

/** Something that a script has open. */
export interface Handle extends DescriptorSlot {
  readonly kind: "file" | "directory";
  /** Of a file, how it was opened; of a directory, what may be granted in it. */
  readonly read: boolean;
  readonly write: boolean;
  readonly append: boolean;
  /** What scripts call a directory that was granted. */
  readonly grantedAs?: string;
}

/** How a file is to be opened. */
export interface OpenRequest {
  readonly read: boolean;
  readonly write: boolean;
  readonly create: boolean;
  /** With `create`: it must not exist. */
  readonly exclusive: boolean;
  readonly truncate: boolean;
  /** It must be a directory. */
  readonly directory: boolean;
  /** Follow a symbolic link at the end of the path. */
  readonly follow: boolean;
  readonly append: boolean;
  readonly sync: boolean;
}

/** A name in an open directory. */
interface Place {
  readonly parent: number;
  readonly name: string;
  /** Where that is, without symbolic links. */
  readonly path: string;
}

/**
 * The files of a script: what it opens in the directories that were granted, and nothing besides.
 *
 * A path is never checked as a text and used afterwards: somebody could change what it leads to in between. The kernel
 * opens it below the granted directory (`RESOLVE_BENEATH`) without looking inside (`O_PATH`); what came of that is asked
 * for its kind, its file system and its true place, and is then opened itself, not its path. So pipes and devices are
 * not even opened, and opening never waits.
 *
 * Methods throw {@link WasiError}, errors of system calls with a `code`, or an AxiscriptError of the permissions.
 */
export class Sandbox {
  readonly #permissions: RunPermissions;
  readonly #grants: FileGrants;
  readonly #handles: (Handle | undefined)[] = [];
  /** For the length of a call; closed at the end of the run if the call was stopped halfway. */
  readonly #target: DescriptorSlot = { fd: -1 };
  readonly #parents: readonly [DescriptorSlot, DescriptorSlot] = [{ fd: -1 }, { fd: -1 }];

  /** @throws AxiscriptError ERR_AXI_IO for a directory that cannot be opened, ERR_AXI_UNSUPPORTED_PLATFORM */
  constructor(permissions: RunPermissions, grants: FileGrants) {
    this.#permissions = permissions;
    this.#grants = grants;
    try {
      for (const directory of grants.directories) this.#grant(directory);
    } catch (error) {
      this.closeAll();
      throw error;
    }
  }

  /** What a script has open under a number. Throws EBADF. */
  handle(descriptor: number): Handle {
    const handle = this.#handles[(descriptor >>> 0) - FIRST_DESCRIPTOR];
    if (!handle) throw new WasiError("EBADF");
    return handle;
  }

  /** As {@link handle}, of a directory. */
  directory(descriptor: number): Handle {
    const handle = this.handle(descriptor);
    if (handle.kind !== "directory") throw new WasiError("ENOTDIR");
    return handle;
  }

  /** Opens a file or directory; gives the script's number of it. */
  open(directory: Handle, path: string, request: OpenRequest): number {
    if (request.create && request.directory) throw new WasiError("EINVAL");
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      if (!request.create || !request.exclusive) {
        const opened = this.#openExisting(directory, path, request);
        if (opened !== undefined) return opened;
      }
      const created = this.#create(directory, path, request);
      if (created !== undefined) return created;
    }
    throw new WasiError("EAGAIN");
  }

  /** Describes a file, directory, or, unless it is followed, a symbolic link. */
  stat(directory: Handle, path: string, follow: boolean): BigIntStats {
    return this.#withTarget(directory.fd, path, follow ? O_PATH : O_PATH | O_NOFOLLOW, (fd) => {
      const place = realPath(fd);
      const mayKnow = (["read", "write"] as const).some((name) => this.#permissions.permits({ name, path: place }));
      if (!mayKnow) this.#permissions.require({ name: "read", path: place });
      return fstatSync(fd, { bigint: true });
    });
  }

  /** Removes a file, or an empty directory. */
  remove(directory: Handle, path: string, isDirectory: boolean): void {
    if (!isDirectory && path.endsWith("/")) throw new WasiError("ENOTDIR");
    this.#withPlace(0, directory, path, (place) => {
      this.#permissions.require({ name: "write", path: place.path });
      this.#checkKept(place);
      unlinkAt(place.parent, place.name, isDirectory);
    });
  }

  makeDirectory(directory: Handle, path: string): void {
    this.#withPlace(0, directory, path, (place) => {
      this.#permissions.require({ name: "write", path: place.path });
      makeDirectoryAt(place.parent, place.name, DIRECTORY_MODE);
    });
  }

  rename(directory: Handle, path: string, newDirectory: Handle, newPath: string): void {
    this.#withPlace(0, directory, path, (from) =>
      this.#withPlace(1, newDirectory, newPath, (to) => {
        for (const place of [from, to]) this.#permissions.require({ name: "write", path: place.path });
        // What may not be read must not be carried to where it may.
        const readable = this.#permissions.permits({ name: "read", path: to.path });
        if (readable) this.#permissions.require({ name: "read", path: from.path });
        for (const place of [from, to]) this.#checkKept(place);
        const isDirectory = this.#withTarget(from.parent, from.name, O_PATH | O_NOFOLLOW, (fd) =>
          fstatSync(fd).isDirectory(),
        );
        // A rule goes by the place: with a directory above it something else would come to lie there.
        const { boundaries } = this.#grants;
        if (
          isDirectory &&
          [from, to].some((place) => boundaries.some((boundary) => containsLoosely(place.path, boundary)))
        ) {
          throw new WasiError("EPERM");
        }
        renameAt(from.parent, from.name, to.parent, to.name);
      }),
    );
  }

  close(descriptor: number): void {
    const handle = this.handle(descriptor);
    this.#handles[(descriptor >>> 0) - FIRST_DESCRIPTOR] = undefined;
    closeHandle(handle);
  }

  closeAll(): void {
    for (const slot of [this.#target, ...this.#parents]) closeSlot(slot);
    for (const handle of this.#handles.splice(0)) if (handle) closeHandle(handle);
  }

  #grant({ name, path, read, write }: GrantedDirectory): void {
    const flags = read ? O_RDONLY | O_DIRECTORY : O_PATH | O_DIRECTORY;
    try {
      const [handle] = this.#opened(
        { kind: "directory", read, write, append: false, grantedAs: name, fd: -1 },
        path,
        flags,
      );
      if (realPath(handle.fd) !== path) throw new WasiError("ESTALE");
      this.#withTarget(handle.fd, ".", O_PATH, () => {});
      if (this.#isBelowSysroot(handle.fd, path)) throw belowSysroot(path);
    } catch (cause) {
      if (cause instanceof AxiscriptError) throw cause;
      const code = errnoCode(cause);
      if (code === "ENOSYS" || code === "EPERM") {
        throw new AxiscriptError(
          "ERR_AXI_UNSUPPORTED_PLATFORM",
          `Cannot give the script files: openat2 says ${code}. It needs Linux 5.6, and a container that lets it through.`,
          { cause },
        );
      }
      throw new AxiscriptError(
        "ERR_AXI_IO",
        `Cannot give the script the directory ${path}: ${code ?? messageOf(cause)}.`,
        { cause },
      );
    }
  }

  /** `undefined` if there is nothing, and it may be made. */
  #openExisting(directory: Handle, path: string, request: OpenRequest): number | undefined {
    const flags = O_PATH | (request.follow ? 0 : O_NOFOLLOW) | (request.directory ? O_DIRECTORY : 0);
    try {
      return this.#withTarget(directory.fd, path, flags, (fd) => this.#openTarget(fd, request));
    } catch (error) {
      if (request.create && errnoCode(error) === "ENOENT") return undefined;
      throw error;
    }
  }

  #openTarget(fd: number, request: OpenRequest): number {
    const stat = fstatSync(fd, { bigint: true });
    if (stat.isSymbolicLink()) throw new WasiError("ELOOP");
    const changes = request.write || request.truncate;
    const isDirectory = stat.isDirectory();
    if (isDirectory && (changes || request.create)) throw new WasiError("EISDIR");
    if ((!isDirectory && !stat.isFile()) || !keepsFiles(fd)) throw new WasiError("ENOTSUP");
    if (stat.nlink === 0n) throw new WasiError("ENOENT");
    const path = realPath(fd);
    this.#checkPlace(fd, stat, path);
    if (isDirectory) return this.#openDirectory(fd, path);
    if (changes) this.#permissions.require({ name: "write", path });
    if (request.read || !changes) this.#permissions.require({ name: "read", path });
    if (changes) this.#checkNotKept(stat);
    return this.#openFile(fd, request);
  }

  /** One that may be written to but not read still serves as the beginning of paths. */
  #openDirectory(fd: number, path: string): number {
    const write = this.#permissions.permits({ name: "write", path });
    const read = !write || this.#permissions.permits({ name: "read", path });
    if (read) this.#permissions.require({ name: "read", path });
    const handle = { kind: "directory", read, write, append: false, fd: -1 } as const;
    return this.#opened({ ...handle }, selfPath(fd), O_DIRECTORY | (read ? O_RDONLY : O_PATH))[1];
  }

  #openFile(fd: number, { read, write, truncate, append, sync }: OpenRequest): number {
    const access = write || truncate ? (read ? O_RDWR : O_WRONLY) : O_RDONLY;
    const flags = access | O_NONBLOCK | (append ? O_APPEND : 0) | (sync ? O_SYNC : 0);
    const [handle, descriptor] = this.#opened(
      { kind: "file", read: access !== O_WRONLY, write: access !== O_RDONLY, append, fd: -1 },
      selfPath(fd),
      flags,
    );
    if (truncate) ftruncateSync(handle.fd, 0);
    return descriptor;
  }

  /** `undefined` if there is something in the meantime. */
  #create(directory: Handle, path: string, request: OpenRequest): number | undefined {
    if (path.endsWith("/")) throw new WasiError("EISDIR");
    try {
      return this.#withPlace(0, directory, path, ({ parent, name, path: place }) => {
        this.#permissions.require({ name: "write", path: place });
        if (request.read) this.#permissions.require({ name: "read", path: place });
        const flags = O_CREAT | O_EXCL | O_NOFOLLOW | O_WRONLY;
        return this.#withTarget(
          parent,
          name,
          flags,
          (fd) => this.#openFile(fd, { ...request, write: true }),
          FILE_MODE,
        );
      });
    } catch (error) {
      if (!request.exclusive && errnoCode(error) === "EEXIST") return undefined;
      throw error;
    }
  }

  /** Puts something that is to be opened into the table; gives it, and the script's number of it. */
  #opened(handle: Handle, path: string, flags: number): [handle: Handle, descriptor: number] {
    const free = this.#handles.findIndex((taken) => taken === undefined);
    const index = free >= 0 ? free : this.#handles.length;
    if (index >= MAX_OPEN_FILES) throw new WasiError("EMFILE");
    this.#handles[index] = handle;
    try {
      handle.fd = openSync(path, flags);
    } catch (error) {
      this.#handles[index] = undefined;
      throw error;
    }
    return [handle, index + FIRST_DESCRIPTOR];
  }

  /** Calls a function with what a path below a directory leads to, open for that long. */
  #withTarget<T>(directory: number, path: string, flags: number, body: (fd: number) => T, mode = 0): T {
    openBeneath(this.#target, directory, path, flags, mode);
    try {
      return body(this.#target.fd);
    } finally {
      closeSlot(this.#target);
    }
  }

  /** Calls a function with the last name of a path and the directory that holds it, open for that long. */
  #withPlace<T>(index: 0 | 1, directory: Handle, path: string, body: (place: Place) => T): T {
    const [, before = "", name = ""] = /^(.*\/)?([^/]+)\/*$/s.exec(path) ?? [];
    if (name === "") throw new WasiError(path === "" ? "ENOENT" : "EXDEV");
    if (name === "." || name === "..") throw new WasiError("EINVAL");
    if (name === BOARD_MARK) throw new WasiError("ENOTSUP");
    const slot = this.#parents[index];
    openBeneath(slot, directory.fd, before || ".", O_PATH | O_DIRECTORY);
    try {
      if (!keepsFiles(slot.fd)) throw new WasiError("ENOTSUP");
      const parent = realPath(slot.fd);
      if (this.#isBelowSysroot(slot.fd, parent)) throw new WasiError("ENOTSUP");
      return body({ parent: slot.fd, name, path: parent === "/" ? `/${name}` : `${parent}/${name}` });
    } finally {
      closeSlot(slot);
    }
  }

  /** A directory of a board is as good as what is in it, and stays where it is. */
  #checkKept({ parent, name }: Place): void {
    try {
      this.#withTarget(parent, name, O_PATH | O_NOFOLLOW, (fd) => {
        const stat = fstatSync(fd, { bigint: true });
        this.#checkNotKept(stat);
        if (stat.isDirectory() && holdsBoard(selfPath(fd))) throw new WasiError("EPERM");
      });
    } catch (error) {
      if (errnoCode(error) !== "ENOENT") throw error;
    }
  }

  #checkNotKept({ dev, ino }: BigIntStats): void {
    if (this.#grants.kept.some((kept) => kept.dev === dev && kept.ino === ino)) throw new WasiError("EPERM");
  }

  /** Refuses what lies below a sysroot: a board's device files are files. */
  #checkPlace(fd: number, stat: BigIntStats, path: string): void {
    if (stat.isDirectory()) {
      if (this.#isBelowSysroot(fd, path)) throw new WasiError("ENOTSUP");
      return;
    }
    const slot = this.#parents[1];
    try {
      slot.fd = openSync(dirname(path), O_PATH | O_DIRECTORY | O_NOFOLLOW);
      const entry = lstatSync(`${selfPath(slot.fd)}/${basename(path)}`, { bigint: true, throwIfNoEntry: false });
      // Renamed in the meantime.
      if (entry?.dev !== stat.dev || entry.ino !== stat.ino) throw new WasiError("EAGAIN");
      if (this.#isBelowSysroot(slot.fd, path)) throw new WasiError("ENOTSUP");
    } finally {
      closeSlot(slot);
    }
  }

  #isBelowSysroot(directory: number, path: string): boolean {
    return isBelowSysroot(selfPath(directory), path.split("/").length, this.#grants.sysroot);
  }
}

function belowSysroot(path: string): AxiscriptError {
  return new AxiscriptError(
    "ERR_AXI_USAGE",
    `Cannot give the script the directory ${path}: a board lies in it or above it, whose devices are files there. ` +
      "Grant a directory beside the board, and devices by --allow-device.",
  );
}

/** Leads to what a descriptor stands for, and to nothing else. */
function selfPath(fd: number): string {
  return `/proc/self/fd/${fd}`;
}

/** Where an open file is, without symbolic links. */
function realPath(fd: number): string {
  return readlinkSync(selfPath(fd));
}

function closeHandle(handle: Handle): void {
  const { fd } = handle;
  // First: whoever stops this call halfway must not close a descriptor that may be somebody else's by then.
  handle.fd = -1;
  if (fd >= 0) closeSync(fd);
}
