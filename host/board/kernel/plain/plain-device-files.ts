import { appendFileSync, closeSync, existsSync, linkSync, lstatSync, openSync, rmSync, statSync } from "node:fs";
import { pageSizeBytes } from "../../../native/libc";
import type { DeviceFileOptions, DeviceFiles, DeviceMemory } from "../devices/device-files";
import type { BoardFiles } from "../../directory/files";
import { PATHS } from "../paths";

/** Device files of a board that serves its own process: plain ones, which a kept board finds again. */
export class PlainDeviceFiles implements DeviceFiles {
  readonly #files: BoardFiles;

  constructor(files: BoardFiles) {
    this.#files = files;
  }

  add(name: string, { lengthBytes, uio }: DeviceFileOptions): DeviceMemory {
    const shown = this.#files.path(`${PATHS.devices}/${name}`);
    const own = this.#files.path(`${PATHS.private}/${name}`);
    const neededBytes = heldBytes(lengthBytes, uio);
    rmSync(own, { force: true });
    // A link is what a board that stood by itself has left.
    if (lstatSync(shown, { throwIfNoEntry: false })?.isSymbolicLink()) rmSync(shown);
    try {
      const isNew = !existsSync(shown);
      if (!isNew) linkSync(shown, own);
      const presentBytes = isNew ? 0 : statSync(own).size;
      // Zeros, not a hole: on a full disk a hole is a SIGBUS when it is touched.
      if (isNew || presentBytes < neededBytes) {
        appendFileSync(own, Buffer.alloc(Math.max(0, neededBytes - presentBytes)), { mode: 0o600 });
      }
      const fd = openSync(own, "r+");
      if (isNew) linkSync(own, shown);
      return { fd, close: () => closeSync(fd) };
    } finally {
      rmSync(own, { force: true });
    }
  }

  remove(name: string): void {
    rmSync(this.#files.path(`${PATHS.devices}/${name}`), { force: true });
  }

  close(): void {}
}

/** The size of a device file that is not a file system's: whole pages, and one more for an interrupt. */
export function heldBytes(lengthBytes: number, uio: DeviceFileOptions["uio"]): number {
  return wholePages(lengthBytes) + (uio?.hasInterrupt ? pageSizeBytes : 0);
}

export function wholePages(lengthBytes: number): number {
  return Math.ceil(lengthBytes / pageSizeBytes) * pageSizeBytes;
}
