import { VirtualBoard } from "../../board/board";
import { BoardDirectory } from "../../board/directory/directory";
import { AxiscriptError } from "../../util/errors";

/**
 * Starts the virtual board that is kept in a directory. `undefined` where there is none, and where somebody else has
 * started it: then it serves us as well.
 */
export function startKeptBoard(directory: string | undefined): VirtualBoard | undefined {
  if (directory === undefined || !BoardDirectory.holdsBoard(directory)) return undefined;
  try {
    return new VirtualBoard({ sysroot: directory });
  } catch (error) {
    if (error instanceof AxiscriptError && error.code === "ERR_AXI_BOARD_BUSY") return undefined;
    throw error;
  }
}
