import { closeSync, openSync } from "node:fs";
import { join } from "node:path";
import { AxiscriptError, messageOf } from "../errors";
import { atExit } from "./at-exit";
import type { BoardMemoryHandle } from "./board-memory";
import { BoardDirectory } from "./directory";
import type { Faults } from "./fabric";
import { createPagemap, type PageFrames } from "./page-frames";
import type { KernelMount } from "./kernel-mount";
import type { OverlayErrors } from "./overlay-attributes";
import { SharedMemoryTable } from "./shared-memory-table";
import { PATHS } from "./paths";
import { BoardThread } from "./thread";
import { buildTree } from "./tree";
import { createUDmaBufDevice, createUDmaBufFiles } from "./u-dma-buf";

export interface VirtualBoardOptions {
  /** Where to build the board's files, to be kept. Absent: in a temporary directory. */
  readonly sysroot?: string;
  /** Cores that misbehave. */
  readonly faults?: Faults;
  /**
   * `plain` if absent: plain files, at which the board looks again and again. `fuse`: a file system, in which everything
   * takes effect at once and fails with the kernel's errno; it needs root and FUSE, else the files are plain, and
   * {@link VirtualBoard.kernelFilesNote} says so. Such a board starts as after power-up, in a directory that stays, too.
   */
  readonly kernelFiles?: "fuse" | "plain";
  /** With `fuse`: whether a refused overlay is an error of the write to `path`; `returned` if absent. */
  readonly overlayErrors?: OverlayErrors;
  /** With `fuse`: how long the FPGA takes to program, in milliseconds; 0 if absent. */
  readonly programmingMs?: number;
  /** Seed of the transfers' durations; 1 if absent. */
  readonly seed?: number;
  /** A file for the record of the bus: one line of JSON for each transfer that a core issued. Absent: no record. */
  readonly busLog?: string;
}

/**
 * A virtual Ultra96-V2: the files of its kernel in a directory, and a thread that is the kernel and the fabric.
 */
export class VirtualBoard {
  /** The directory to use in place of `/`. */
  readonly sysroot: string;
  readonly #directory: BoardDirectory;
  readonly #frames: PageFrames;
  readonly #memoryTable: SharedMemoryTable;
  readonly #mount: KernelMount | undefined;
  readonly #thread: BoardThread;
  readonly #cancelAtExit: () => void;

  /**
   * Builds a board and starts it. Its files are there when this returns; its thread serves them a moment later.
   *
   * @throws AxiscriptError ERR_AXI_BOARD, ERR_AXI_BOARD_BUSY; ERR_AXI_IO if the bus cannot be recorded
   */
  constructor(options: VirtualBoardOptions = {}) {
    if (options.busLog !== undefined) createBusLog(options.busLog);
    this.#directory =
      options.sysroot === undefined ? BoardDirectory.temporary() : BoardDirectory.permanent(options.sysroot);
    this.sysroot = this.#directory.path;
    this.#memoryTable = new SharedMemoryTable();
    try {
      this.#mount = options.kernelFiles === "fuse" ? mount(this.sysroot) : undefined;
      if (this.#mount?.fd === undefined) buildTree(this.sysroot);
      this.#frames = createPagemap(join(this.sysroot, PATHS.pagemap));
      createUDmaBufDevice(this.sysroot);
      const { deviceBufferAddress } = this.#frames;
      if (this.#mount?.fd === undefined) createUDmaBufFiles(this.sysroot, deviceBufferAddress);
    } catch (cause) {
      this.#release();
      throw new AxiscriptError(
        "ERR_AXI_BOARD",
        `Cannot build a virtual board in ${this.sysroot}: ${messageOf(cause)}`,
        {
          cause,
        },
      );
    }
    try {
      this.#thread = BoardThread.take();
    } catch (cause) {
      this.#release();
      throw new AxiscriptError("ERR_AXI_BOARD", `Cannot start the virtual board's thread: ${messageOf(cause)}`, {
        cause,
      });
    }
    this.#thread.serve({
      sysroot: this.sysroot,
      memoryTable: this.#memoryTable.buffer,
      faults: options.faults ?? {},
      seed: options.seed ?? 1,
      bufferAddress: this.#frames.deviceBufferAddress,
      fuse:
        this.#mount?.fd === undefined
          ? undefined
          : {
              fd: this.#mount.fd,
              overlayErrors: options.overlayErrors ?? "returned",
              programmingMs: options.programmingMs ?? 0,
            },
      busLog: options.busLog,
    });
    // A program that forgets to stop its board leaves nothing behind either.
    this.#cancelAtExit = atExit(() => this.#release());
  }

  /** What a user should know of its physical addresses. */
  get addressNote(): string | undefined {
    if (this.#frames.real) return undefined;
    return (
      "physical addresses are the virtual board's own, since this user may not see page frame numbers; " +
      "whether pages move cannot be verified here"
    );
  }

  /** What a user should know who asked for a file system and got plain files. */
  get kernelFilesNote(): string | undefined {
    return this.#mount?.note;
  }

  /** For a `BoardMemory` in any thread of this process that runs scripts. */
  get memory(): BoardMemoryHandle {
    return { table: this.#memoryTable.buffer, frames: this.#frames.handle };
  }

  /**
   * Ends the board and removes its temporary files.
   *
   * @throws AxiscriptError ERR_AXI_BOARD if its thread had failed
   */
  async stop(): Promise<void> {
    const failure = await this.#thread.stop();
    this.#cancelAtExit();
    this.#frames.close();
    this.#release();
    if (failure) {
      throw new AxiscriptError("ERR_AXI_BOARD", `The virtual board failed: ${messageOf(failure)}`, {
        cause: failure,
      });
    }
  }

  #release(): void {
    this.#mount?.unmount?.();
    this.#directory.release();
  }
}

/** Loaded for boards that ask for it. */
function mount(sysroot: string): KernelMount {
  const { mountKernelFiles } = require("./kernel-mount") as typeof import("./kernel-mount");
  return mountKernelFiles(sysroot);
}

/** The board's thread opens it again; what is wrong with it is better said at once. */
function createBusLog(path: string): void {
  try {
    closeSync(openSync(path, "w"));
  } catch (cause) {
    throw new AxiscriptError("ERR_AXI_IO", `Cannot record the bus in ${path}: ${messageOf(cause)}`, { cause });
  }
}
