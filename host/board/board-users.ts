import { readdirSync, readlinkSync, realpathSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { monotonicMs } from "../clock";
import { kernelFileName } from "../devices/lock-holders";
import { EVENT, FileWatch, WATCH } from "../native/file-watch";
import { type Mapping, readMappings } from "./mappings";

/** What the kernel adds to the path of a file that was removed. */
const DELETED = / \(deleted\)$/;

/** How long at most a process counts as one that does not use the board, if nothing speaks against it. */
const BELIEVED_FOR_MS = 200;

/**
 * The processes that use a board: those that have one of its device files open or mapped.
 *
 * Files are told apart by device and inode, whatever they are called where a process sees them. A file that was removed
 * counts for as long as the board has it mapped, and until then nobody else gets its inode.
 *
 * A process that used none of them is asked again when somebody has opened one since, or after a while, since a
 * descriptor may also be passed on.
 */
export class BoardUsers {
  readonly #devices: string;
  readonly #own: string;
  readonly #watch = new FileWatch();
  #files: DeviceFiles;
  /** By number, what tells a process that used none from another one which gets that number. */
  #others = new Map<number, number>();
  #askedAllAt = -Infinity;

  /**
   * @param devices the board's directory of device files
   * @param own where the board itself opens them
   */
  constructor(devices: string, own: string) {
    this.#devices = realpathSync(devices);
    this.#own = realpathSync(own);
    this.#watch.add(this.#devices, WATCH.opened);
    this.#files = deviceFiles(this.#devices, this.#own);
  }

  /** The numbers of those that there are, without this process. */
  find(): number[] {
    this.refreshFiles();
    const now = monotonicMs();
    if (this.#wasOpened() || now - this.#askedAllAt > BELIEVED_FOR_MS) {
      this.#others = new Map();
      this.#askedAllAt = now;
    }
    const pids = readdirSync("/proc").map(Number).filter(Number.isInteger);
    return pids.filter((pid) => pid !== process.pid && this.#isUser(pid));
  }

  /** Takes the board's device files as they are now. */
  refreshFiles(): void {
    this.#files = deviceFiles(this.#devices, this.#own);
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

  close(): void {
    this.#watch.close();
  }

  /** Whether somebody has opened a device file since this was asked last. */
  #wasOpened(): boolean {
    let any = false;
    // The directory itself may be looked at.
    this.#watch.take((what) => (any ||= (what & EVENT.ofDirectory) === 0));
    return any;
  }

  #isUser(pid: number): boolean {
    // The directory of a process has an inode that no other process gets.
    const identity = statSync(`/proc/${pid}`, { throwIfNoEntry: false })?.ino;
    if (identity === undefined || this.#others.get(pid) === identity) return false;
    if (this.memoryOf(pid)) return true;
    this.#others.set(pid, identity);
    return false;
  }
}

interface DeviceFiles {
  /** As {@link kernelFileName} gives them. */
  readonly keys: Set<string>;
  readonly names: Set<string>;
}

/** The device files that are there, and those that this process, which is the board, still has mapped. */
function deviceFiles(devices: string, own: string): DeviceFiles {
  const files: DeviceFiles = { keys: new Set(), names: new Set() };
  for (const { file, path } of readMappings("self")) {
    if (!path.startsWith(`${own}/`)) continue;
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
