import koffi from "koffi";
import { addressOf } from "./libc";

/**
 * Which pages of a process are in memory, without a look at each: PAGEMAP_SCAN, Linux 6.7. Source: kernel documentation,
 * admin-guide/mm/pagemap.rst, and `linux/fs.h`.
 */
const libc = koffi.load(null);

/** _IOWR('f', 16, struct pm_scan_arg) */
const PAGEMAP_SCAN = 0xc0606610;
const PAGE_IS_PRESENT = 8n;
/** struct pm_scan_arg in words of 64 bits */
const ARGUMENT = { words: 12, size: 0, start: 2, end: 3, walkEnd: 4, regions: 5, capacity: 6, anyOf: 10, shown: 11 };
/** struct page_region: start, end, categories */
const REGION_WORDS = 3;
const CAPACITY = 512;

const rawIoctl: (fd: number, request: number, argument: Uint8Array) => number = libc.func(
  "int ioctl(int, unsigned long, void *)",
);
const argument = new BigUint64Array(ARGUMENT.words);
const regions = new BigUint64Array(CAPACITY * REGION_WORDS);

/** Calls back for each stretch of present pages within a range, by address; false if the kernel does not know how to. */
export function scanPresent(
  pagemapFd: number,
  start: number,
  end: number,
  found: (start: number, end: number) => void,
): boolean {
  for (let from = BigInt(start); from < BigInt(end); from = argument[ARGUMENT.walkEnd] ?? BigInt(end)) {
    argument.fill(0n);
    argument[ARGUMENT.size] = BigInt(argument.byteLength);
    argument[ARGUMENT.start] = from;
    argument[ARGUMENT.end] = BigInt(end);
    argument[ARGUMENT.regions] = BigInt(addressOf(new Uint8Array(regions.buffer)));
    argument[ARGUMENT.capacity] = BigInt(CAPACITY);
    argument[ARGUMENT.anyOf] = PAGE_IS_PRESENT;
    argument[ARGUMENT.shown] = PAGE_IS_PRESENT;
    const count = rawIoctl(pagemapFd, PAGEMAP_SCAN, new Uint8Array(argument.buffer));
    if (count < 0) return false;
    for (let at = 0; at < count * REGION_WORDS; at += REGION_WORDS) found(Number(regions[at]), Number(regions[at + 1]));
  }
  return true;
}
