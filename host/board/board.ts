import { closeSync } from "node:fs";
import { join } from "node:path";
import { AxiscriptError, messageOf } from "../util/errors";
import { atExit } from "./at-exit";
import type { BoardMemoryHandle } from "./memory/board-memory";
import { addFirmware } from "./kernel/fpga/built-firmware";
import { BoardDirectory } from "./directory/directory";
import type { Faults } from "./fabric/fabric";
import type { FuseKernelOptions } from "./kernel/fuse/fuse-kernel";
import type { KernelMount } from "./kernel/kernel-mount";
import type { Coherency } from "./memory/main-memory";
import type { ReachedMemory } from "./kernel/open-bus";
import type { OverlayErrors } from "./kernel/fpga/overlay-attributes";
import { createPagemap, linkPagemap, type PageFrames } from "./memory/page-frames";
import { announceBoard, retractBoard } from "./running-board";
import { SharedMemoryTable } from "./memory/shared-memory-table";
import { PATHS } from "./kernel/paths";
import { BoardThread } from "./thread";
import { buildTree } from "./kernel/tree";
import { createUDmaBufDevice, createUDmaBufFiles } from "./kernel/devices/u-dma-buf";
import type { LoadedModel } from "./cores/user-core";

export interface VirtualBoardOptions {
  /** Where to build the board's files. Absent: in a temporary directory. */
  readonly sysroot?: string;
  /** Whether a directory that held no board before is kept when the board ends; true if absent. */
  readonly keep?: boolean;
  /** Serves every process that uses its files, in place of this one alone. */
  readonly standalone?: boolean;
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
  /**
   * `relaxed` if absent: devices and scripts see the same memory. `strict`: a port that does not snoop the processor's
   * caches (HP; HPC without the side band for it) sees what was synchronised, and nothing else, as it may on hardware.
   */
  readonly coherency?: Coherency;
  /** A file for the record of what happens on the board, one line of JSON each. Absent: no record. */
  readonly record?: string;
  /** Cores of the user's own. */
  readonly models?: readonly LoadedModel[];
}

/**
 * A virtual Ultra96-V2: the files of its kernel in a directory, and a thread that is the kernel and the fabric.
 */
export class VirtualBoard {
  /** The directory to use in place of `/`. */
  readonly sysroot: string;
  readonly #directory: BoardDirectory;
  readonly #frames: PageFrames;
  readonly #memoryTable: SharedMemoryTable | undefined;
  readonly #mount: KernelMount | undefined;
  readonly #thread: BoardThread;
  readonly #models: readonly string[];
  readonly #cancelAtExit: () => void;

  /**
   * Builds a board and starts it. Its files are there when this returns; its thread serves them a moment later.
   *
   * @throws AxiscriptError ERR_AXI_BOARD, ERR_AXI_BOARD_BUSY, ERR_AXI_BOARD_OWNER; ERR_AXI_IO if the record cannot be written
   */
  constructor(options: VirtualBoardOptions = {}) {
    const { sysroot, keep, standalone = false, record, models = [] } = options;
    this.#models = models.map(({ path }) => path);
    this.#directory = sysroot === undefined ? BoardDirectory.temporary() : BoardDirectory.permanent(sysroot, keep);
    this.sysroot = this.#directory.path;
    this.#memoryTable = standalone ? undefined : new SharedMemoryTable();
    try {
      if (record !== undefined) createRecord(record);
      retractBoard(this.sysroot);
      this.#mount = options.kernelFiles === "fuse" ? mount(this.sysroot) : undefined;
      this.#frames = this.#build(options);
      this.#directory.noteBuilt();
      this.#thread = takeThread();
    } catch (error) {
      this.#release();
      throw error;
    }
    this.#thread.serve({
      sysroot: this.sysroot,
      memory: this.#reachedMemory(),
      faults: options.faults ?? {},
      seed: options.seed ?? 1,
      strictCoherency: options.coherency === "strict",
      record,
      models: this.#models,
      bufferAddress: this.#frames.deviceBufferAddress,
      fuse: this.#fuse(options),
    });
    // A program that forgets to stop its board leaves nothing behind either.
    this.#cancelAtExit = atExit(() => this.#release(), { atSignals: true });
  }

  /** What a user should know of its physical addresses. */
  get addressNote(): string | undefined {
    if (this.#frames.real) return undefined;
    return this.#memoryTable
      ? "physical addresses are the virtual board's own, since this user may not see page frame numbers; " +
          "whether pages move cannot be verified here"
      : `devices of the board in ${this.sysroot} reach its u-dma-buf and no other memory: it was started without ` +
          "CAP_SYS_ADMIN, and the kernel hides page frame numbers from it";
  }

  /** What a user should know who asked for a file system and got plain files. */
  get kernelFilesNote(): string | undefined {
    return this.#mount?.note;
  }

  /** For a `BoardMemory` in any thread of this process that runs scripts; absent: the board needs to be told nothing. */
  get memory(): BoardMemoryHandle | undefined {
    return this.#memoryTable && { table: this.#memoryTable.buffer, frames: this.#frames.handle };
  }

  /** What a user should know of a model that does not return from a call, while it does not. */
  get hangingModel(): string | undefined {
    if (this.#models.length === 0) return undefined;
    const path = this.#models[this.#thread.hangingModel() ?? -1];
    return (
      path &&
      `ERR_AXI_MODEL: the model ${path} does not return from a call, and the board stands still. Is there a loop in it without an end?`
    );
  }

  /** Whether its files stay when it ends. */
  get kept(): boolean {
    return this.#directory.kept;
  }

  /** Resolves when its thread has ended, asked to or not: {@link stop} says of what. */
  get ended(): Promise<void> {
    return this.#thread.exited;
  }

  /** Why nobody serves it any more, though nobody stopped it; `undefined` if that is not so. */
  get failure(): AxiscriptError | undefined {
    return failed(this.#thread.failure);
  }

  /** Tells other processes that they may use the board, once its thread serves it. The program then runs on until it is stopped. */
  async announce(): Promise<void> {
    await this.#thread.whenServing();
    const { addressNote } = this;
    announceBoard(this.sysroot, { pid: process.pid, ...(addressNote !== undefined && { addressNote }) });
  }

  /**
   * Ends the board and removes its temporary files.
   *
   * @throws AxiscriptError ERR_AXI_BOARD if its thread had failed
   */
  async stop(): Promise<void> {
    const failure = failed(await this.#thread.stop());
    this.#cancelAtExit();
    this.#frames.close();
    retractBoard(this.sysroot);
    this.#release();
    if (failure) throw failure;
  }

  #build({ standalone = false, coherency, models = [] }: VirtualBoardOptions): PageFrames {
    const plain = this.#mount?.fd === undefined;
    try {
      if (plain) buildTree(this.sysroot);
      if (models.length > 0) addModels(this.sysroot, models);
      const pagemap = join(this.sysroot, PATHS.pagemap);
      const frames = standalone ? linkPagemap(pagemap) : createPagemap(pagemap);
      // The thread makes that of a board that others use, too.
      if (!standalone && !this.#mount?.devices) createUDmaBufDevice(this.sysroot);
      if (plain) createUDmaBufFiles(this.sysroot, frames.deviceBufferAddress, coherency !== "strict");
      return frames;
    } catch (cause) {
      throw new AxiscriptError(
        "ERR_AXI_BOARD",
        `Cannot build a virtual board in ${this.sysroot}: ${messageOf(cause)}`,
        { cause },
      );
    }
  }

  #reachedMemory(): ReachedMemory {
    if (this.#memoryTable) return { of: "this-process", table: this.#memoryTable.buffer };
    return { of: this.#frames.real ? "users" : "nobody" };
  }

  #fuse({ overlayErrors = "returned", programmingMs = 0 }: VirtualBoardOptions): FuseKernelOptions | undefined {
    const fd = this.#mount?.fd;
    return fd === undefined ? undefined : { fd, devices: this.#mount?.devices, overlayErrors, programmingMs };
  }

  #release(): void {
    this.#mount?.unmount?.();
    this.#directory.release();
  }
}

function takeThread(): BoardThread {
  try {
    return BoardThread.take();
  } catch (cause) {
    if (cause instanceof AxiscriptError) throw cause;
    throw new AxiscriptError("ERR_AXI_BOARD", `Cannot start the virtual board's thread: ${messageOf(cause)}`, {
      cause,
    });
  }
}

/** What the designs are made with is loaded for boards that have models. */
function addModels(sysroot: string, models: readonly LoadedModel[]): void {
  const { designOf, firmware } = require("./fabric/designs") as typeof import("./fabric/designs");
  addFirmware(sysroot, firmware(models.map(({ description }) => designOf(description))));
}

/** Loaded for boards that ask for it. */
function mount(sysroot: string): KernelMount {
  const { mountKernelFiles } = require("./kernel/kernel-mount") as typeof import("./kernel/kernel-mount");
  try {
    return mountKernelFiles(sysroot);
  } catch (cause) {
    throw new AxiscriptError("ERR_AXI_BOARD", `Cannot build a virtual board in ${sysroot}: ${messageOf(cause)}`, {
      cause,
    });
  }
}

/** The board's thread opens it again; what is wrong with it is better said at once. */
function createRecord(path: string): void {
  const { openRecordFile } = require("./fabric/record") as typeof import("./fabric/record");
  closeSync(openRecordFile(path));
}

function failed(cause: Error | undefined): AxiscriptError | undefined {
  return cause && new AxiscriptError("ERR_AXI_BOARD", `The virtual board failed: ${messageOf(cause)}`, { cause });
}
