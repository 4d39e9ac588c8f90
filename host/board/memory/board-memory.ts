import { AxiscriptError, messageOf } from "../../util/errors";
import type { MemoryRange } from "../../memory/linear-memory";
import { attachPageFrames, type PageFrames, type PageFramesHandle } from "./page-frames";
import { SharedMemoryTable } from "./shared-memory-table";

/** What a thread needs to share memory with a board, as plain data. */
export interface BoardMemoryHandle {
  /** Buffer of the {@link SharedMemoryTable}. */
  readonly table: SharedArrayBuffer;
  readonly frames: PageFramesHandle | undefined;
}

/**
 * The memory of this process that a board's devices may reach, as one of its threads sees it. Each thread that runs
 * scripts has one of these, and none of them waits for another thread's event loop.
 */
export class BoardMemory {
  readonly #table: SharedMemoryTable;
  readonly #frames: PageFrames;

  constructor({ table, frames }: BoardMemoryHandle) {
    this.#table = new SharedMemoryTable(table);
    this.#frames = attachPageFrames(frames);
  }

  /**
   * Lets the board's devices reach memory by physical address. Call it again when the memory has grown.
   *
   * @throws AxiscriptError ERR_AXI_BOARD
   */
  shareMemory(range: MemoryRange): void {
    give(() => {
      this.#frames.assign(range);
      this.#table.share(range);
    });
  }

  /** The pages of a piece of shared memory now follow each other within aligned blocks. Throws as {@link shareMemory}. */
  arrangeMemory(range: MemoryRange, blockBytes: number): void {
    give(() => this.#frames.arrange(range, blockBytes));
  }

  /** Takes memory away again. When this returns no transfer touches it any more. */
  withdrawMemory(range: MemoryRange): void {
    this.#table.withdraw(range.virtualAddress);
    this.#frames.release(range);
  }
}

function give(body: () => void): void {
  try {
    body();
  } catch (cause) {
    throw new AxiscriptError("ERR_AXI_BOARD", `Cannot give memory to the virtual board: ${messageOf(cause)}`, {
      cause,
    });
  }
}
