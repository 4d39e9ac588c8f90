import { errorRaise } from "./abi";
import { PhysicalAddress } from "./address";

/** How many segments are read at first; lists that turn out longer are read again. */
const FIRST_CAPACITY: i32 = 64;

/** Bytes of a segment as the host writes it: physicalAddress and lengthBytes. */
const RAW_BYTES: usize = 16;

/** A piece of memory that a device can reach with one address. */
export class Segment {
  constructor(
    readonly physicalAddress: PhysicalAddress,
    readonly lengthBytes: u64,
  ) {}
}

/** Fills up to `capacity` segments at a pointer, 16 bytes each; gives how many there are, or a negative errno. */
type SegmentSource = (first: usize, second: usize, segmentsPtr: usize, capacity: i32) => i32;

/**
 * All segments that a host function tells of.
 *
 * @param source the host function, with its own two arguments
 */
export function readSegments(source: SegmentSource, first: usize, second: usize): StaticArray<Segment> {
  let capacity = FIRST_CAPACITY;
  while (true) {
    const raw = heap.alloc(<usize>capacity * RAW_BYTES);
    const count = source(first, second, raw, capacity);
    if (count < 0) errorRaise();
    if (count <= capacity) {
      const segments = new StaticArray<Segment>(count);
      for (let i = 0; i < count; i++) {
        const at = raw + <usize>i * RAW_BYTES;
        segments[i] = new Segment(load<u64>(at), load<u64>(at, sizeof<u64>()));
      }
      heap.free(raw);
      return segments;
    }
    heap.free(raw);
    capacity = count;
  }
}
