import { LinearMemory } from "../../host/memory/linear-memory";
import { createPermissions } from "../../host/runtime/permissions/create";
import type { PermissionOptions } from "../../host/runtime/permissions/permission";
import { createWasi, type ScriptWasi } from "../../host/runtime/wasi/wasi";
import { assemble } from "./wasm";

export const E = {
  success: 0,
  acces: 2,
  badf: 8,
  exist: 20,
  inval: 28,
  isdir: 31,
  loop: 32,
  mfile: 33,
  nametoolong: 37,
  noent: 44,
  nosys: 52,
  notdir: 54,
  notempty: 55,
  notsup: 58,
  perm: 63,
  xdev: 75,
  notcapable: 76,
} as const;

export const RIGHTS = { none: 0n, read: 2n, write: 64n, both: 66n } as const;
export const O = { create: 1, directory: 2, exclusive: 4, truncate: 8 } as const;

/** Where arguments and results lie in the guest's memory. */
const RESULT = 0;
const VECTOR = 16;
const PATH = 1024;
const SECOND_PATH = 8192;
const DATA = 65536;

/** What opening a path came to: an errno, or a descriptor. */
export interface Opened {
  readonly errno: number;
  readonly fd: number;
}

/** Calls WASI's functions as a script does, without a script. */
export class Guest {
  readonly memory = new LinearMemory({ initial: 4 });
  readonly wasi: ScriptWasi;
  /** Descriptors of the granted directories, by name. */
  readonly directories: ReadonlyMap<string, number>;

  constructor(options: PermissionOptions, audit?: string) {
    const permissions = createPermissions({
      options,
      board: "linux",
      script: { path: "guest.wasm", wasm: new Uint8Array() },
      ...(audit !== undefined && { audit }),
    });
    this.wasi = createWasi({ args: ["guest"], env: {}, stdin: 0, stdout: 1, stderr: 2, permissions }, this.memory);
    this.wasi.start(new WebAssembly.Instance(new WebAssembly.Module(assemble({ start: [] })), {}));
    const directories = new Map<string, number>();
    for (let fd = 3; this.call("fd_prestat_get", fd, RESULT) === 0; fd++) {
      const length = this.number(RESULT + 4);
      this.call("fd_prestat_dir_name", fd, PATH, length);
      directories.set(this.memory.text(PATH, length), fd);
    }
    this.directories = directories;
  }

  /** Calls any function; gives its errno. */
  call(name: string, ...args: (number | bigint)[]): number {
    const body = this.wasi.imports[name] as unknown as (...args: (number | bigint)[]) => number;
    return body(...args);
  }

  number(at: number): number {
    return Buffer.from(this.memory.view(at, 4)).readUInt32LE(0);
  }

  /** The granted directory of a name. */
  directory(name: string): number {
    const fd = this.directories.get(name);
    if (fd === undefined) throw new Error(`${name} is none of ${[...this.directories.keys()].join(", ")}`);
    return fd;
  }

  put(at: number, text: string | Uint8Array): readonly [at: number, lengthBytes: number] {
    const bytes = Buffer.from(text);
    this.memory.view(at, bytes.length).set(bytes);
    return [at, bytes.length];
  }

  open(
    directory: number,
    path: string | Uint8Array,
    {
      rights = RIGHTS.read,
      open = 0,
      flags = 0,
      follow = true,
    }: {
      rights?: bigint;
      open?: number;
      flags?: number;
      follow?: boolean;
    } = {},
  ): Opened {
    const at = this.put(PATH, path);
    const errno = this.call("path_open", directory, follow ? 1 : 0, ...at, open, rights, 0n, flags, RESULT);
    return { errno, fd: errno === 0 ? this.number(RESULT) : -1 };
  }

  /** Calls a function that takes a directory and a path. */
  onPath(name: string, directory: number, path: string): number {
    return this.call(name, directory, ...this.put(PATH, path));
  }

  rename(directory: number, path: string, newDirectory: number, newPath: string): number {
    return this.call(
      "path_rename",
      directory,
      ...this.put(PATH, path),
      newDirectory,
      ...this.put(SECOND_PATH, newPath),
    );
  }

  stat(directory: number, path: string, follow = true): number {
    return this.call("path_filestat_get", directory, follow ? 1 : 0, ...this.put(PATH, path), DATA);
  }

  /** Up to `lengthBytes` of what a descriptor reads next, or an errno. */
  read(fd: number, lengthBytes = 1000): string | number {
    const errno = this.call("fd_read", fd, this.#vector(lengthBytes), 1, RESULT);
    return errno === 0 ? this.memory.text(DATA, this.number(RESULT)) : errno;
  }

  /** Writes a text; gives the errno. */
  write(fd: number, text: string): number {
    const [, length] = this.put(DATA, text);
    return this.call("fd_write", fd, this.#vector(length), 1, RESULT);
  }

  /** Names in a directory, read with a small buffer, in any order. */
  list(fd: number, bufferBytes = 100): string[] {
    const names: string[] = [];
    for (let cookie = 0n; ;) {
      const errno = this.call("fd_readdir", fd, DATA, bufferBytes, cookie, RESULT);
      if (errno !== 0) throw new Error(`fd_readdir: ${errno}`);
      const used = this.number(RESULT);
      const bytes = Buffer.from(this.memory.view(DATA, used));
      let at = 0;
      while (at + 24 <= used && at + 24 + bytes.readUInt32LE(at + 16) <= used) {
        const end = at + 24 + bytes.readUInt32LE(at + 16);
        names.push(bytes.toString("utf8", at + 24, end));
        cookie = bytes.readBigUInt64LE(at);
        at = end;
      }
      if (used < bufferBytes) return names;
    }
  }

  #vector(lengthBytes: number): number {
    const vector = Buffer.alloc(8);
    vector.writeUInt32LE(DATA, 0);
    vector.writeUInt32LE(lengthBytes, 4);
    this.put(VECTOR, vector);
    return VECTOR;
  }
}
