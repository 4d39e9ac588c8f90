import { closeSync, constants, existsSync, fstatSync, lstatSync, openSync, readFileSync, readlinkSync } from "node:fs";
import { join, posix } from "node:path";
import { errnoCode } from "../../../util/errors";
import { type ErrnoName, KernelError } from "../kernel-tree";
import { PATHS } from "../paths";

/** A real one is 5 MiB on a Zynq MPSoC ZU3EG; the kernel has contiguous memory for no more than this. */
const MAX_FIRMWARE_BYTES = 128 * 2 ** 20;

/** The kernel's firmware loader. Source: kernel `drivers/base/firmware_loader/main.c`. */
export class Firmware {
  /** A directory of the target in which firmware is looked for first; empty: none. */
  searchPath = "";
  readonly #sysroot: string;

  constructor(sysroot: string) {
    this.#sysroot = sysroot;
  }

  /**
   * Reads a file from the firmware directory.
   *
   * @param name path below it
   * @throws KernelError ENOENT; EINVAL for a name that leads elsewhere, an empty file or what is no file; ENOMEM
   */
  read(name: string): Buffer {
    if (name === "" || name.split("/").includes("..")) throw new KernelError("EINVAL", `"${name}" is no firmware name`);
    const directories = [this.searchPath, `/${PATHS.firmware}`].filter((directory) => directory !== "");
    for (const directory of directories) {
      try {
        return readWhole(this.#resolve(join(this.#sysroot, posix.resolve("/", directory), name)));
      } catch (error) {
        if (errnoCode(error) !== "ENOENT") throw asKernelError(error);
      }
    }
    throw new KernelError("ENOENT");
  }

  /**
   * Where a path leads: a program that has the board as its root directory makes links that begin there; others make links
   * that begin at this machine's.
   */
  #resolve(path: string): string {
    if (existsSync(path)) return path;
    const target = lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() ? readlinkSync(path) : "";
    return posix.isAbsolute(target) ? join(this.#sysroot, target) : path;
  }
}

function readWhole(path: string): Buffer {
  // Else a pipe would keep the board waiting for its writer.
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const stat = fstatSync(fd);
    if (!stat.isFile() || stat.size === 0) throw new KernelError("EINVAL", "firmware is a file that is not empty");
    if (stat.size > MAX_FIRMWARE_BYTES) throw new KernelError("ENOMEM");
    return readFileSync(fd);
  } finally {
    closeSync(fd);
  }
}

function asKernelError(error: unknown): unknown {
  const code = errnoCode(error);
  return error instanceof KernelError || code === undefined ? error : new KernelError(code as ErrnoName);
}
