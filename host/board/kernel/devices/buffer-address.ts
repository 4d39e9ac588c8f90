import { readFileSync } from "node:fs";

/** Above all memory, within the 40 bits of the bus. */
const ABOVE_MEMORY = 0xff_7e00_0000;
/** The reference system's memory ends here, and its buffer lies below; a driver of 32 bits reaches as far as the second. */
const LIMITS = [2 ** 31, 2 ** 32] as const;
/** Aligned as a buffer of the reference system's size is. */
const STEP_BYTES = 32 * 2 ** 20;
/** `00100000-7fffffff : System RAM`; what is indented lies in what is above it. */
const LINE = /^ *([0-9a-f]+)-([0-9a-f]+) : (.*)$/;
/** What pages of processes may lie in. */
const MEMORY = /RAM|Persistent Memory|Soft Reserved/;

/**
 * Where a buffer of the board's may lie on the bus without being anybody's memory: as low as the reference system's if
 * this machine has no memory there, else where 32 bits still reach it, else above all memory.
 *
 * @param resources what `/proc/iomem` says
 */
export function freeBufferAddress(resources: string): number {
  const ranges = resources.split("\n").flatMap((line) => {
    const [, start = "", end = "", name = ""] = LINE.exec(line) ?? [];
    return MEMORY.test(name) ? [{ start: Number.parseInt(start, 16), end: Number.parseInt(end, 16) }] : [];
  });
  // Without rights every address reads 0.
  if (!ranges.some(({ end }) => end > 0)) return ABOVE_MEMORY;
  for (const limit of LIMITS) {
    for (let from = limit - STEP_BYTES; from >= limit / 2; from -= STEP_BYTES) {
      if (!ranges.some(({ start, end }) => start < from + STEP_BYTES && end >= from)) return from;
    }
  }
  return ABOVE_MEMORY;
}

/** As {@link freeBufferAddress}, for this machine. */
export function deviceBufferAddress(): number {
  try {
    return freeBufferAddress(readFileSync("/proc/iomem", "latin1"));
  } catch {
    return ABOVE_MEMORY;
  }
}
