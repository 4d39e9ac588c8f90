import { pageSizeBytes } from "../../host/native/libc";
import type { PhysicalRange } from "./granted-ranges";

const LINE_BYTES = 64;

/** A transfer that goes astray, as seen from a range that was granted. */
export interface StrayAim {
  readonly what: string;
  /** The first line of the range, the end of its last one, or address 0. */
  readonly from: "start" | "end" | "zero";
  readonly offsetBytes: bigint;
  /** How many lines: those of the range so many times, and these. Absent: one. */
  readonly lines?: { readonly ofRange: number; readonly more: number };
}

function beside(what: string, from: "start" | "end", offsetBytes: number): StrayAim {
  return { what, from, offsetBytes: BigInt(offsetBytes) };
}

/** The range itself, its first line. */
export const INSIDE_A_RANGE: StrayAim = beside("the first line of", "start", 0);

/** What touches a granted range from outside, by one line. */
export const BESIDE_A_RANGE: readonly StrayAim[] = [
  beside("the line before", "start", -LINE_BYTES),
  beside("the line behind", "end", 0),
  beside("the page before", "start", -pageSizeBytes),
  beside("the page behind", "end", pageSizeBytes - LINE_BYTES),
  beside("an address that is not aligned in", "start", 16),
];

/** What sticks out of it, where a transfer has a length. */
export const OUT_OF_A_RANGE: readonly StrayAim[] = [
  { ...beside("one line more in front of", "start", -LINE_BYTES), lines: { ofRange: 1, more: 1 } },
  { ...beside("one line more behind", "start", 0), lines: { ofRange: 1, more: 1 } },
  { ...beside("the last line and one behind", "end", -LINE_BYTES), lines: { ofRange: 0, more: 2 } },
  { ...beside("ten times the length of", "start", 0), lines: { ofRange: 10, more: 0 } },
  { ...beside("a length that wraps in 32 bits in", "start", 0), lines: { ofRange: 1, more: 0x4000000 } },
];

function at(what: string, offsetBytes: number | bigint, from: "start" | "zero" = "zero"): StrayAim {
  return { what, from, offsetBytes: BigInt(offsetBytes) };
}

/** Memory that is nobody's, or not memory, whatever was granted. */
export const ELSEWHERE: readonly StrayAim[] = [
  at("address 0", 0),
  at("the second line of all", LINE_BYTES),
  at("the first page", pageSizeBytes),
  at("16 MiB", 2 ** 24),
  at("the last line below 4 GiB", 2 ** 32 - LINE_BYTES),
  at("the last line of all", 2 ** 40 - LINE_BYTES),
  at("2^40", 2 ** 40),
  at("the same address with bit 40", 2 ** 40, "start"),
  at("the same address with bit 63", 2n ** 63n, "start"),
  at("the last line of 64 bits", 2n ** 64n - 64n),
  at("the same address 4 GiB higher", 2 ** 32, "start"),
  at("bit 39 of the same address", 2 ** 39, "start"),
];

/** As {@link ELSEWHERE}, where a transfer has a length. */
export const FAR_TOO_LONG: readonly StrayAim[] = [
  { ...at("a length of 0", 0, "start"), lines: { ofRange: 0, more: 0 } },
  { ...at("all of memory", 0), lines: { ofRange: 0, more: 0xffffffff } },
  { ...at("the end of the addresses, and on at 0", 2 ** 40 - LINE_BYTES), lines: { ofRange: 0, more: 2 } },
];

/** Where an aim is, seen from a range. */
export function takeAim({ from, offsetBytes, lines }: StrayAim, { start, end }: PhysicalRange) {
  const first = Math.floor(start / LINE_BYTES) * LINE_BYTES;
  const behind = Math.ceil(end / LINE_BYTES) * LINE_BYTES;
  const base = { start: first, end: behind, zero: 0 }[from];
  const count = lines === undefined ? 1 : (lines.ofRange * (behind - first)) / LINE_BYTES + lines.more;
  return { address: BigInt.asUintN(64, BigInt(base) + offsetBytes), lines: count };
}
