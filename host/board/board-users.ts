import { readdirSync, readlinkSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { kernelFileName } from "../devices/lock-holders";
import { type Mapping, readMappings } from "./mappings";

/** What the kernel adds to the path of a file that was removed. */
const DELETED = / \(deleted\)$/;

/**
 * A search for the processes that use a board: those that have one of its device files open or mapped.
 *
 * Files are told apart by device and inode, whatever they are called where a process sees them. A file that was removed
 * counts for as long as the board has it mapped, and until then nobody else gets its inode.
 */
export class UserSearch {
  readonly #files: DeviceFiles;

  /** @param devices the board's directory of device files, without symbolic links */
  constructor(devices: string) {
    this.#files = deviceFiles(devices);
  }

  /** The numbers of those that there are, without this process. */
  find(): number[] {
    const pids = readdirSync("/proc").map(Number).filter(Number.isInteger);
    return pids.filter((pid) => pid !== process.pid && this.memoryOf(pid) !== undefined);
  }

  /**
   * The mappings of a user that are memory: all but those that it may not read, and the device files themselves.
   * `undefined` for a process that does not use the board, is gone, or may not be looked at.
   */
  memoryOf(pid: number): Mapping[] | undefined {
    const { keys } = this.#files;
    try {
      const mappings = readMappings(pid);
      const isUser = mappings.some(({ file }) => keys.has(file)) || hasOpen(pid, this.#files);
      return isUser ? mappings.filter(({ readable, file }) => readable && !keys.has(file)) : undefined;
    } catch {
      return undefined;
    }
  }
}

interface DeviceFiles {
  /** As {@link kernelFileName} gives them. */
  readonly keys: Set<string>;
  readonly names: Set<string>;
}

/** The device files that are there, and those that this process, which is the board, still has mapped. */
function deviceFiles(devices: string): DeviceFiles {
  const files: DeviceFiles = { keys: new Set(), names: new Set() };
  for (const { file, path } of readMappings("self")) {
    if (!path.startsWith(`${devices}/`)) continue;
    files.keys.add(file);
    files.names.add(basename(path.replace(DELETED, "")));
  }
  for (const name of readdirSync(devices)) {
    const stat = statSync(join(devices, name), { bigint: true, throwIfNoEntry: false });
    if (!stat) continue;
    files.keys.add(kernelFileName(stat));
    files.names.add(name);
  }
  return files;
}

/** Only files that are called like one of the board's are asked who they are: others may be slow to answer. */
function hasOpen(pid: number, { keys, names }: DeviceFiles): boolean {
  const directory = `/proc/${pid}/fd`;
  return readdirSync(directory).some((descriptor) => {
    const link = `${directory}/${descriptor}`;
    try {
      if (!names.has(basename(readlinkSync(link).replace(DELETED, "")))) return false;
      return keys.has(kernelFileName(statSync(link, { bigint: true })));
    } catch {
      return false;
    }
  });
}
