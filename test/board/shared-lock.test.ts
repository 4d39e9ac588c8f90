import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { FramePool } from "../../host/board/memory/frame-pool";
import { SharedLock } from "../../host/board/shared-lock";
import { SharedMemoryTable } from "../../host/board/memory/shared-memory-table";
import { type LockJob } from "../support/lock-thread";

const test = suite("what threads share with a board");

const COUNTER = 1;
const PAGE_BYTES = 4096;

/** Runs a thread to its end. */
function thread(job: LockJob): Promise<void> {
  const worker = new Worker(join(__dirname, "../support/lock-thread.js"), { workerData: job });
  return new Promise((resolve, reject) => {
    worker.once("error", reject);
    worker.once("exit", () => resolve());
  });
}

test("a lock lets one thread in at a time", async () => {
  const buffer = new SharedArrayBuffer(16);
  await Promise.all(Array.from({ length: 3 }, () => thread({ buffer, task: "count", rounds: 20_000 })));
  assert.is(new Int32Array(buffer)[COUNTER], 60_000);
});

test("a thread that dies with the lock does not keep the others waiting", async () => {
  const buffer = new SharedArrayBuffer(16);
  await thread({ buffer, task: "dieInside", rounds: 1 });
  const words = new Int32Array(buffer);
  assert.is.not(words[0], 0);
  assert.is(
    new SharedLock(words.subarray(0, 1)).hold(() => "in"),
    "in",
  );
  await thread({ buffer, task: "count", rounds: 10 });
  assert.is(words[COUNTER], 10);
});

test("a thread that was cut off with the lock takes it again", () => {
  const lock = new SharedLock(new Int32Array(new SharedArrayBuffer(4)));
  assert.is(
    lock.hold(() => lock.hold(() => 5)),
    5,
  );
});

test("a lock is free after a body that throws", async () => {
  const buffer = new SharedArrayBuffer(16);
  const lock = new SharedLock(new Int32Array(buffer, 0, 1));
  assert.throws(() =>
    lock.hold(() => {
      throw new Error("no");
    }),
  );
  assert.is(new Int32Array(buffer)[0], 0);
});

test("no frame is given to two, whatever the threads; what is given back can be had again", async () => {
  const pool = new FramePool();
  const { buffer } = pool;
  const before = pool.take(1000);
  await Promise.all(Array.from({ length: 3 }, () => thread({ buffer, task: "takeFrames", rounds: 400 })));
  // 3 threads kept 200 times 16; all the others can be had, each once.
  const total = 0x70000000 / PAGE_BYTES - 1;
  const free = total - 1000 - 3 * 200 * 16;
  const rest = pool.take(free);
  assert.is(new Set([...before, ...rest]).size, 1000 + free);
  assert.not(rest.includes(0));
  assert.throws(() => pool.take(1), "all of it is in use");
  pool.giveBack(before);
  assert.equal(pool.take(1000).sort(), before.sort());
});

test("blocks of frames are aligned, follow each other, and are given back whole", () => {
  const pool = new FramePool();
  const blockFrames = 2 ** 21 / PAGE_BYTES;
  const frames = pool.takeBlocks(3, blockFrames);
  assert.is(new Set(frames).size, 3 * blockFrames);
  for (let block = 0; block < 3; block++) {
    const first = frames[block * blockFrames] ?? 0;
    assert.is(first % blockFrames, 0);
    assert.is(frames[(block + 1) * blockFrames - 1], first + blockFrames - 1);
  }
  assert.throws(() => pool.takeBlocks(110, blockFrames), "not enough of them are free");
  pool.giveBack(frames.slice(0, blockFrames));
  assert.is(pool.takeBlocks(110, blockFrames).length, 110 * blockFrames);
});

test("a table shows what was shared last, in any thread, and survives many changes", () => {
  const table = new SharedMemoryTable();
  const other = new SharedMemoryTable(table.buffer);
  for (let index = 1; index <= 40; index++) {
    const { version } = other;
    (index % 2 ? table : other).share({ virtualAddress: BigInt(index * 65536), lengthBytes: index * 4096 });
    assert.is.not(other.version, version);
  }
  table.share({ virtualAddress: 65536n, lengthBytes: 8192 });
  other.withdraw(131072n);
  assert.is(table.ranges().length, 39);
  assert.is(other.ranges().find(({ virtualAddress }) => virtualAddress === 65536n)?.lengthBytes, 8192);
  assert.not(table.ranges().some(({ virtualAddress }) => virtualAddress === 131072n));
});

test.run();
