import type { BigIntStats } from "node:fs";
import type { LinearMemory } from "../../../memory/linear-memory";
import { dataView } from "../wasi-memory";
import type { Handle } from "./sandbox";

/**
 * How WASI preview 1 lays things out in memory, and numbers them.
 * Source: `wasi_snapshot_preview1.witx`.
 */
export const FILETYPE = { unknown: 0, block: 1, character: 2, directory: 3, file: 4, socket: 6, link: 7 } as const;

const RIGHT = {
  fdDatasync: 1n << 0n,
  fdRead: 1n << 1n,
  fdSeek: 1n << 2n,
  fdSync: 1n << 4n,
  fdTell: 1n << 5n,
  fdWrite: 1n << 6n,
  fdAllocate: 1n << 8n,
  pathCreateDirectory: 1n << 9n,
  pathCreateFile: 1n << 10n,
  pathOpen: 1n << 13n,
  fdReaddir: 1n << 14n,
  pathRenameSource: 1n << 16n,
  pathRenameTarget: 1n << 17n,
  pathFilestatGet: 1n << 18n,
  pathFilestatSetSize: 1n << 19n,
  fdFilestatGet: 1n << 21n,
  fdFilestatSetSize: 1n << 22n,
  pathRemoveDirectory: 1n << 25n,
  pathUnlinkFile: 1n << 26n,
} as const;

/** Any of these asks for a file to be read, or written. */
export const READ_RIGHTS = RIGHT.fdRead;
export const WRITE_RIGHTS = RIGHT.fdWrite | RIGHT.fdAllocate | RIGHT.fdFilestatSetSize;

const ANY_FILE = RIGHT.fdSeek | RIGHT.fdTell | RIGHT.fdFilestatGet;
const READ_FILE = RIGHT.fdRead;
const WRITE_FILE = RIGHT.fdWrite | RIGHT.fdDatasync | RIGHT.fdSync | RIGHT.fdFilestatSetSize;
const ANY_DIRECTORY = RIGHT.pathOpen | RIGHT.pathFilestatGet | RIGHT.fdFilestatGet;
const READ_DIRECTORY = RIGHT.fdReaddir;
const WRITE_DIRECTORY =
  RIGHT.pathCreateDirectory |
  RIGHT.pathCreateFile |
  RIGHT.pathFilestatSetSize |
  RIGHT.pathRenameSource |
  RIGHT.pathRenameTarget |
  RIGHT.pathRemoveDirectory |
  RIGHT.pathUnlinkFile;

/** What can be done with something that is open, and with what is opened below it. */
export function rightsOf({ kind, read, write }: Handle): { base: bigint; inheriting: bigint } {
  const file = ANY_FILE | (read ? READ_FILE : 0n) | (write ? WRITE_FILE : 0n);
  if (kind === "file") return { base: file, inheriting: 0n };
  const directory = ANY_DIRECTORY | (read ? READ_DIRECTORY : 0n) | (write ? WRITE_DIRECTORY : 0n);
  return { base: directory, inheriting: directory | file };
}

/** Stores a `filestat`: 64 bytes. */
export function storeFileStat(memory: LinearMemory, guestPtr: number, stat: BigIntStats): void {
  const data = dataView(memory, guestPtr, 64);
  data.setBigUint64(0, stat.dev, true);
  data.setBigUint64(8, stat.ino, true);
  data.setBigUint64(16, BigInt(fileTypeOf(stat)), true);
  data.setBigUint64(24, stat.nlink, true);
  data.setBigUint64(32, stat.size, true);
  data.setBigUint64(40, stat.atimeNs, true);
  data.setBigUint64(48, stat.mtimeNs, true);
  data.setBigUint64(56, stat.ctimeNs, true);
}

function fileTypeOf(stat: BigIntStats): number {
  if (stat.isFile()) return FILETYPE.file;
  if (stat.isDirectory()) return FILETYPE.directory;
  if (stat.isSymbolicLink()) return FILETYPE.link;
  if (stat.isCharacterDevice()) return FILETYPE.character;
  if (stat.isBlockDevice()) return FILETYPE.block;
  return stat.isSocket() ? FILETYPE.socket : FILETYPE.unknown;
}
