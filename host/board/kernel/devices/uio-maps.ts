import { pageSizeBytes } from "../../../native/libc";
import type { RegisterRange } from "../fpga/device-tree-bus";
import { Attribute, Directory } from "../kernel-tree";

/**
 * Where the register ranges of a device are in its file, as `mmap` of `/dev/uioN` finds them: map M begins at page M.
 * Source: kernel `drivers/uio/uio.c`, `uio_pdrv_genirq.c`, `include/linux/uio_driver.h`.
 */
const MAX_UIO_MAPS = 5;

/** Whole pages that hold the registers of a range. */
export interface UioMap {
  readonly range: RegisterRange;
  /** Bus address of its first page. */
  readonly pageAddress: number;
  /** Where the registers begin in it. */
  readonly offset: number;
  /** Whole pages. */
  readonly lengthBytes: number;
  /** The register file from there to the end of the map, shared with whoever maps `/dev/uioN`. */
  readonly registers: Int32Array;
}

/**
 * The ranges that programs can map: at most five, and in a regular file none that follows a map of several pages, whose
 * second page is where the next one would begin.
 *
 * @param leftOut is told of the others
 */
export function reachableRanges(
  ranges: readonly RegisterRange[],
  leftOut: (range: RegisterRange, reason: string) => void,
): readonly RegisterRange[] {
  const large = ranges.findIndex((range) => pagesOf(range) > pageSizeBytes);
  const room = Math.min(large < 0 ? ranges.length : large + 1, MAX_UIO_MAPS);
  const reason =
    room === MAX_UIO_MAPS ? `a device has at most ${MAX_UIO_MAPS} maps` : "the map before it has more than a page";
  for (const range of ranges.slice(room)) leftOut(range, reason);
  return ranges.slice(0, room);
}

/** How long the file is, but for what comes behind the registers. */
export function registerFileBytes(ranges: readonly RegisterRange[]): number {
  return Math.max(0, ...ranges.map((range, index) => index * pageSizeBytes + pagesOf(range)));
}

/** The maps of a device whose file is in memory. */
export function mapsOf(ranges: readonly RegisterRange[], file: ArrayBufferLike): UioMap[] {
  return ranges.map((range, index) => {
    const offset = range.address % pageSizeBytes;
    const lengthBytes = pagesOf(range);
    const registers = new Int32Array(file, index * pageSizeBytes + offset, Math.floor((lengthBytes - offset) / 4));
    return { range, pageAddress: range.address - offset, offset, lengthBytes, registers };
  });
}

/** The directory `maps`. */
export function mapsDirectory(maps: readonly UioMap[]): Directory {
  const line = (text: string) => Attribute.of(`${text}\n`);
  const address = (value: number) => line(`0x${value.toString(16).padStart(16, "0")}`);
  const entries = maps.map(({ range, pageAddress, offset, lengthBytes }, index): [string, Directory] => [
    `map${index}`,
    new Directory({
      name: line(range.name),
      addr: address(pageAddress),
      size: address(lengthBytes),
      offset: line(`0x${offset.toString(16)}`),
    }),
  ]);
  return new Directory(Object.fromEntries(entries));
}

function pagesOf({ address, lengthBytes }: RegisterRange): number {
  return Math.ceil(((address % pageSizeBytes) + lengthBytes) / pageSizeBytes) * pageSizeBytes;
}
