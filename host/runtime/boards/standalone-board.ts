import { VirtualBoard, type VirtualBoardOptions } from "../../board/board";
import { checkOptions, KIND, oneOf, type OptionKinds } from "../check-options";
import { BOARD_KINDS, checkBoardOptions, loadAsked } from "./virtual-board";

/** What {@link startBoard} takes. */
export interface BoardOptions extends Pick<
  VirtualBoardOptions,
  "faults" | "seed" | "coherency" | "record" | "overlayErrors" | "programmingMs"
> {
  /** Where to build the board; absent: a temporary directory. */
  readonly sysroot?: string;
  /** Whether a directory that held no board before is kept when the board ends; false if absent. */
  readonly keep?: boolean;
  /** Modules with cores of your own, as `DeviceModelDescription` says; paths relative to the working directory. */
  readonly models?: readonly string[];
}

const STANDALONE_KINDS: OptionKinds<BoardOptions> = {
  ...BOARD_KINDS,
  overlayErrors: oneOf(["returned", "hidden"]),
  programmingMs: KIND.number,
  keep: KIND.flag,
};

/** A virtual board that serves every program which uses its files. Made by {@link startBoard}. */
export interface StandaloneBoard {
  /** The directory to use in place of `/`. */
  readonly sysroot: string;
  /** Whether the directory stays when the board ends. */
  readonly kept: boolean;
  /** What its devices do not reach, if there is something to say. */
  readonly addressNote: string | undefined;
  /** What its files do not do as a kernel's would, if there is something to say. */
  readonly kernelFilesNote: string | undefined;
  /** What a user should know of a model that does not return from a call, while it does not. */
  readonly hangingModel: string | undefined;
  /** Resolves when the board has ended, asked to or not. */
  readonly ended: Promise<void>;
  /**
   * Ends the board, and removes its directory unless it is kept. Registers that a program has mapped stay mapped, and
   * nothing is behind them any more.
   *
   * @throws AxiscriptError ERR_AXI_BOARD if the board had failed
   */
  stop(): Promise<void>;
}

/**
 * Starts a virtual board for other programs: those that `createRuntime({ sysroot })` is called in, and any that use the
 * files below its sysroot. Devices reach the memory of every process that has one of the board's device files open or
 * mapped, by the page frame numbers that the kernel shows it. Without CAP_SYS_ADMIN it shows none: then they reach the
 * u-dma-buf alone, and `addressNote` says so.
 *
 * The kernel's files are a file system (FUSE): what is written takes effect before the write returns, or fails with the
 * kernel's errno. Where none can be mounted they are plain files, and `kernelFilesNote` says what that costs.
 *
 * The program does not end before the board is stopped.
 *
 * @throws AxiscriptError ERR_AXI_BOARD, ERR_AXI_BOARD_BUSY; ERR_AXI_USAGE for a setting out of range; ERR_AXI_IO if the
 *   record cannot be written; ERR_AXI_MODEL for a model that cannot be used
 * @example
 * import { startBoard } from "axiscript";
 *
 * const board = await startBoard({ sysroot: "/tmp/board" });
 * process.once("SIGTERM", () => void board.stop());
 */
export async function startBoard(options: BoardOptions = {}): Promise<StandaloneBoard> {
  checkOptions("start a board", options, STANDALONE_KINDS);
  checkBoardOptions(options);
  const keep = options.keep ?? false;
  const models = await loadAsked(options.models);
  const board = new VirtualBoard({ ...options, models, keep, standalone: true, kernelFiles: "fuse" });
  try {
    await board.announce();
  } catch (error) {
    await board.stop();
    throw error;
  }
  return board;
}
