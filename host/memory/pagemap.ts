import { closeSync, openSync, readSync } from "node:fs";
import { AxiscriptError, errnoCode, hex } from "../util/errors";
import { pageSizeBytes } from "../native/libc";
import type { PageRuns } from "./page-runs";
import type { ScatterGatherList } from "./scatter-gather";

const ENTRY_BYTES = 8;
/** The most pages that a bulk translation describes: their numbers are 32-bit words. */
const MAX_PAGES = 2 ** 32 - 1;
/** How many pages are looked up in one read where no list of them is made. */
const LOOKED_UP_PAGES = 128;
/** Upper half of an entry: bit 63 present; bits 54:32 of the page frame number. */
const PRESENT = 0x80000000;
const FRAME_HIGH_MASK = 0x007fffff;

/** Why a page has no frame to show. */
type NoFrame = "absent" | "hidden";

/**
 * A process's page table as `/proc/PID/pagemap` shows it.
 * Source: kernel documentation, admin-guide/mm/pagemap.rst.
 */
export class Pagemap {
  readonly #fd: number;
  readonly #path: string;
  /** What the last bulk translation found; its room is kept for the next. */
  #lastRuns: PageRuns | undefined;
  readonly #lookedUp = new Uint32Array(2 * LOOKED_UP_PAGES);

  /**
   * @param path the pagemap file, `/proc/self/pagemap` or the one of a virtual board
   * @throws AxiscriptError ERR_AXI_NO_PAGEMAP if it cannot be opened
   */
  constructor(path: string) {
    try {
      this.#fd = openSync(path, "r");
    } catch (cause) {
      const code = errnoCode(cause);
      const advice =
        code === "ENOENT"
          ? "The kernel needs CONFIG_PROC_PAGE_MONITOR."
          : code === "EMFILE" || code === "ENFILE"
            ? "The limit on open files is reached: raise it, with ulimit -n."
            : "The process may not look at itself: a program with file capabilities must be run as root instead.";
      throw new AxiscriptError(
        "ERR_AXI_NO_PAGEMAP",
        `Cannot translate addresses: cannot open ${path} (${code}). ${advice}`,
        {
          cause,
        },
      );
    }
    this.#path = path;
  }

  /**
   * The page frame number of the page that holds an address.
   *
   * @param virtualAddress any address of the process
   * @returns the page frame number, at least 1, below 2^55
   * @throws AxiscriptError ERR_AXI_PAGE_NOT_PRESENT for a page that is not in memory; ERR_AXI_NO_PAGE_FRAME_NUMBERS
   *   where the kernel hides the numbers from this process
   */
  frameOf(virtualAddress: bigint): number {
    const frame = this.peek(virtualAddress);
    if (frame === undefined || frame === 0) throw this.#noFrame(virtualAddress, frame === 0 ? "hidden" : "absent");
    return frame;
  }

  /** As {@link frameOf}, but `undefined` for a page that is not present and 0 where the number is hidden. */
  peek(virtualAddress: bigint): number | undefined {
    return this.framesOf(virtualAddress, 1)[0];
  }

  /** What {@link peek} gives, for `pageCount` pages that follow each other, in one read. */
  framesOf(virtualAddress: bigint, pageCount: number): (number | undefined)[] {
    const page = Number(virtualAddress / BigInt(pageSizeBytes));
    const entries = new Uint32Array(pageCount * 2);
    const readable = this.readEntries(page, pageCount, entries);
    return Array.from({ length: pageCount }, (_, index) => {
      return index < readable ? frameOfEntry(entries[index * 2] ?? 0, entries[index * 2 + 1] ?? 0) : undefined;
    });
  }

  /**
   * Reads entries as the kernel has them, two words each, the lower one first, into the beginning of `entries`.
   *
   * @returns how many there were; 0 for a process that is gone
   */
  readEntries(firstPage: number, pageCount: number, entries: Uint32Array): number {
    const bytesRead = readSync(this.#fd, entries, 0, pageCount * ENTRY_BYTES, firstPage * ENTRY_BYTES);
    return Math.floor(bytesRead / ENTRY_BYTES);
  }

  /** Whether pages that follow each other hold frames that do, too: `firstFrame` and the next ones. */
  holdsFrames(firstPage: number, pageCount: number, firstFrame: number): boolean {
    for (let done = 0; done < pageCount; done += this.#lookedUp.length / 2) {
      const count = Math.min(pageCount - done, this.#lookedUp.length / 2);
      if (this.readEntries(firstPage + done, count, this.#lookedUp) < count) return false;
      for (let index = 0; index < count; index++) {
        const frame = frameOfEntry(this.#lookedUp[index * 2] ?? 0, this.#lookedUp[index * 2 + 1] ?? 0);
        if (frame !== firstFrame + done + index) return false;
      }
    }
    return true;
  }

  /**
   * Where a range lies in physical memory.
   *
   * @param virtualAddress first byte; need not begin a page
   * @param lengthBytes at least 0, in fewer than 2^32 pages; need not end a page
   * @returns a list of its own, empty for 0 bytes
   * @throws AxiscriptError ERR_AXI_PAGE_NOT_PRESENT or ERR_AXI_NO_PAGE_FRAME_NUMBERS, as {@link frameOf}, for the first
   *   page that has no frame to show; ERR_AXI_BAD_ARGUMENT for a length that is out of range
   */
  segmentsOf(virtualAddress: bigint, lengthBytes: number): ScatterGatherList {
    const { firstPage, pageCount } = pagesOf(virtualAddress, lengthBytes);
    const { ScatterGatherList } = require("./scatter-gather") as typeof import("./scatter-gather");
    // A single page needs no module that finds runs, which takes a millisecond to make.
    if (pageCount === 1) {
      return ScatterGatherList.ofOneRun({ virtualAddress, lengthBytes }, this.frameOf(addressOfPage(firstPage)));
    }
    const { runs, stop } = this.#scan(firstPage, pageCount);
    if (stop) throw this.#noFrame(addressOfPage(firstPage + runs.pageCount), stop);
    return new ScatterGatherList({ virtualAddress, lengthBytes }, runs.toWords());
  }

  /**
   * Translates a list's range again, to see whether every page is still where the list says.
   *
   * @returns the virtual address of the first page that lies elsewhere or has no frame to show; `undefined`: none
   */
  firstMovedPage(list: ScatterGatherList): bigint | undefined {
    const { firstPage, pageCount } = pagesOf(list.virtualAddress, list.totalBytes);
    if (pageCount === 1) {
      const address = addressOfPage(firstPage);
      return this.peek(address) === list.firstFrame ? undefined : address;
    }
    const { runs } = this.#scan(firstPage, pageCount);
    const page = runs.firstDifference(list.runWords, pageCount);
    return page === undefined ? undefined : addressOfPage(firstPage + page);
  }

  /** Descriptor of the file. */
  get fd(): number {
    return this.#fd;
  }

  close(): void {
    closeSync(this.#fd);
  }

  /** Collects the runs of a range, up to the first page that has no frame to show, and says why that one has none. */
  #scan(firstPage: number, pageCount: number): { runs: PageRuns; stop: NoFrame | undefined } {
    // Loaded here, since the virtual board's thread, on whose start programs wait, reads single pages only.
    const { PageRuns } = require("./page-runs") as typeof import("./page-runs");
    const runs = (this.#lastRuns ??= new PageRuns());
    runs.clear();
    while (runs.pageCount < pageCount) {
      const wantedBytes = Math.min((pageCount - runs.pageCount) * ENTRY_BYTES, runs.entries.byteLength);
      const position = (firstPage + runs.pageCount) * ENTRY_BYTES;
      const readable = Math.floor(readSync(this.#fd, runs.entries, 0, wantedBytes, position) / ENTRY_BYTES);
      const taken = runs.append(readable);
      if (taken < readable) return { runs, stop: runs.isPresent(taken) ? "hidden" : "absent" };
      // The end of the file. A read may also be merely short.
      if (readable === 0) return { runs, stop: "absent" };
    }
    return { runs, stop: undefined };
  }

  #noFrame(virtualAddress: bigint, reason: NoFrame): AxiscriptError {
    const what = `Cannot translate virtual address ${hex(virtualAddress)}`;
    return reason === "absent"
      ? new AxiscriptError(
          "ERR_AXI_PAGE_NOT_PRESENT",
          `${what}: its page is not present in memory. Write to the page before you ask for its physical address.`,
        )
      : new AxiscriptError(
          "ERR_AXI_NO_PAGE_FRAME_NUMBERS",
          `${what}: ${this.#path} hides page frame numbers from this process. Run as root (the kernel asks for ` +
            "CAP_SYS_ADMIN), or use --board=virtual.",
        );
  }
}

/** The frame in an entry of a page table, given by its two words; `undefined`: not present, 0: hidden. */
export function frameOfEntry(low: number, high: number): number | undefined {
  return (high & PRESENT) === 0 ? undefined : (high & FRAME_HIGH_MASK) * 2 ** 32 + low;
}

/** The pages that a range touches. */
function pagesOf(virtualAddress: bigint, lengthBytes: number): { firstPage: number; pageCount: number } {
  const offsetBytes = Number(virtualAddress % BigInt(pageSizeBytes));
  const pageCount = lengthBytes === 0 ? 0 : Math.ceil((offsetBytes + lengthBytes) / pageSizeBytes);
  if (!Number.isInteger(lengthBytes) || lengthBytes < 0 || pageCount > MAX_PAGES) {
    throw new AxiscriptError(
      "ERR_AXI_BAD_ARGUMENT",
      `Cannot translate ${lengthBytes} bytes at ${hex(virtualAddress)} as a length is a whole number, and fewer than 2^32 pages.`,
    );
  }
  return { firstPage: Number(virtualAddress / BigInt(pageSizeBytes)), pageCount };
}

function addressOfPage(page: number): bigint {
  return BigInt(page) * BigInt(pageSizeBytes);
}
