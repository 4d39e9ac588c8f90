import { fstatSync, lstatSync, renameSync, rmSync, symlinkSync } from "node:fs";
import { kernelFileName } from "../../../linux/lock-holders";
import { EVENT, FileWatch, WATCH } from "../../../native/file-watch";
import { allocateFile, closeDescriptor, createSealedFile } from "../../../native/libc";
import type { DeviceFileOptions, DeviceMemory, KnownDeviceFiles } from "../devices/device-files";
import type { BoardFiles } from "../../directory/files";
import { readMappings } from "../../memory/mappings";
import { PATHS } from "../paths";
import { heldBytes } from "./plain-device-files";

/** What the kernel calls files in memory where a process has them open. */
const IN_MEMORY = "/memfd:";

interface SealedFile {
  /** Open, so that the link leads there. */
  readonly fd: number;
  readonly key: string;
}

/**
 * Device files of a board that stands by itself and has no file system for them: files in memory whose size is sealed, so
 * that neither the board nor a program that has them mapped can lose a page of them. In `dev` there are links to them,
 * which lead somewhere as long as the board is there.
 */
export class SealedDeviceFiles implements KnownDeviceFiles {
  readonly #files: BoardFiles;
  readonly #made = new Map<string, SealedFile>();
  /** Keys of files that were removed. */
  #removed = new Set<string>();
  readonly #watch = openWatch();
  /** By the number of a file's watch, how often it was opened and not closed. */
  readonly #users = new Map<number, number>();
  #opened = 0;
  /** Whether files are not watched, or events were lost. */
  #isUncertain = this.#watch === undefined;

  constructor(files: BoardFiles) {
    this.#files = files;
  }

  add(name: string, { lengthBytes, uio }: DeviceFileOptions): DeviceMemory {
    const sizeBytes = heldBytes(lengthBytes, uio);
    const fd = createSealedFile(name, sizeBytes);
    // Registers are there from the start. What is used of a buffer its users allocate.
    if (uio && sizeBytes > 0) allocateFile(fd, 0, sizeBytes);
    this.#watchOver(fd);
    const draft = this.#files.path(`${PATHS.private}/draft-device`);
    rmSync(draft, { force: true });
    symlinkSync(`/proc/${process.pid}/fd/${fd}`, draft);
    renameSync(draft, this.#shown(name));
    this.#made.set(name, { fd, key: kernelFileName(fstatSync(fd, { bigint: true })) });
    return { fd, close: () => {} };
  }

  remove(name: string): void {
    const made = this.#made.get(name);
    if (!made) return;
    this.#made.delete(name);
    this.#removed.add(made.key);
    this.#unlink(name);
    closeDescriptor(made.fd);
  }

  /** A file that was removed counts for as long as the board has it mapped; until then nobody else gets its inode. */
  get keys(): ReadonlySet<string> {
    if (this.#removed.size > 0) {
      const mapped = new Set(readMappings("self").map(({ file }) => file));
      this.#removed = new Set([...this.#removed].filter((key) => mapped.has(key)));
    }
    return new Set([...[...this.#made.values()].map(({ key }) => key), ...this.#removed]);
  }

  mayBe(path: string): boolean {
    return path.startsWith(IN_MEMORY);
  }

  get opened(): number {
    this.#take();
    return this.#opened;
  }

  takeOpeners(): number[] {
    return [];
  }

  get inUse(): boolean {
    this.#take();
    return this.#isUncertain || this.#users.size > 0;
  }

  get fd(): number {
    return this.#watch?.fd ?? -1;
  }

  close(): void {
    for (const [name, { fd }] of this.#made) {
      this.#unlink(name);
      closeDescriptor(fd);
    }
    this.#watch?.close();
  }

  #shown(name: string): string {
    return this.#files.path(`${PATHS.devices}/${name}`);
  }

  /** What somebody else has put in its place is left alone. */
  #unlink(name: string): void {
    if (lstatSync(this.#shown(name), { throwIfNoEntry: false })?.isSymbolicLink()) rmSync(this.#shown(name));
  }

  /** The board itself never opens the file again, so that who does is a program. */
  #watchOver(fd: number): void {
    try {
      this.#watch?.add(`/proc/self/fd/${fd}`, WATCH.opened | WATCH.closed);
    } catch {
      this.#isUncertain = true;
    }
  }

  #take(): void {
    this.#watch?.take((what, file) => {
      if (what & EVENT.overflow) this.#isUncertain = true;
      if (what & WATCH.opened) this.#opened++;
      const change = what & WATCH.opened ? 1 : what & WATCH.closed ? -1 : 0;
      const users = (this.#users.get(file) ?? 0) + change;
      if (users > 0) this.#users.set(file, users);
      // The board's own descriptor and mapping are not counted when they come, nor when they go.
      else this.#users.delete(file);
    });
  }
}

/** `undefined` where this user has as many as the kernel allows. */
function openWatch(): FileWatch | undefined {
  try {
    return new FileWatch();
  } catch {
    return undefined;
  }
}
