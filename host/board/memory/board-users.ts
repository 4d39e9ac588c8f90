import { readdirSync, readFileSync, readlinkSync, statSync } from "node:fs";
import { monotonicMs } from "../../util/clock";
import { fileIdentity } from "../../native/file-identity";
import type { KnownDeviceFiles } from "../kernel/devices/device-files";
import { type Mapping, parseMappings } from "./mappings";

/** How long at most a process counts as one that does not use the board, if nothing speaks against it. */
const BELIEVED_FOR_MS = 200;

/**
 * The processes that use a board: those that have one of its device files open or mapped.
 *
 * Files are told apart by device and inode, whatever they are called where a process sees them, and only those count that
 * the board has made itself: what else may lie in its directory, or may be laid over it, makes nobody a user.
 *
 * A process that used none of them is asked again when somebody has opened one since, or after a while, since a
 * descriptor may also be passed on.
 */
export class BoardUsers {
  readonly #devices: KnownDeviceFiles;
  #keys: ReadonlySet<string> = new Set();
  /** By number, what tells a process that used none from another one which gets that number. */
  #others = new Map<number, number>();
  #askedAllAt = -Infinity;
  #openedThen = -1;

  constructor(devices: KnownDeviceFiles) {
    this.#devices = devices;
  }

  /** Takes the board's device files as they are now. */
  refreshFiles(): void {
    this.#keys = this.#devices.keys;
  }

  /** Those who have opened a device file since the last time, as far as that is known: at once, and not all. */
  findOpeners(): number[] {
    return this.#devices
      .takeOpeners()
      .filter((pid) => pid > 0 && pid !== process.pid && this.memoryOf(pid) !== undefined);
  }

  /** The numbers of those that there are, without this process. */
  find(): number[] {
    this.refreshFiles();
    const now = monotonicMs();
    const { opened } = this.#devices;
    if (opened !== this.#openedThen || now - this.#askedAllAt > BELIEVED_FOR_MS) {
      this.#others = new Map();
      this.#askedAllAt = now;
      this.#openedThen = opened;
    }
    if (!this.#devices.inUse) return [];
    const pids = readdirSync("/proc").map(Number).filter(Number.isInteger);
    return pids.filter((pid) => pid !== process.pid && this.#isUser(pid));
  }

  /**
   * The mappings of a user that are memory: all but those that it may not read, and the device files themselves.
   * `undefined` for a process that does not use the board, is gone, or may not be looked at.
   */
  memoryOf(pid: number): Mapping[] | undefined {
    try {
      const text = readMaps(pid);
      if (!this.#uses(pid, text)) return undefined;
      return parseMappings(text).filter(({ readable, file }) => readable && !this.#keys.has(file));
    } catch {
      return undefined;
    }
  }

  #isUser(pid: number): boolean {
    // The directory of a process has an inode that no other process gets.
    const identity = statSync(`/proc/${pid}`, { throwIfNoEntry: false })?.ino;
    if (identity === undefined || this.#others.get(pid) === identity) return false;
    try {
      if (this.#uses(pid, readMaps(pid))) return true;
    } catch {
      // Gone, or somebody who may not be looked at.
    }
    this.#others.set(pid, identity);
    return false;
  }

  #uses(pid: number, maps: string): boolean {
    return this.#mapsOne(maps) || this.#hasOpen(pid);
  }

  #mapsOne(maps: string): boolean {
    // Most processes have nothing on the device that the files are on, and need no closer look.
    const devices = new Set([...this.#keys].map((key) => key.slice(0, key.lastIndexOf(":"))));
    if (![...devices].some((device) => maps.includes(` ${device} `))) return false;
    return parseMappings(maps).some(({ file }) => this.#keys.has(file));
  }

  #hasOpen(pid: number): boolean {
    const directory = `/proc/${pid}/fd`;
    return readdirSync(directory).some((descriptor) => {
      const link = `${directory}/${descriptor}`;
      try {
        if (!this.#devices.mayBe(readlinkSync(link))) return false;
        return this.#keys.has(fileIdentity(link));
      } catch {
        return false;
      }
    });
  }
}

function readMaps(pid: number): string {
  return readFileSync(`/proc/${pid}/maps`, "latin1");
}
