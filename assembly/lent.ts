import { CACHE_LINE_BYTES } from "./cache-line";
import { fail } from "./errors";
import { hex } from "./format";
import { PhysicalAddress } from "./address";
import { UioDevice } from "./uio";

/** The finest page of any kernel. */
const PAGE_BYTES: usize = 4096;

/** An object that a device may use, and how often it was lent. */
class Lent {
  times: i32 = 0;

  constructor(readonly object: Object) {}
}

/** By the pointer to their data: the collector sees the objects here. */
const objects = new Map<usize, Lent>();
/** How often an array was lent that has only a part of a cache line, by the line's number in linear memory. */
const partialLines = new Map<usize, i32>();
/** Pages whose physical addresses were handed out: physical page number → page number in linear memory. */
const pages = new Map<u64, usize>();

/**
 * Keeps an object alive, and remembers which cache lines it has only in part.
 *
 * @param object what the collector must not take; `null` if the data is not its
 * @param start of the data
 */
export function lend(object: Object | null, start: usize, lengthBytes: usize): void {
  if (object != null) {
    if (!objects.has(start)) objects.set(start, new Lent(object));
    objects.get(start).times++;
  }
  countPartialLines(start, lengthBytes, 1);
}

/** Takes one {@link lend} back. */
export function takeBack(start: usize, lengthBytes: usize): void {
  if (objects.has(start) && --objects.get(start).times == 0) objects.delete(start);
  countPartialLines(start, lengthBytes, -1);
}

/** Remembers where a byte of linear memory lies. */
export function remember(guestPtr: usize, physicalAddress: PhysicalAddress): void {
  pages.set(physicalAddress / PAGE_BYTES, guestPtr / PAGE_BYTES);
}

/**
 * Ends the script if a device is about to write a cache line that an array has only in part: what else is on it would be
 * overwritten.
 *
 * @param device for messages
 * @param physicalAddress a multiple of 64
 * @param lengthBytes how much it writes; a multiple of 64
 */
export function refusePartialLine(
  device: UioDevice,
  physicalAddress: PhysicalAddress,
  lengthBytes: u64 = CACHE_LINE_BYTES,
): void {
  if (partialLines.size == 0) return;
  const end = physicalAddress + lengthBytes;
  for (let at = physicalAddress; at < end;) {
    const page = at / PAGE_BYTES;
    const pageEnd = min<u64>((page + 1) * PAGE_BYTES, end);
    if (pages.has(page)) {
      for (let line = at; line < pageEnd; line += CACHE_LINE_BYTES) refuseIfPartial(device, page, line, lengthBytes);
    }
    at = pageEnd;
  }
}

function refuseIfPartial(device: UioDevice, page: u64, line: PhysicalAddress, lengthBytes: u64): void {
  const guestPtr = pages.get(page) * PAGE_BYTES + <usize>(line % PAGE_BYTES);
  if (!partialLines.has(guestPtr / CACHE_LINE_BYTES)) return;
  fail(
    "ERR_AXI_SHARED_CACHE_LINE",
    `Cannot write ${hex(line)} through ${device.toString()}: the write changes ${lengthBytes} bytes, and this cache line also holds bytes of other objects. Use a CacheLineArray or a DmaBuffer, or write to lines that lie within the array.`,
  );
}

function countPartialLines(start: usize, lengthBytes: usize, change: i32): void {
  const end = start + lengthBytes;
  const first = start / CACHE_LINE_BYTES;
  const last = end / CACHE_LINE_BYTES;
  if (start % CACHE_LINE_BYTES != 0) count(first, change);
  if (end % CACHE_LINE_BYTES != 0 && (last != first || start % CACHE_LINE_BYTES == 0)) count(last, change);
}

function count(line: usize, change: i32): void {
  const now = (partialLines.has(line) ? partialLines.get(line) : 0) + change;
  if (now > 0) partialLines.set(line, now);
  else partialLines.delete(line);
}
