/** Pages of WebAssembly: memory grows by them. */
const GROWTH_BYTES: usize = 65536;

/** A run of bytes of linear memory that nobody uses. */
class Extent {
  constructor(
    public start: usize,
    public lengthBytes: usize,
  ) {}
}

/**
 * Linear memory that the heap does not know of, in pieces that come and go. Regions live here rather than on the heap,
 * because other pages may be put under them, and because they may ask for an alignment.
 */
export class Space {
  /** Free extents in the order of their addresses; none touches the next. */
  private readonly free: Array<Extent> = [];

  /**
   * Reserves bytes, growing the memory if need be. They hold anything.
   *
   * @param lengthBytes 1 or more
   * @param alignment a power of two
   * @param skew what is added to a pointer before it is aligned
   * @returns 0 if the memory cannot grow
   */
  reserve(lengthBytes: usize, alignment: usize, skew: usize): usize {
    const free = this.free;
    for (let i = 0; i < free.length; i++) {
      const start = aligned(free[i].start, alignment, skew);
      if (<u64>start + lengthBytes <= usableEnd(free[i])) return this.take(i, start, lengthBytes);
    }
    const end = <u64>memory.size() * GROWTH_BYTES;
    const start = <u64>aligned(<usize>end, alignment, skew);
    const growth = (start + lengthBytes - end + GROWTH_BYTES - 1) / GROWTH_BYTES + 1;
    if (start < end || growth > 65536 || memory.grow(<i32>growth) < 0) return 0;
    this.giveBack(<usize>end, <usize>growth * GROWTH_BYTES);
    return this.reserve(lengthBytes, alignment, skew);
  }

  /** Gives back what was reserved. */
  giveBack(start: usize, lengthBytes: usize): void {
    const free = this.free;
    let i = 0;
    while (i < free.length && free[i].start < start) i++;
    const before = i > 0 ? free[i - 1] : null;
    if (before != null && before.start + before.lengthBytes == start) {
      before.lengthBytes += lengthBytes;
      i--;
    } else {
      this.insert(i, new Extent(start, lengthBytes));
    }
    const here = free[i];
    if (i + 1 < free.length && here.start + here.lengthBytes == free[i + 1].start) {
      here.lengthBytes += free[i + 1].lengthBytes;
      free.splice(i + 1, 1);
    }
  }

  /** Cuts a piece out of an extent. */
  private take(index: i32, start: usize, lengthBytes: usize): usize {
    const free = this.free;
    const extent = free[index];
    const end = extent.start + extent.lengthBytes;
    extent.lengthBytes = start - extent.start;
    if (start + lengthBytes < end) this.insert(index + 1, new Extent(start + lengthBytes, end - start - lengthBytes));
    if (extent.lengthBytes == 0) free.splice(index, 1);
    return start;
  }

  private insert(index: i32, extent: Extent): void {
    const free = this.free;
    free.push(extent);
    for (let i = free.length - 1; i > index; i--) free[i] = free[i - 1];
    free[index] = extent;
  }
}

/**
 * The last page of the memory stays ordinary: what is added behind other pages would remain a mapping of its own in the
 * kernel when these are gone.
 */
function usableEnd(extent: Extent): u64 {
  const last = (<u64>memory.size() - 1) * GROWTH_BYTES;
  return min<u64>(<u64>extent.start + extent.lengthBytes, last);
}

function aligned(start: usize, alignment: usize, skew: usize): usize {
  return ((start + skew + alignment - 1) & ~(alignment - 1)) - skew;
}
