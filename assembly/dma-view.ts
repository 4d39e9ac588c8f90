import { DmaBuffer } from "./dma-buffer";
import { list } from "./format";

const E_INDEX: string = "Index out of range";

/**
 * The elements of a `DmaBuffer`, of one type. It begins at a multiple of 64, so that `v128.load` and `v128.store` may be
 * used from `dataStart` on.
 *
 * @example
 * const xs = DmaBuffer.alloc(4096).i32;
 * xs[0] = 42;
 */
export class DmaView<T> {
  [key: number]: T;

  constructor(private readonly owner: DmaBuffer) {}

  /** Number of elements; 0 once the buffer was freed. */
  get length(): i32 {
    return <i32>(this.owner.lengthBytes / sizeof<T>());
  }

  /** Pointer to the first element; 0 once the buffer was freed. */
  get dataStart(): usize {
    return this.owner.dataStart;
  }

  // @ts-ignore: AssemblyScript overloads [] this way
  @operator("[]")
  private get(index: i32): T {
    if (<u32>index >= <u32>this.length) throw new RangeError(E_INDEX);
    return load<T>(this.owner.dataStart + <usize>index * sizeof<T>());
  }

  // @ts-ignore: AssemblyScript overloads []= this way
  @operator("[]=")
  private set(index: i32, value: T): void {
    if (<u32>index >= <u32>this.length) throw new RangeError(E_INDEX);
    store<T>(this.owner.dataStart + <usize>index * sizeof<T>(), value);
  }

  // @ts-ignore: AssemblyScript overloads unchecked access this way
  @operator("{}")
  private uncheckedGet(index: i32): T {
    return load<T>(this.owner.dataStart + <usize>index * sizeof<T>());
  }

  // @ts-ignore: AssemblyScript overloads unchecked access this way
  @operator("{}=")
  private uncheckedSet(index: i32, value: T): void {
    store<T>(this.owner.dataStart + <usize>index * sizeof<T>(), value);
  }

  /** Sets every element. */
  fill(value: T): this {
    for (let i = 0, k = this.length; i < k; i++) unchecked((this[i] = value));
    return this;
  }

  /** As Python prints a list: `[0, 1, 2, 3]`. */
  toString(): string {
    // @ts-ignore: T is a number
    return list<DmaView<T>>(this);
  }
}
