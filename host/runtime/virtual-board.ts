import { VirtualBoard, type VirtualBoardOptions } from "../board/board";
import type { BoardMemoryHandle } from "../board/board-memory";
import { findRunningBoard } from "../board/running-board";
import type { LoadedModel } from "../board/user-core";
import { AxiscriptError } from "../errors";

const MAX_SEED = 2 ** 32 - 1;

/** A virtual board that a runtime uses: one of its own, or one that runs by itself. */
export interface UsedBoard {
  readonly sysroot: string;
  readonly addressNote: string | undefined;
  /** Absent: the board reaches memory without being told of it, or does not. */
  readonly memory: BoardMemoryHandle | undefined;
  /** Ends a board of the runtime's own. */
  stop(): Promise<void>;
}

/**
 * Uses the board that runs in a directory, or else builds one.
 *
 * @throws AxiscriptError ERR_AXI_BOARD; ERR_AXI_BOARD_BUSY where a board serves another program alone; ERR_AXI_USAGE for
 *   settings that a running board does not take any more; ERR_AXI_IO if the bus cannot be recorded
 */
export function useVirtualBoard(options: VirtualBoardOptions): UsedBoard {
  try {
    return new VirtualBoard(options);
  } catch (error) {
    const { sysroot } = options;
    if (sysroot === undefined || !(error instanceof AxiscriptError) || error.code !== "ERR_AXI_BOARD_BUSY") throw error;
    const running = findRunningBoard(sysroot);
    if (!running) throw error;
    checkSettings(options, sysroot);
    return { sysroot, addressNote: running.addressNote, memory: undefined, stop: async () => {} };
  }
}

/**
 * Loads what is asked for, and with it what loads it.
 *
 * @param paths of modules with models
 * @throws AxiscriptError ERR_AXI_MODEL
 */
export async function loadAsked(paths: readonly string[] = []): Promise<readonly LoadedModel[]> {
  if (paths.length === 0) return [];
  const { loadModels } = require("../board/model-file") as typeof import("../board/model-file");
  return loadModels(paths);
}

/** @throws AxiscriptError ERR_AXI_USAGE for a seed that is none */
export function checkSeed(seed: number | undefined): void {
  if (seed === undefined || (Number.isInteger(seed) && seed >= 0 && seed <= MAX_SEED)) return;
  throw new AxiscriptError(
    "ERR_AXI_USAGE",
    `Cannot seed the board with ${seed}: it is a whole number from 0 to ${MAX_SEED}.`,
  );
}

function checkSettings({ seed, faults = {}, busLog, models = [] }: VirtualBoardOptions, sysroot: string): void {
  const asked = [
    ...(seed === undefined ? [] : ["a seed"]),
    ...(Object.keys(faults).length === 0 ? [] : ["faults"]),
    ...(busLog === undefined ? [] : ["a record of the bus"]),
    ...(models.length === 0 ? [] : ["models"]),
  ];
  if (asked.length === 0) return;
  throw new AxiscriptError(
    "ERR_AXI_USAGE",
    `Cannot give ${asked.join(" and ")} to the virtual board in ${sysroot}: it is already running. Give that to ` +
      "axiscript board (startBoard) when it is started.",
  );
}
