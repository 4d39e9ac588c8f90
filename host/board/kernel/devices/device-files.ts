import type { BoardInterrupt } from "../../fabric/interrupt";

/** Of a device file that the board has just made: what it holds. */
export interface DeviceMemory {
  /** Open for reading and writing. */
  readonly fd: number;
  /** Says that the descriptor is not needed any more. */
  readonly close: () => void;
  /** Of a device that has one, unless that lies behind the registers: see `INTERRUPT_PAGE`. */
  readonly interrupt?: BoardInterrupt;
}

/** What a device file is made with. */
export interface DeviceFileOptions {
  readonly lengthBytes: number;
  /** Of a UIO device: whether it has an interrupt. Absent: reads and writes move what the file holds. */
  readonly uio?: { readonly hasInterrupt: boolean };
}

/** The board's device files, whichever way it shows them: as plain ones, in memory, or by a file system of its own. */
export interface DeviceFiles {
  /** Makes one appear, or takes over what is there. */
  add(name: string, options: DeviceFileOptions): DeviceMemory;
  /** Makes one disappear; who has it open or mapped keeps it. */
  remove(name: string): void;
  close(): void;
}

/** Device files of a board that serves more than its own process: it knows them, and nobody else's. */
export interface KnownDeviceFiles extends DeviceFiles {
  /**
   * Those that there are, and those that were removed and are still used, by device and inode (`kernelFileName`): never
   * any file that the board did not make.
   */
  readonly keys: ReadonlySet<string>;
  /** Whether a file that a process has open by that path may be one: others may be slow to say who they are. */
  mayBe(path: string): boolean;
  /** Changes whenever somebody opens one, as far as that is noticed. */
  readonly opened: number;
  /** The processes that have opened one since this was called last, as far as that is known. They may not use it any more. */
  takeOpeners(): number[];
  /** False only if it is certain that nobody has one open or mapped: as long as nobody has, nobody writes to a register. */
  readonly inUse: boolean;
  /** Readable when {@link inUse} may have changed; -1: who waits for the kernel's files notices. */
  readonly fd: number;
}
