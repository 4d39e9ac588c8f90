import { mkdirSync, mkdtempSync, openSync, closeSync, rmSync, writeFileSync, existsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { map, MAP_SHARED, pageSizeBytes, PROT_READ, PROT_WRITE, viewMemory } from "../host/native/libc";
import { addUioDevice } from "../test/support/uio-device";

let root: string | undefined;

/** A sysroot with one UIO device whose registers are a plain file in memory: nothing is at work behind them. */
export interface RegisterFile {
  readonly sysroot: string;
  /** The device file. */
  readonly path: string;
  /** The registers, mapped. */
  readonly words: Int32Array;
  /** Of the mapping, in this process. */
  readonly virtualAddress: number;
  /** Where descriptions of the device are; empty if it was given none. */
  readonly deviceDirectories: readonly string[];
}

/**
 * Makes a device `uio0` for as long as this process lives.
 *
 * @param words what its registers hold, by offset; 0 elsewhere
 * @param description as a description file has it; absent: one of those that ship with the package
 */
export function registerFile(
  name: string,
  words: Readonly<Record<number, number>>,
  description?: object,
): RegisterFile {
  const sysroot = directoryInMemory();
  addUioDevice(sysroot, "uio0", { name, registers: Buffer.alloc(pageSizeBytes) });
  const path = join(sysroot, "dev/uio0");
  const virtualAddress = mapped(path);
  const bytes = viewMemory(virtualAddress, pageSizeBytes);
  const registers = new Int32Array(bytes.buffer, bytes.byteOffset, pageSizeBytes / 4);
  for (const [offset, value] of Object.entries(words)) registers[Number(offset) / 4] = value;
  const deviceDirectories = description ? [descriptionDirectory(sysroot, name, description)] : [];
  return { sysroot, path, words: registers, virtualAddress, deviceDirectories };
}

function mapped(path: string): number {
  const fd = openSync(path, "r+");
  try {
    return map(pageSizeBytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd);
  } finally {
    closeSync(fd);
  }
}

function descriptionDirectory(sysroot: string, name: string, description: object): string {
  const directory = join(sysroot, "descriptions");
  mkdirSync(directory);
  writeFileSync(join(directory, `${name}.json`), JSON.stringify(description));
  return directory;
}

function directoryInMemory(): string {
  if (root === undefined) {
    const made = mkdtempSync(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "axiscript-bench-"));
    process.on("exit", () => rmSync(made, { recursive: true, force: true }));
    root = made;
  }
  return mkdtempSync(join(root, "device-"));
}
