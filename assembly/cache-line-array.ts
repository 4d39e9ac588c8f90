import { CACHE_LINE_BYTES } from "./cache-line";
import { list } from "./format";

/** AssemblyScript's allocator aligns to 16 bytes. */
const HEAP_ALIGNMENT: usize = 16;

const E_INDEX: string = "Index out of range";

/**
 * A fixed number of elements on whole cache lines of their own, so that a device may write a line without touching
 * anything else. Elements start as 0.
 *
 * ```
 *   block (16-byte aligned)
 *   ▼
 *   ├─ 0 to 48 unused ─┼─ line 0 ─┼─ line 1 ─┼─ … ─┤
 *                      ▲ dataStart, a multiple of 64      elements, then padding to the end of the last line
 * ```
 *
 * The memory is not the collector's: it stays where it is, and stays reserved when the array is dropped, since a device
 * may still use it. `free` gives it back.
 *
 * @example
 * const xs = new CacheLineArray<i32>(16);
 * xs[0] = 42;
 */
export class CacheLineArray<T> {
  [key: number]: T;

  /** Pointer to the first element; a multiple of 64. 0 after `free`. */
  dataStart: usize;
  /** Bytes of its lines, all of which are its own; 0 after `free`. */
  lineBytes: usize;
  private block: usize;
  private count: i32;

  /** @param length number of elements, 0 or more */
  constructor(length: i32) {
    if (length < 0 || <u64>length > <u64>(0x7fffffff - CACHE_LINE_BYTES) / sizeof<T>()) {
      throw new RangeError(`Cannot make a CacheLineArray: length is 0 to 2^31 bytes, current value is ${length}`);
    }
    const lineMask = CACHE_LINE_BYTES - 1;
    const wanted = max<usize>(<usize>length * sizeof<T>(), 1);
    const lineBytes = (wanted + lineMask) & ~lineMask;
    this.lineBytes = lineBytes;
    this.block = heap.alloc(lineBytes + CACHE_LINE_BYTES - HEAP_ALIGNMENT);
    this.dataStart = (this.block + lineMask) & ~lineMask;
    this.count = length;
    memory.fill(this.dataStart, 0, lineBytes);
  }

  /** An array that holds 0, 1, 2, … as `numpy.arange` makes it. */
  static arange<T>(length: i32): CacheLineArray<T> {
    const array = new CacheLineArray<T>(length);
    for (let i = 0; i < length; i++) array[i] = <T>i;
    return array;
  }

  get length(): i32 {
    return this.count;
  }

  // @ts-ignore: AssemblyScript overloads [] this way
  @operator("[]")
  private get(index: i32): T {
    if (<u32>index >= <u32>this.count) throw new RangeError(E_INDEX);
    return load<T>(this.dataStart + <usize>index * sizeof<T>());
  }

  // @ts-ignore: AssemblyScript overloads []= this way
  @operator("[]=")
  private set(index: i32, value: T): void {
    if (<u32>index >= <u32>this.count) throw new RangeError(E_INDEX);
    store<T>(this.dataStart + <usize>index * sizeof<T>(), value);
  }

  /** Gives the memory back, once no device uses it any more. The array is empty afterwards. */
  free(): void {
    if (this.block != 0) heap.free(this.block);
    this.block = 0;
    this.dataStart = 0;
    this.lineBytes = 0;
    this.count = 0;
  }

  /** As Python prints a list: `[0, 1, 2, 3]`. */
  toString(): string {
    // @ts-ignore: T is a number
    return list<CacheLineArray<T>>(this);
  }
}
