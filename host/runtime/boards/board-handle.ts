import type { BoardMemoryHandle } from "../../board/memory/board-memory";
import { DeviceCatalog } from "../../linux/catalog";
import { Sysroot } from "../../linux/sysroot";
import type { Board } from "../run/run";

/** A board as plain data, from which any thread of this process opens it. */
export interface BoardHandle {
  readonly kind: "virtual" | "linux";
  /** The directory in place of `/`. */
  readonly sysroot: string;
  /** Directories with device descriptions of the user's own. */
  readonly deviceDirectories: readonly string[] | undefined;
  /** What its physical addresses are not, if there is something to say. */
  readonly addressNote: string | undefined;
  /** Absent: a real system, whose devices reach all memory. */
  readonly memory: BoardMemoryHandle | undefined;
}

/** The board as the calling thread uses it. */
export function openBoard({ kind, sysroot, deviceDirectories, addressNote, memory }: BoardHandle): Board {
  const shared =
    memory &&
    new (require("../../board/memory/board-memory") as typeof import("../../board/memory/board-memory")).BoardMemory(
      memory,
    );
  return {
    ...{ kind, sysroot: new Sysroot(sysroot), catalog: new DeviceCatalog(deviceDirectories) },
    ...(addressNote === undefined ? {} : { addressNote }),
    shareMemory: (range) => shared?.shareMemory(range),
    arrangeMemory: (range, blockBytes) => shared?.arrangeMemory(range, blockBytes),
    withdrawMemory: (range) => shared?.withdrawMemory(range),
  };
}
