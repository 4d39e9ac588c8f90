import { realpathSync, statSync } from "node:fs";
import { basename, dirname, join, posix, resolve } from "node:path";
import { AxiscriptError, errnoCode, messageOf } from "../../util/errors";

/** A firmware file's absolute path on the target, as the FPGA manager understands it. */
export function targetPath(file: string): string {
  return posix.resolve("/", file);
}

/** Whether a path is a directory or lies in it. Both are absolute. */
export function contains(directory: string, path: string): boolean {
  return path === directory || path.startsWith(directory === "/" ? "/" : `${directory}/`);
}

/**
 * As {@link contains}, for denials: some file systems take upper and lower case, and several spellings of a letter, for
 * the same.
 */
export function containsLoosely(directory: string, path: string): boolean {
  return contains(fold(directory), fold(path));
}

function fold(path: string): string {
  return path.normalize("NFC").toLowerCase();
}

/**
 * A granted directory, without symbolic links.
 *
 * @throws AxiscriptError ERR_AXI_USAGE if it is none
 */
export function grantedDirectory(path: string, flag: "read" | "write"): string {
  const what = `Cannot allow files in ${path} to be ${flag === "read" ? "read" : "written"}`;
  let real: string;
  try {
    real = realpathSync(path);
  } catch (cause) {
    const reason =
      errnoCode(cause) === "ENOENT" ? "there is no such directory" : (errnoCode(cause) ?? messageOf(cause));
    throw new AxiscriptError("ERR_AXI_USAGE", `${what}: ${reason}.`, { cause });
  }
  if (statSync(real, { throwIfNoEntry: false })?.isDirectory()) return real;
  throw new AxiscriptError("ERR_AXI_USAGE", `${what}: it is not a directory. Grant the directory that holds it.`);
}

/** A denied path, without symbolic links as far as it exists: what is denied may come later. */
export function deniedPath(path: string): string {
  const absolute = resolve(path);
  try {
    return realpathSync(absolute);
  } catch {
    const parent = dirname(absolute);
    return parent === absolute ? absolute : join(deniedPath(parent), basename(absolute));
  }
}
