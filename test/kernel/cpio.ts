import { writeSync } from "node:fs";
import { dirname } from "node:path";

/** A file, directory or symbolic link of an archive; owned by root. */
export interface ArchiveEntry {
  /** Absolute, in the system that the archive is for. */
  readonly path: string;
  /** Permissions. */
  readonly mode: number;
  /** A file's bytes, called for when they are written; absent: a directory. */
  readonly content?: () => Uint8Array;
  /** What a symbolic link points to. */
  readonly target?: string;
}

const TYPES = { directory: 0o040000, file: 0o100000, link: 0o120000 } as const;
const ALIGNMENT = 4;

/**
 * Writes an archive that the kernel unpacks as its first root file system. Parent directories need not be given.
 * Source: kernel `Documentation/driver-api/early-userspace/buffer-format.rst`, format `newc`.
 *
 * @param fd a file that is open for writing
 */
export function writeArchive(fd: number, entries: readonly ArchiveEntry[]): void {
  let inode = 1;
  const known = new Set(["/"]);
  const add = (entry: ArchiveEntry) => {
    if (known.has(entry.path)) return;
    add({ path: dirname(entry.path), mode: 0o755 });
    known.add(entry.path);
    write(fd, inode++, entry);
  };
  for (const entry of entries) add(entry);
  write(fd, 0, { path: "/TRAILER!!!", mode: 0, content: () => new Uint8Array() });
}

function write(fd: number, inode: number, { path, mode, content, target }: ArchiveEntry): void {
  const type = target !== undefined ? TYPES.link : content ? TYPES.file : TYPES.directory;
  const data = target !== undefined ? Buffer.from(target) : (content?.() ?? new Uint8Array());
  const name = Buffer.from(`${path.slice(1)}\0`);
  const fields = [inode, type | mode, 0, 0, 1, 0, data.length, 0, 0, 0, 0, name.length, 0];
  const header = Buffer.from(`070701${fields.map((field) => field.toString(16).padStart(8, "0")).join("")}`);
  for (const part of [padded(Buffer.concat([header, name])), padded(data)]) {
    for (let at = 0; at < part.length;) at += writeSync(fd, part, at);
  }
}

function padded(bytes: Uint8Array): Uint8Array {
  const missing = -bytes.length & (ALIGNMENT - 1);
  return missing === 0 ? bytes : Buffer.concat([bytes, Buffer.alloc(missing)]);
}
