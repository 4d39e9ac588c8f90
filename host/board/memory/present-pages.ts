import { pageSizeBytes } from "../../native/libc";
import { scanPresent } from "../../native/pagemap-scan";

/** Pages that follow each other, by number. */
export interface PageRange {
  readonly first: number;
  readonly end: number;
}

/** The pages of a process that were in memory when it was last looked at. */
export class PresentPages {
  #known: readonly PageRange[] = [];
  #found: PageRange[] = [];

  /** Begins another look; ranges are then asked for in the order of their addresses, and {@link end} ends it. */
  begin(): void {
    this.#found = [];
  }

  /**
   * The pages of a range that are in memory now and were not when it was last looked at. Where the kernel does not tell
   * (before Linux 6.7), it is all of them.
   *
   * @param pagemapFd the process's page table
   */
  news(pagemapFd: number, { first, end }: PageRange): PageRange[] {
    const present: PageRange[] = [];
    const isTold = scanPresent(pagemapFd, first * pageSizeBytes, end * pageSizeBytes, (from, to) => {
      present.push({ first: from / pageSizeBytes, end: to / pageSizeBytes });
    });
    if (!isTold) return [{ first, end }];
    for (const range of present) this.#found.push(range);
    return present.flatMap((range) => without(range, this.#known));
  }

  end(): void {
    this.#known = this.#found;
  }
}

/** What of a range none of the others has, which are in order and do not overlap. */
function without({ first, end }: PageRange, others: readonly PageRange[]): PageRange[] {
  const rest: PageRange[] = [];
  let from = first;
  for (let index = firstEndingAfter(others, first); from < end; index++) {
    const other = others[index];
    if (!other || other.first >= end) break;
    if (other.first > from) rest.push({ first: from, end: other.first });
    from = Math.max(from, other.end);
  }
  if (from < end) rest.push({ first: from, end });
  return rest;
}

/** The index of the first range that ends after a page. */
function firstEndingAfter(ranges: readonly PageRange[], page: number): number {
  let [low, high] = [0, ranges.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((ranges[middle]?.end ?? 0) > page) high = middle;
    else low = middle + 1;
  }
  return low;
}
