import { workerData } from "node:worker_threads";
import { FramePool } from "../../host/board/memory/frame-pool";
import { SharedLock } from "../../host/board/shared-lock";

/** What a thread of the tests on locks does. */
export interface LockJob {
  readonly buffer: SharedArrayBuffer;
  readonly task: "count" | "dieInside" | "takeFrames";
  readonly rounds: number;
}

/** Words of the buffer. */
const LOCK_WORD = { lock: 0, counter: 1 } as const;

const { buffer, task, rounds } = workerData as LockJob;
if (task === "takeFrames") {
  const pool = new FramePool(buffer);
  for (let round = 0; round < rounds; round++) {
    const frames = pool.take(16);
    if (round % 2 === 0) pool.giveBack(frames);
  }
} else {
  const words = new Int32Array(buffer);
  const lock = new SharedLock(words.subarray(LOCK_WORD.lock, LOCK_WORD.lock + 1));
  for (let round = 0; round < rounds; round++) {
    lock.hold(() => {
      // Not atomic: two at a time would lose counts.
      const count = words[LOCK_WORD.counter] ?? 0;
      if (task === "dieInside") process.exit();
      words[LOCK_WORD.counter] = count + 1;
    });
  }
}
