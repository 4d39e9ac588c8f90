import { pageSizeBytes } from "../../native/libc";
import { SharedLock } from "../shared-lock";

/**
 * Memory of an Ultra96-V2, as a board with addresses of its own lays it out:
 *
 * ```
 *   0 ┌──────────────────┐ 0x70000000 ┌─────────────┐ 0x7e000000 ┌───────────┐ 2 GiB
 *     │ single pages     │            │ huge pages  │            │ u-dma-buf │
 *     └──────────────────┘            └─────────────┘            └───────────┘
 * ```
 */
const BOARD_MEMORY_BYTES = 2 ** 31;
const HUGE_PAGES_START = 0x70000000;
export const U_DMA_BUF_START = 0x7e000000;

const FRAME_COUNT = BOARD_MEMORY_BYTES / pageSizeBytes;
const FIRST_HUGE = HUGE_PAGES_START / pageSizeBytes;
const FIRST_RESERVED = U_DMA_BUF_START / pageSizeBytes;
/** Odd, so that multiplication by it permutes the frames of a memory whose size is a power of two. */
const SCATTER = 0x9e3779b1;

const LOCK = 0;
const NEXT = 1;
const HEADER_BYTES = 8;

/**
 * Which page frames of the board's memory are in use, in memory that all threads that run scripts share.
 *
 * ```
 *   lock │ next │ { in use: u8 } × frames
 * ```
 *
 * A thread that ends in the middle of a call loses what it was about to take.
 */
export class FramePool {
  /** Where a buffer for devices may lie without being anybody's memory. */
  readonly deviceBufferAddress = U_DMA_BUF_START;
  readonly buffer: SharedArrayBuffer;
  readonly #header: Int32Array;
  readonly #used: Uint8Array;
  readonly #lock: SharedLock;

  /** @param buffer that of the pool of another thread */
  constructor(buffer = new SharedArrayBuffer(HEADER_BYTES + FRAME_COUNT)) {
    this.buffer = buffer;
    this.#header = new Int32Array(buffer, 0, HEADER_BYTES / 4);
    this.#used = new Uint8Array(buffer, HEADER_BYTES);
    this.#lock = new SharedLock(this.#header.subarray(LOCK, LOCK + 1));
  }

  /** Takes frames that lie apart, as in a system that has been up for a while. */
  take(count: number): number[] {
    return this.#lock.hold(() => {
      const taken: number[] = [];
      for (let looks = 0; looks < FRAME_COUNT && taken.length < count; looks++) {
        const next = (this.#header[NEXT] = ((this.#header[NEXT] ?? 0) + 1) % FRAME_COUNT);
        const frame = Math.imul(next, SCATTER) & (FRAME_COUNT - 1);
        // Frame 0 is never given away: in a pagemap it means "hidden".
        if (frame === 0 || frame >= FIRST_HUGE || this.#used[frame] === 1) continue;
        this.#used[frame] = 1;
        taken.push(frame);
      }
      if (taken.length === count) return taken;
      this.#clear(taken);
      throw new RangeError(`a virtual board has ${HUGE_PAGES_START / 2 ** 20} MiB of memory, and all of it is in use`);
    });
  }

  /** Takes aligned blocks of frames that follow each other; gives all their frames. */
  takeBlocks(count: number, blockFrames: number): number[] {
    return this.#lock.hold(() => {
      const blocks: number[] = [];
      for (let first = FIRST_HUGE; first + blockFrames <= FIRST_RESERVED; first += blockFrames) {
        if (blocks.length < count && !this.#used.subarray(first, first + blockFrames).includes(1)) blocks.push(first);
      }
      if (blocks.length < count) {
        const room = (U_DMA_BUF_START - HUGE_PAGES_START) / 2 ** 20;
        throw new RangeError(`a virtual board has ${room} MiB of huge pages, and not enough of them are free`);
      }
      for (const first of blocks) this.#used.fill(1, first, first + blockFrames);
      return blocks.flatMap((first) => Array.from({ length: blockFrames }, (_, index) => first + index));
    });
  }

  /** Gives frames back; 0 is none. */
  giveBack(frames: readonly number[]): void {
    this.#lock.hold(() => this.#clear(frames));
  }

  #clear(frames: readonly number[]): void {
    for (const frame of frames) this.#used[frame] = 0;
  }
}
