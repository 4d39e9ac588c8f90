import { closeDescriptor, pageSizeBytes } from "../../../host/native/libc";
import type { Pace } from "./pace";
import { allocatePages, createMemoryFile, punchHole } from "./syscalls";
import { HUGE_PAGE_BYTES } from "./target-memory";

/** How much is done between rests: some 10 ms of work. */
const CHUNK_BYTES = 64 * HUGE_PAGE_BYTES;

/**
 * Small pages in great number: a file in memory, which is quicker to fill than a mapping. It takes the pages that lie
 * about singly first, and whole blocks when there are no others.
 */
export class FragmentedFile {
  readonly #fd = createMemoryFile();
  #takenBytes = 0;

  /** Takes pages for as long as `goOn`, which is asked before every 128 MiB, says so. */
  async take(pace: Pace, goOn: () => boolean): Promise<void> {
    while (goOn() && allocatePages(this.#fd, this.#takenBytes, CHUNK_BYTES)) {
      this.#takenBytes += CHUNK_BYTES;
      await pace.rest();
    }
  }

  /** Gives back all but a 512th of the pages, so that what is free lies in pieces. */
  async scatter(pace: Pace): Promise<void> {
    for (let at = 0; at < this.#takenBytes; at += HUGE_PAGE_BYTES) {
      punchHole(this.#fd, at + pageSizeBytes, HUGE_PAGE_BYTES - pageSizeBytes);
      if (at % CHUNK_BYTES === 0) await pace.rest();
    }
  }

  /** Gives every page back. */
  release(): void {
    closeDescriptor(this.#fd);
  }
}
