import { readFileSync } from "node:fs";
import { pageSizeBytes } from "../../../host/native/libc";
import { type AddressRange, adviseProcess, MADV_COLD, MADV_COLLAPSE, openProcess } from "./syscalls";

export const HUGE_PAGE_BYTES = 2 * 1024 * 1024;
/** Pieces are small enough that one call takes some 10 ms. */
const PIECE_BYTES = 8 * HUGE_PAGE_BYTES;
/** A line of /proc/PID/maps: addresses, rights, offset, device, inode. */
const PRIVATE_ANONYMOUS = /^([0-9a-f]+)-([0-9a-f]+) rw.p [0-9a-f]+ 00:00 0\b/gm;

/** The anonymous memory of another process that huge pages could hold. */
export class TargetMemory {
  readonly #pid: number;
  readonly #pidfd: number;

  /** @throws Error if there is no such process */
  constructor(pid: number) {
    this.#pid = pid;
    this.#pidfd = openProcess(pid);
  }

  /** Ranges of whole, aligned huge pages, at most 16 MiB each. */
  pieces(): AddressRange[] {
    const maps = readFileSync(`/proc/${this.#pid}/maps`, "utf8");
    return [...maps.matchAll(PRIVATE_ANONYMOUS)].flatMap(([, from = "", to = ""]) => {
      const start = Math.ceil(parseInt(from, 16) / HUGE_PAGE_BYTES) * HUGE_PAGE_BYTES;
      const end = Math.floor(parseInt(to, 16) / HUGE_PAGE_BYTES) * HUGE_PAGE_BYTES;
      const count = Math.max(0, Math.ceil((end - start) / PIECE_BYTES));
      return Array.from({ length: count }, (_, index) => {
        const address = start + index * PIECE_BYTES;
        return { address, lengthBytes: Math.min(PIECE_BYTES, end - address) };
      });
    });
  }

  /**
   * Splits the huge pages of a piece, in place: advice about a single page of a huge page has the kernel split it.
   * Huge pages must be split before they can be collapsed, hence moved, again, and compaction does not move them.
   */
  split({ address, lengthBytes }: AddressRange): string | undefined {
    const firstPages = Array.from({ length: lengthBytes / HUGE_PAGE_BYTES }, (_, index) => ({
      address: address + index * HUGE_PAGE_BYTES,
      lengthBytes: pageSizeBytes,
    }));
    return adviseProcess(this.#pidfd, firstPages, MADV_COLD);
  }

  /** Collapses the small pages of a piece into huge pages elsewhere; returns the name of errno if that failed. */
  collapse(piece: AddressRange): string | undefined {
    return adviseProcess(this.#pidfd, [piece], MADV_COLLAPSE);
  }
}
