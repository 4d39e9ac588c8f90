import { VirtualBoard, type VirtualBoardOptions } from "../../board/board";
import type { BoardMemoryHandle } from "../../board/memory/board-memory";
import type { Coherency } from "../../board/memory/main-memory";
import { findRunningBoard } from "../../board/running-board";
import { PORTS } from "../../board/fabric/port-timing";
import { type Fault, FAULTS } from "../../board/cores/transfer-core";
import type { LoadedModel } from "../../board/cores/user-core";
import { AxiscriptError } from "../../util/errors";
import { KIND, oneOf } from "../check-options";

const COHERENCIES: readonly Coherency[] = ["relaxed", "strict"];
const MAX_SEED = 2 ** 32 - 1;

/** A virtual board that a runtime uses: one of its own, or one that runs by itself. */
export interface UsedBoard {
  readonly sysroot: string;
  readonly addressNote: string | undefined;
  /** Absent: the board reaches memory without being told of it, or does not. */
  readonly memory: BoardMemoryHandle | undefined;
  /** What a user should know of a model that does not return; of a board of the runtime's own. */
  readonly hangingModel?: string | undefined;
  /** Of a board of the runtime's own: resolves when nobody serves it any more; {@link failure} says why. */
  readonly ended?: Promise<void>;
  readonly failure?: AxiscriptError | undefined;
  /** Ends a board of the runtime's own. */
  stop(): Promise<void>;
}

/**
 * Uses the board that runs in a directory, or else builds one.
 *
 * @throws AxiscriptError ERR_AXI_BOARD; ERR_AXI_BOARD_BUSY where a board serves another program alone; ERR_AXI_USAGE for
 *   settings that a running board does not take any more; ERR_AXI_IO if the record cannot be written
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
  const { loadModels } = require("../../board/models/model-file") as typeof import("../../board/models/model-file");
  return loadModels(paths);
}

/** Of the options that every function takes which makes a virtual board. */
export const BOARD_KINDS = {
  sysroot: KIND.text,
  faults: {
    rule: `an object with ${PORTS.join(", ")}, each ${FAULTS.join(", ")}`,
    accepts: (faults: unknown) =>
      typeof faults === "object" && faults !== null && Object.entries(faults).every(isFault),
  },
  seed: KIND.number,
  coherency: oneOf(COHERENCIES),
  record: KIND.text,
  models: KIND.texts,
} as const;

function isFault([port, fault]: [string, unknown]): boolean {
  return (PORTS as readonly string[]).includes(port) && (fault === undefined || FAULTS.includes(fault as Fault));
}

/** @throws AxiscriptError ERR_AXI_USAGE for a seed that is none */
export function checkBoardOptions({ seed = 0 }: Pick<VirtualBoardOptions, "seed">): void {
  if (!Number.isInteger(seed) || seed < 0 || seed > MAX_SEED) {
    throw new AxiscriptError(
      "ERR_AXI_USAGE",
      `Cannot seed the board with ${seed}: it is a whole number from 0 to ${MAX_SEED}.`,
    );
  }
}

function checkSettings(options: VirtualBoardOptions, sysroot: string): void {
  const { seed, faults = {}, coherency, record, models = [] } = options;
  const asked = [
    ...(seed === undefined ? [] : ["a seed"]),
    ...(Object.keys(faults).length === 0 ? [] : ["faults"]),
    ...(coherency === undefined ? [] : ["a coherency"]),
    ...(record === undefined ? [] : ["a record"]),
    ...(models.length === 0 ? [] : ["models"]),
  ];
  if (asked.length === 0) return;
  throw new AxiscriptError(
    "ERR_AXI_USAGE",
    `Cannot give ${asked.join(" and ")} to the virtual board in ${sysroot}: it is already running. Give that to ` +
      "axiscript board (startBoard) when it is started.",
  );
}
