import { closeSync, openSync, readSync } from "node:fs";

/** Source: kernel documentation, admin-guide/mm/pagemap.rst: slab, free, no memory at all, offline, page table. */
const NOBODYS = [7, 10, 20, 23, 26].map((bit) => 2 ** bit).reduce((all, bit) => all + bit);
/** Mapped, and the page of zeros that everybody has. */
const SOMEBODYS = 2 ** 11 + 2 ** 24;
/** In the upper half of the flags: kept from the beginning, by the kernel or the firmware. */
const RESERVED = 1;
const ENTRY_BYTES = 8;

/**
 * What the machine's page frames are used for, as `/proc/kpageflags` shows it: of most addresses that are wrong it says at
 * once that no process has memory there.
 */
export class FrameKinds {
  readonly #fd = openFlags();
  readonly #entry = new Uint32Array(2);

  /** True only if it is certain that no process has this frame. */
  isNobodys(frame: number): boolean {
    if (this.#fd === undefined) return false;
    try {
      const lengthBytes = readSync(this.#fd, this.#entry, 0, ENTRY_BYTES, frame * ENTRY_BYTES);
      const [low = 0, high = 0] = this.#entry;
      if (lengthBytes < ENTRY_BYTES || (low & NOBODYS) !== 0) return true;
      return (high & RESERVED) !== 0 && (low & SOMEBODYS) === 0;
    } catch {
      return false;
    }
  }

  close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
  }
}

/** `undefined` where this process may not see it. */
function openFlags(): number | undefined {
  try {
    return openSync("/proc/kpageflags", "r");
  } catch {
    return undefined;
  }
}
