import { checkWait } from "../util/wait";
import { AxiscriptError, hex } from "../util/errors";
import { overlayFile, removeOverlay } from "../native/memory-overlay";
import { createHugeFile, hugePageBytes } from "./huge-pages";
import { type LinearMemory, WASM_PAGE_BYTES } from "./linear-memory";

/**
 * Aligned blocks of a linear memory that were moved to huge pages, with their content. The kernel moves such pages
 * neither in compaction nor in collapse. A block stays there until something else is to be put in its place.
 */
export class HugeBlocks {
  readonly #memory: LinearMemory;
  readonly #isCovered: (guestPtr: number, lengthBytes: number) => boolean;
  readonly #blockBytes = hugePageBytes();
  /** Guest pointers of the blocks that were moved. */
  readonly #moved = new Set<number>();

  /** @param isCovered whether a range holds pages that are not ordinary ones: such a block cannot be moved */
  constructor(memory: LinearMemory, isCovered: (guestPtr: number, lengthBytes: number) => boolean) {
    this.#memory = memory;
    this.#isCovered = isCovered;
  }

  /**
   * Moves the blocks that hold a range to huge pages.
   *
   * @returns what ends the hold: nothing has to be done
   * @throws AxiscriptError ERR_AXI_NO_HUGE_PAGES; ERR_AXI_PIN if a block cannot be moved
   */
  hold(guestPtr: number, lengthBytes: number): () => void {
    for (const block of this.#blocksOf(guestPtr, lengthBytes)) if (!this.#moved.has(block)) this.#move(block);
    return () => {};
  }

  /**
   * Puts ordinary pages back under a range, with the content.
   *
   * @param isPinned whether a device was given any of a range
   * @throws AxiscriptError ERR_AXI_BAD_ARGUMENT if a device was given a part of the same block
   */
  vacate(guestPtr: number, lengthBytes: number, isPinned: (guestPtr: number, lengthBytes: number) => boolean): void {
    for (const block of this.#blocksOf(guestPtr, lengthBytes).filter((start) => this.#moved.has(start))) {
      checkWait();
      if (isPinned(block, this.#blockBytes)) {
        throw new AxiscriptError(
          "ERR_AXI_BAD_ARGUMENT",
          `Cannot put other pages under guest pointer ${hex(guestPtr)}: a device was given memory in the same huge page.`,
        );
      }
      const content = this.#contentOf(block);
      removeOverlay(this.#memory.memory, block, this.#blockBytes);
      this.#memory.view(block, this.#blockBytes).set(content);
      this.#moved.delete(block);
    }
  }

  #blocksOf(guestPtr: number, lengthBytes: number): number[] {
    const skew = Number(this.#memory.baseAddress % BigInt(this.#blockBytes));
    const first = Math.floor((guestPtr + skew) / this.#blockBytes);
    const end = Math.ceil((guestPtr + lengthBytes + skew) / this.#blockBytes);
    return Array.from({ length: end - first }, (_, index) => (first + index) * this.#blockBytes - skew);
  }

  #move(block: number): void {
    this.#grow(block + this.#blockBytes);
    const outside = block < 0 || block + this.#blockBytes > this.#memory.bytes.byteLength;
    if (outside || this.#isCovered(block, this.#blockBytes)) {
      throw new AxiscriptError(
        "ERR_AXI_PIN",
        `Cannot pin with hugetlb: the block of ${this.#blockBytes} bytes around guest pointer ${hex(Math.max(block, 0))} ` +
          `${outside ? "sticks out of the linear memory" : "has other pages in it"}. Use another mechanism, or a DmaBuffer ` +
          "in huge pages.",
      );
    }
    const content = this.#contentOf(block);
    const file = createHugeFile(this.#blockBytes);
    try {
      overlayFile(this.#memory.memory, block, this.#blockBytes, file.fd, 0);
    } finally {
      file.close();
    }
    this.#memory.view(block, this.#blockBytes).set(content);
    this.#moved.add(block);
  }

  #contentOf(block: number): Uint8Array {
    return Uint8Array.from(this.#memory.view(block, this.#blockBytes));
  }

  /** A small memory may end within a block. Scripts see no more of this than of their own growth. */
  #grow(end: number): void {
    const missing = Math.ceil((end - this.#memory.bytes.byteLength) / WASM_PAGE_BYTES);
    if (missing <= 0) return;
    try {
      this.#memory.memory.grow(missing);
    } catch {
      // The maximum is reached; the caller says so.
    }
  }
}
