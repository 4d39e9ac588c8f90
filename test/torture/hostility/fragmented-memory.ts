import { adviseMemory, pageSizeBytes, viewMemory } from "../../../host/native/libc";
import type { Pace } from "./pace";
import { MADV_COLD, MADV_DONTNEED, MADV_HUGEPAGE, MADV_POPULATE_WRITE, reserveMemory, unmapMemory } from "./syscalls";
import { HUGE_PAGE_BYTES } from "./target-memory";

/** How much is done between rests: some 10 ms of work. */
const CHUNK_BYTES = 16 * HUGE_PAGE_BYTES;

/**
 * Memory that takes huge pages and then keeps one small page of each, so that hardly a block of 2 MiB on the machine is
 * wholly free, though nearly all of its pages are. Compaction has much to do then. On a machine with whole blocks to
 * spare it moves next to nothing, since it moves pages only into blocks that are partly in use
 * (`suitable_migration_target`, mm/compaction.c).
 *
 *     address          scattered               taken                      end
 *     ├ █░░░░░░ █░░░░░░ ┼ ███████ ███████ ███████ ┼ not touched yet           ┤
 */
export class FragmentedMemory {
  readonly #address: number;
  readonly #lengthBytes: number;
  #scatteredBytes = 0;
  #takenBytes = 0;

  /** @param lengthBytes what can be taken in all */
  constructor(lengthBytes: number) {
    this.#lengthBytes = Math.max(1, Math.floor(lengthBytes / CHUNK_BYTES)) * CHUNK_BYTES;
    this.#address = reserveMemory(this.#lengthBytes);
    adviseMemory(this.#address, this.#lengthBytes, MADV_HUGEPAGE);
  }

  /** Whether there is nothing more to take. */
  get isFull(): boolean {
    return this.#takenBytes === this.#lengthBytes;
  }

  /**
   * Takes huge pages.
   *
   * @param goOn asked before every 32 MiB, with the number of bytes taken by this call
   */
  async take(pace: Pace, goOn: (bytes: number) => boolean): Promise<void> {
    const start = this.#takenBytes;
    while (!this.isFull && goOn(this.#takenBytes - start)) {
      adviseMemory(this.#address + this.#takenBytes, CHUNK_BYTES, MADV_POPULATE_WRITE);
      this.#takenBytes += CHUNK_BYTES;
      await pace.rest();
    }
  }

  /** Gives back all but a 512th of what was taken. */
  async scatter(pace: Pace): Promise<void> {
    for (; this.#scatteredBytes < this.#takenBytes; this.#scatteredBytes += CHUNK_BYTES) {
      const chunk = this.#address + this.#scatteredBytes;
      const bytes = viewMemory(chunk, CHUNK_BYTES);
      for (let at = 0; at < CHUNK_BYTES; at += HUGE_PAGE_BYTES) {
        // A split gives pages of zeros up, in favour of the one that all share.
        bytes[at] = 1;
        // Advice about a part splits the huge page; otherwise what is given back would stay with it.
        adviseMemory(chunk + at, pageSizeBytes, MADV_COLD);
        adviseMemory(chunk + at + pageSizeBytes, HUGE_PAGE_BYTES - pageSizeBytes, MADV_DONTNEED);
      }
      await pace.rest();
    }
  }

  /** Gives every page back. */
  release(): void {
    unmapMemory(this.#address, this.#lengthBytes);
  }
}
