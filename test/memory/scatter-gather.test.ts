import { truncateSync, writeFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { LinearMemory } from "../../host/memory/linear-memory";
import { Pagemap } from "../../host/memory/pagemap";
import type { Segment } from "../../host/memory/scatter-gather";
import { pageSizeBytes } from "../../host/native/libc";
import { rejectsWith } from "../support/expect";
import { seesPageFrames, testWhere } from "../support/rights";
import { temporaryFile } from "../support/temporary";

const test = suite("scatter-gather");
const PAGE = BigInt(pageSizeBytes);
const PRESENT = 1n << 63n;
const SOFT_DIRTY = 1n << 55n;
const EXCLUSIVE = 1n << 56n;

/** A page frame number; `undefined`: not present; 0: hidden. */
type Frame = bigint | undefined;

/** The bytes of a pagemap whose pages from 0 on have these frames. */
function entriesOf(frames: readonly Frame[]): Uint8Array {
  const entries = frames.map((frame) => (frame === undefined ? 0n : PRESENT | frame));
  return new Uint8Array(new BigUint64Array(entries).buffer);
}

/** Calls `body` with a pagemap of these frames, and the path of its file. */
async function withFrames(frames: readonly Frame[], body: (pagemap: Pagemap, path: string) => unknown): Promise<void> {
  const path = temporaryFile("pagemap", entriesOf(frames));
  const pagemap = new Pagemap(path);
  try {
    await body(pagemap, path);
  } finally {
    pagemap.close();
  }
}

/** Segments of whole pages. */
function wholePages(...runs: readonly [frame: bigint, pageCount: number][]): Segment[] {
  return runs.map(([frame, pageCount]) => ({
    physicalAddress: frame * PAGE,
    lengthBytes: pageCount * pageSizeBytes,
  }));
}

test("segmentsOf() merges pages whose frames follow each other, upwards only", () =>
  withFrames([5n, 6n, 7n, 9n, 8n, 8n, 9n], (pagemap) => {
    const list = pagemap.segmentsOf(0n, 7 * pageSizeBytes);
    assert.equal([...list], wholePages([5n, 3], [9n, 1], [8n, 1], [8n, 2]));
    assert.is(list.length, 4);
    assert.is(list.totalBytes, 7 * pageSizeBytes);
  }));

test("segmentsOf() looks only at the present bit and the frame of an entry", () =>
  withFrames([5n, SOFT_DIRTY | 6n, EXCLUSIVE | SOFT_DIRTY | 7n, EXCLUSIVE | 9n], (pagemap) => {
    assert.equal([...pagemap.segmentsOf(0n, 4 * pageSizeBytes)], wholePages([5n, 3], [9n, 1]));
  }));

test("segmentsOf() keeps all 55 bits of a frame, and carries from bit 31 to bit 32", async () => {
  const top = (1n << 55n) - 1n;
  await withFrames([top - 1n, top, (1n << 53n) + 1n, 1n << 54n], (pagemap) => {
    const expected = wholePages([top - 1n, 2], [(1n << 53n) + 1n, 1], [1n << 54n, 1]);
    assert.equal([...pagemap.segmentsOf(0n, 4 * pageSizeBytes)], expected);
  });
  await withFrames([top, undefined], async (pagemap) => {
    await rejectsWith("ERR_AXI_PAGE_NOT_PRESENT", () => pagemap.segmentsOf(0n, 2 * pageSizeBytes));
  });
  const carry = 1n << 32n;
  await withFrames([carry - 1n, carry, carry + 1n, 2n * carry - 1n, carry, 3n * carry, 3n * carry], (pagemap) => {
    const expected = wholePages([carry - 1n, 3], [2n * carry - 1n, 1], [carry, 1], [3n * carry, 1], [3n * carry, 1]);
    assert.equal([...pagemap.segmentsOf(0n, 7 * pageSizeBytes)], expected);
  });
});

test("segmentsOf() merges two pages if, and only if, the second frame is the first one plus 1", async () => {
  const edges = [1n << 8n, 1n << 31n, 1n << 32n, 1n << 33n, (1n << 33n) + (1n << 32n), 1n << 53n, 1n << 54n];
  const frames = edges.flatMap((edge) => [edge - 2n, edge - 1n, edge, edge + 1n]).concat((1n << 55n) - 1n, 1n);
  const pairs = frames.flatMap((first) => frames.map((second) => [first, second] as const));
  await withFrames(pairs.flat(), (pagemap) => {
    for (const [index, [first, second]] of pairs.entries()) {
      const segments = [...pagemap.segmentsOf(BigInt(2 * index) * PAGE, 2 * pageSizeBytes)];
      assert.equal(segments, second === first + 1n ? wholePages([first, 2]) : wholePages([first, 1], [second, 1]));
    }
  });
});

test("segmentsOf() takes no page for present because its entry, a swap entry say, looks like one that follows", async () => {
  for (const bits of [0n, 6n, SOFT_DIRTY | 6n, (1n << 62n) | 6n]) {
    const entries = new BigUint64Array([PRESENT | 5n, bits]);
    const pagemap = new Pagemap(temporaryFile("pagemap", new Uint8Array(entries.buffer)));
    await rejectsWith("ERR_AXI_PAGE_NOT_PRESENT", () => pagemap.segmentsOf(0n, 2 * pageSizeBytes));
    await rejectsWith("ERR_AXI_PAGE_NOT_PRESENT", () => pagemap.segmentsOf(PAGE, pageSizeBytes));
    pagemap.close();
  }
});

test("segmentsOf() begins and ends in the middle of pages", () =>
  withFrames([20n, 21n, 30n, 40n], (pagemap) => {
    assert.equal(
      [...pagemap.segmentsOf(100n, 3 * pageSizeBytes)],
      [
        { physicalAddress: 20n * PAGE + 100n, lengthBytes: 2 * pageSizeBytes - 100 },
        { physicalAddress: 30n * PAGE, lengthBytes: pageSizeBytes },
        { physicalAddress: 40n * PAGE, lengthBytes: 100 },
      ],
    );
    assert.equal([...pagemap.segmentsOf(2n * PAGE + 8n, 16)], [{ physicalAddress: 30n * PAGE + 8n, lengthBytes: 16 }]);
    assert.equal([...pagemap.segmentsOf(PAGE - 1n, 1)], [{ physicalAddress: 21n * PAGE - 1n, lengthBytes: 1 }]);
  }));

test("segmentsOf() gives an empty list for 0 bytes, wherever they are", () =>
  withFrames([undefined], (pagemap) => {
    for (const address of [0n, 1n, PAGE - 1n, 1n << 46n]) {
      const list = pagemap.segmentsOf(address, 0);
      assert.equal([...list], []);
      assert.is(list.totalBytes, 0);
      assert.is(pagemap.firstMovedPage(list), undefined);
    }
  }));

test("segmentsOf() refuses lengths that are none", () =>
  withFrames([1n], async (pagemap) => {
    for (const lengthBytes of [-1, 0.5, NaN, Infinity, (2 ** 32 - 1) * pageSizeBytes + 1]) {
      await rejectsWith("ERR_AXI_BAD_ARGUMENT", () => pagemap.segmentsOf(0n, lengthBytes));
    }
  }));

test("segmentsOf() names the first page that is not present, as frameOf() does", () =>
  withFrames([1n, 2n, undefined, 0n, undefined], async (pagemap) => {
    const { message } = await rejectsWith("ERR_AXI_PAGE_NOT_PRESENT", () =>
      pagemap.segmentsOf(PAGE + 8n, 4 * pageSizeBytes - 8),
    );
    assert.is(message, (await rejectsWith("ERR_AXI_PAGE_NOT_PRESENT", () => pagemap.frameOf(2n * PAGE))).message);
    assert.is(pagemap.segmentsOf(0n, 2 * pageSizeBytes).length, 1);
  }));

test("segmentsOf() names the first page whose number is hidden, as frameOf() does", () =>
  withFrames([1n, 0n, undefined], async (pagemap) => {
    const { message } = await rejectsWith("ERR_AXI_NO_PAGE_FRAME_NUMBERS", () =>
      pagemap.segmentsOf(0n, 3 * pageSizeBytes),
    );
    assert.is(message, (await rejectsWith("ERR_AXI_NO_PAGE_FRAME_NUMBERS", () => pagemap.frameOf(PAGE))).message);
  }));

test("segmentsOf() calls pages past the end of the pagemap absent, and half an entry too", () =>
  withFrames([1n, 2n, 3n], async (pagemap, path) => {
    const past = () => pagemap.segmentsOf(0n, 4 * pageSizeBytes);
    assert.match((await rejectsWith("ERR_AXI_PAGE_NOT_PRESENT", past)).message, (3n * PAGE).toString(16));
    truncateSync(path, 20);
    assert.match((await rejectsWith("ERR_AXI_PAGE_NOT_PRESENT", past)).message, (2n * PAGE).toString(16));
  }));

test("segmentsOf() merges across the chunks that it reads", async () => {
  const pageCount = 100_000;
  const frames = Array.from({ length: pageCount }, (_, page): Frame => BigInt(page + 7));
  await withFrames(frames, (pagemap) => {
    assert.equal([...pagemap.segmentsOf(0n, pageCount * pageSizeBytes)], wholePages([7n, pageCount]));
  });
  const last = frames.with(-1, undefined);
  await withFrames(last, async (pagemap) => {
    const { message } = await rejectsWith("ERR_AXI_PAGE_NOT_PRESENT", () =>
      pagemap.segmentsOf(0n, pageCount * pageSizeBytes),
    );
    assert.match(message, (BigInt(pageCount - 1) * PAGE).toString(16));
  });
});

test("segmentsOf() holds a segment a page", () => {
  const pageCount = 50_000;
  const frames = Array.from({ length: pageCount }, (_, page) => BigInt(2 * pageCount - 2 * page));
  return withFrames(frames, (pagemap) => {
    const list = pagemap.segmentsOf(0n, pageCount * pageSizeBytes);
    assert.equal([...list], wholePages(...frames.map((frame): [bigint, number] => [frame, 1])));
  });
});

test("a list stays as it is when the pagemap translates something else", () =>
  withFrames([1n, 2n, 9n, 5n], (pagemap) => {
    const list = pagemap.segmentsOf(0n, 2 * pageSizeBytes);
    pagemap.segmentsOf(2n * PAGE, 2 * pageSizeBytes);
    assert.equal([...list], wholePages([1n, 2]));
  }));

test("at() refuses an index that is outside of the list", () =>
  withFrames([1n, 3n], (pagemap) => {
    const list = pagemap.segmentsOf(0n, 2 * pageSizeBytes);
    assert.equal(list.at(1), wholePages([3n, 1])[0]);
    for (const index of [-1, 2, 0.5, NaN]) assert.throws(() => list.at(index), /the list has 2/);
  }));

test("firstMovedPage() names the first page that lies elsewhere or has gone", () => {
  const frames: Frame[] = [5n, 6n, 7n, 20n, 21n, 40n, 8n];
  return withFrames(frames, (pagemap, path) => {
    const list = pagemap.segmentsOf(100n, 7 * pageSizeBytes - 200);
    assert.is(pagemap.firstMovedPage(list), undefined);
    for (const [page] of frames.entries()) {
      // Next to the frame before and after, at a frame that is used elsewhere, absent, hidden.
      for (const other of [(frames[page - 1] ?? 98n) + 1n, (frames[page + 1] ?? 98n) - 1n, 5n, undefined, 0n]) {
        writeFileSync(path, entriesOf(frames.with(page, other)));
        const expected = other === frames[page] ? undefined : BigInt(page) * PAGE;
        assert.is(pagemap.firstMovedPage(list), expected, `page ${page} at frame ${other}`);
      }
    }
    writeFileSync(path, entriesOf(frames.with(2, 1n).with(4, undefined)));
    assert.is(pagemap.firstMovedPage(list), 2n * PAGE);
    writeFileSync(path, entriesOf(frames.slice(0, 6)));
    assert.is(pagemap.firstMovedPage(list), 6n * PAGE);
    writeFileSync(path, entriesOf([]));
    assert.is(pagemap.firstMovedPage(list), 0n);
    writeFileSync(path, entriesOf(frames));
    assert.is(pagemap.firstMovedPage(list), undefined);
    const oneRun = pagemap.segmentsOf(0n, 3 * pageSizeBytes);
    writeFileSync(path, entriesOf(frames.slice(0, 2)));
    assert.is(pagemap.firstMovedPage(oneRun), 2n * PAGE);
  });
});

test("any frames, any range: segments give every byte the address that frameOf() gives, and none can be merged", async () => {
  const random = randomFrom(1);
  const below = (limit: number) => Math.floor(random() * limit);
  for (let round = 0; round < 60; round++) {
    const frames = Array.from({ length: 1 + below(40) }, () => BigInt(1 + below(2 ** 20)));
    // Runs of pages, up and down; some across the carry.
    for (let page = 1; page < frames.length; page++) {
      if (random() < 0.7) frames[page] = (frames[page - 1] ?? 0n) + (random() < 0.9 ? 1n : -1n) || 1n;
    }
    const base = round % 3 === 0 ? (1n << 32n) - 20n : 0n;
    const shifted = frames.map((frame) => base + frame);
    await withFrames(shifted, (pagemap, path) => {
      const startBytes = below(frames.length * pageSizeBytes);
      const lengthBytes = 1 + below(frames.length * pageSizeBytes - startBytes);
      const list = pagemap.segmentsOf(BigInt(startBytes), lengthBytes);
      let at = startBytes;
      let endAddress: bigint | undefined;
      for (const { physicalAddress, lengthBytes: segmentBytes } of list) {
        assert.ok(segmentBytes > 0);
        assert.is.not(physicalAddress, endAddress);
        for (
          let offset = 0;
          offset < segmentBytes;
          offset += Math.max(1, pageSizeBytes - ((at + offset) % pageSizeBytes))
        ) {
          const virtual = BigInt(at + offset);
          assert.is(physicalAddress + BigInt(offset), BigInt(pagemap.frameOf(virtual)) * PAGE + (virtual % PAGE));
        }
        at += segmentBytes;
        endAddress = physicalAddress + BigInt(segmentBytes);
      }
      assert.is(at, startBytes + lengthBytes);

      const moved = below(frames.length);
      const insideRange =
        moved >= Math.floor(startBytes / pageSizeBytes) && moved * pageSizeBytes < startBytes + lengthBytes;
      writeFileSync(path, entriesOf(shifted.with(moved, (shifted[moved] ?? 0n) + BigInt(1 + below(2)))));
      assert.is(pagemap.firstMovedPage(list), insideRange ? BigInt(moved) * PAGE : undefined);
    });
  }
});

testWhere(
  test,
  seesPageFrames(),
  "page frame numbers are hidden",
)("segmentsOf() agrees with frameOf() on the memory of this process", () => {
  const memory = new LinearMemory({ initial: 64, maximum: 64 });
  memory.bytes.fill(1);
  const pagemap = new Pagemap("/proc/self/pagemap");
  const pages = Array.from(
    { length: memory.bytes.length / pageSizeBytes },
    (_, page) => BigInt(pagemap.frameOf(memory.baseAddress + BigInt(page) * PAGE)) * PAGE,
  );
  const list = pagemap.segmentsOf(memory.baseAddress, memory.bytes.length);
  const addresses = [...list].flatMap(({ physicalAddress, lengthBytes }) =>
    Array.from({ length: lengthBytes / pageSizeBytes }, (_, page) => physicalAddress + BigInt(page) * PAGE),
  );
  assert.equal(addresses, pages);
  assert.is(pagemap.firstMovedPage(list), undefined);
  pagemap.close();
});

/** Numbers in [0, 1), the same in each run (mulberry32). */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let bits = Math.imul(state ^ (state >>> 15), state | 1);
    bits ^= bits + Math.imul(bits ^ (bits >>> 7), bits | 61);
    return ((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32;
  };
}

test.run();
