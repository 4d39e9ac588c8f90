import { wasiClose, wasiGrantedDirectory, wasiGrantedDirectoryName, wasiOpen, wasiRead, wasiWrite } from "./abi";
import { fail } from "./errors";

/** Descriptors before this are the standard streams; from it on, the granted directories come first. */
const FIRST_DESCRIPTOR: i32 = 3;
/** Results of WASI's functions: `errno` of `wasi_snapshot_preview1`. */
const ACCESS: i32 = 2;
const IS_DIRECTORY: i32 = 31;
const NO_ENTRY: i32 = 44;
const NO_SPACE: i32 = 51;
const NOT_A_DIRECTORY: i32 = 54;
const NOT_SUPPORTED: i32 = 58;
const DENIED: i32 = 63;
const LEADS_OUT: i32 = 75;
const NOT_GRANTED: i32 = 76;

const FOLLOW_LINKS: i32 = 1;
const CREATE: i32 = 1;
const TRUNCATE: i32 = 8;
const RIGHT_READ: i64 = 1 << 1;
const RIGHT_WRITE: i64 = 1 << 6;

/** How many bytes of a file are read at first. */
const FIRST_READ_BYTES: usize = 64 * 1024;

/**
 * Where the host puts its results, and a vector of one piece:
 *
 * ```
 *   0        4        8
 *   ├ result ┼ piece  ┼ length ┤
 * ```
 */
const scratch = memory.data(12, 8);

/**
 * Reads a whole file of the machine that the script runs on. Needs `--allow-read=DIR` for the directory that holds it.
 *
 * @param path from the working directory, or absolute
 * @example
 * const weights = readFile("data/weights.bin");
 */
export function readFile(path: string): Uint8Array {
  const file = open(path, "read", 0, RIGHT_READ);
  let bytes = heap.alloc(FIRST_READ_BYTES);
  let capacity = FIRST_READ_BYTES;
  let length: usize = 0;
  while (true) {
    if (length == capacity) {
      if (capacity >= <usize>i32.MAX_VALUE / 2) {
        fail("ERR_AXI_OUT_OF_MEMORY", `Cannot read ${path}: it has more than ${length} bytes.`);
      }
      capacity *= 2;
      bytes = heap.realloc(bytes, capacity);
    }
    const errno = wasiRead(file, vector(bytes + length, capacity - length), 1, scratch);
    if (errno != 0) failWith(errno, "read", path);
    const count = load<u32>(scratch);
    if (count == 0) break;
    length += count;
  }
  wasiClose(file);
  const content = new Uint8Array(<i32>length);
  memory.copy(content.dataStart, bytes, length);
  heap.free(bytes);
  return content;
}

/** Reads a whole file as UTF-8 text. See {@link readFile}. */
export function readText(path: string): string {
  return String.UTF8.decode(readFile(path).buffer);
}

/**
 * Writes a file, in place of one that is there. Needs `--allow-write=DIR` for the directory that holds it.
 *
 * @param path from the working directory, or absolute
 */
export function writeFile(path: string, bytes: Uint8Array): void {
  write(path, bytes.dataStart, <usize>bytes.byteLength);
}

/** Writes a text as UTF-8. See {@link writeFile}. */
export function writeText(path: string, text: string): void {
  const bytes = String.UTF8.encode(text);
  write(path, changetype<usize>(bytes), <usize>bytes.byteLength);
}

function write(path: string, pointer: usize, lengthBytes: usize): void {
  const file = open(path, "write", CREATE | TRUNCATE, RIGHT_WRITE);
  let written: usize = 0;
  while (written < lengthBytes) {
    const errno = wasiWrite(file, vector(pointer + written, lengthBytes - written), 1, scratch);
    if (errno != 0) failWith(errno, "write", path);
    written += load<u32>(scratch);
  }
  wasiClose(file);
}

/** Opens a file below the granted directory that is nearest to it. */
function open(path: string, action: string, openFlags: i32, rights: i64): i32 {
  const wanted = withoutDots(path);
  let nearest = -1;
  let nearestLength = -1;
  for (let directory = FIRST_DESCRIPTOR; wasiGrantedDirectory(directory, scratch) == 0; directory++) {
    const name = grantedName(directory, load<u32>(scratch, 4));
    if (name.length > nearestLength && isBelow(wanted, name)) {
      nearest = directory;
      nearestLength = name.length;
    }
  }
  if (nearest < 0) failWith(NOT_GRANTED, action, path);
  const below = String.UTF8.encode(pathBelow(wanted, grantedName(nearest, nameBytes(nearest))));
  const errno = wasiOpen(
    nearest,
    FOLLOW_LINKS,
    changetype<usize>(below),
    below.byteLength,
    openFlags,
    rights,
    0,
    0,
    scratch,
  );
  if (errno != 0) failWith(errno, action, path);
  return load<i32>(scratch);
}

function nameBytes(directory: i32): i32 {
  wasiGrantedDirectory(directory, scratch);
  return load<i32>(scratch, 4);
}

function grantedName(directory: i32, lengthBytes: i32): string {
  const bytes = new ArrayBuffer(lengthBytes);
  if (wasiGrantedDirectoryName(directory, changetype<usize>(bytes), lengthBytes) != 0) return "";
  return String.UTF8.decode(bytes);
}

/** `./data/./x` → `data/x` */
function withoutDots(path: string): string {
  const parts = path.split("/");
  let kept = "";
  for (let i = 0; i < parts.length; i++) {
    const part = parts[i];
    if (part == "." || (part.length == 0 && i > 0)) continue;
    kept += kept.length > 0 && !kept.endsWith("/") ? "/" + part : i == 0 && part.length == 0 ? "/" : part;
  }
  return kept.length > 0 ? kept : ".";
}

/** A directory `.` holds every path that is not absolute and does not begin with `..`. */
function isBelow(path: string, directory: string): bool {
  if (directory == ".") return !path.startsWith("/") && path != ".." && !path.startsWith("../");
  if (directory == "/") return path.startsWith("/");
  return path == directory || path.startsWith(directory + "/");
}

function pathBelow(path: string, directory: string): string {
  if (directory == ".") return path;
  const rest = path.substring(directory.endsWith("/") ? directory.length : directory.length + 1);
  return rest.length > 0 ? rest : ".";
}

function vector(pointer: usize, lengthBytes: usize): usize {
  store<u32>(scratch, <u32>pointer, 4);
  store<u32>(scratch, <u32>lengthBytes, 8);
  return scratch + 4;
}

function failWith(errno: i32, action: string, path: string): void {
  const what = `Cannot ${action} ${path}: `;
  const flag = `-${action}`;
  if (errno == NOT_GRANTED) {
    // Without a full stop: behind a flag it would be part of it, and `--allow-read=..` allows the directory above.
    fail("ERR_AXI_NOT_ALLOWED", `${what}the script may not. Allow it with --allow${flag}=${quoted(directoryOf(path))}`);
  }
  if (errno == DENIED) {
    fail("ERR_AXI_NOT_ALLOWED", `${what}it is denied, by --deny${flag} or a profile, and denials win.`);
  }
  if (errno == LEADS_OUT) {
    fail("ERR_AXI_NOT_ALLOWED", `${what}it leads out of the directory that was granted, by .. or a symbolic link.`);
  }
  fail("ERR_AXI_IO", what + reason(errno));
}

function reason(errno: i32): string {
  switch (errno) {
    case ACCESS:
      return "the file's own rights do not let you.";
    case IS_DIRECTORY:
      return "it is a directory.";
    case NO_ENTRY:
    case NOT_A_DIRECTORY:
      return "there is no such file or directory.";
    case NO_SPACE:
      return "there is no space left.";
    case NOT_SUPPORTED:
      return "it is neither a file nor a directory that keeps files, but a device, a pipe or the kernel's own.";
    default:
      return `the system says no (WASI errno ${errno}).`;
  }
}

function directoryOf(path: string): string {
  const end = path.lastIndexOf("/");
  const name = path.substring(end + 1);
  if (name == "." || name == "..") return path;
  return end < 0 ? "." : end == 0 ? "/" : path.substring(0, end);
}

/** As it is typed into a shell; commas are written twice. */
function quoted(text: string): string {
  const value = text.replaceAll(",", ",,");
  for (let i = 0; i < value.length; i++) {
    const isPlain = "@%+=:,./-_".includes(value.charAt(i)) || isAlphanumeric(value.charCodeAt(i));
    if (!isPlain) return "'" + value.replaceAll("'", "'\\''") + "'";
  }
  return value;
}

function isAlphanumeric(code: i32): bool {
  return (code >= 48 && code < 58) || (code >= 65 && code < 91) || (code >= 97 && code < 123);
}
