import { errorRaise, memoryPhysicalAddress, memoryTranslate, memoryVirtualAddress } from "./abi";
import { PhysicalAddress, VirtualAddress } from "./address";
import { fail } from "./errors";
import { lend, remember } from "./lent";
import { readSegments, Segment } from "./segment";

/** Before a managed object, the collector keeps its size in bytes. */
const SIZE_BEFORE_OBJECT: usize = 4;

/**
 * The virtual address of an array's first element, of a buffer, or of a pointer.
 *
 * A device may use the array from then on: the collector does not take it while the script runs, even if the script
 * drops it. Where it has a cache line only in part, writes of devices to that line are refused. For a bare pointer the
 * script answers itself.
 *
 * @param target a `CacheLineArray`, `DmaBuffer`, `StaticArray`, `Array`, `ArrayBuffer` or typed array, or a pointer
 * @returns where it lies in the host process
 */
export function virtualAddressOf<T>(target: T): VirtualAddress {
  const start = pointerTo<T>(target);
  if (!isInteger<T>()) {
    if (start == 0) fail("ERR_AXI_REGION_FREED", "Cannot take the address of memory that was freed.");
    if (isCollected<T>(target)) lend(keeperOf<T>(target), start, lengthOf<T>(target));
  }
  const address = memoryVirtualAddress(start);
  if (address < 0) errorRaise();
  return <u64>address;
}

/** Where an array's elements begin in linear memory. */
export function pointerTo<T>(target: T): usize {
  if (isInteger<T>()) return <usize>target;
  // @ts-ignore: only compiled for types that have it
  if (isDefined(target.dataStart)) return target.dataStart;
  return changetype<usize>(target);
}

/** Whether the elements belong to the collector: `CacheLineArray`, `DmaBuffer` and its views have memory of their own. */
export function isCollected<T>(target: T): bool {
  if (isInteger<T>()) return false;
  // @ts-ignore: only compiled for types that have it
  if (isDefined(target.dataStart)) return isDefined(target.buffer);
  return isArrayLike<T>() || idof<T>() == idof<ArrayBuffer>();
}

/** How many bytes of elements there are; of a `CacheLineArray`, with what fills its last line. */
export function lengthOf<T>(target: T): usize {
  // @ts-ignore: only compiled for types that have it
  if (isDefined(target.lineBytes)) return target.lineBytes;
  // @ts-ignore: only compiled for types that have it
  if (isDefined(target.dataStart) && isDefined(target.byteLength)) return target.byteLength;
  return load<u32>(pointerTo<T>(target) - SIZE_BEFORE_OBJECT);
}

/** The object that the elements lie in: a view's buffer, or the target itself. */
export function keeperOf<T>(target: T): Object {
  // @ts-ignore: only compiled for types that have it
  if (isDefined(target.dataStart)) return changetype<Object>(load<usize>(changetype<usize>(target)));
  return changetype<Object>(target);
}

/**
 * Where a range lies in physical memory. Its pages are present, pinned until the script ends, and were looked up after
 * that.
 *
 * @param pointer first byte
 * @param lengthBytes 1 or more
 * @returns segments in the order of the range, as few as possible
 */
export function translate(pointer: usize, lengthBytes: usize): StaticArray<Segment> {
  return readSegments(memoryTranslate, pointer, lengthBytes);
}

/**
 * Translates virtual addresses to physical ones.
 *
 * Each page whose address was handed out is present, pinned until the script ends, and verified.
 *
 * @example
 * const vtp = new VirtualToPhysical();
 * const paddr = vtp.getPhysicalAddress(virtualAddressOf(xs));
 */
export class VirtualToPhysical {
  /**
   * @param virtualAddress an address in the script's linear memory, from `virtualAddressOf`
   * @returns the address to give to a device
   */
  getPhysicalAddress(virtualAddress: VirtualAddress): PhysicalAddress {
    const address = memoryPhysicalAddress(virtualAddress);
    if (address < 0) errorRaise();
    remember(<usize>(virtualAddress - <u64>memoryVirtualAddress(0)), <u64>address);
    return <u64>address;
  }
}
