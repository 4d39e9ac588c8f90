import { writeSync } from "node:fs";
import { setTimeout } from "node:timers/promises";
import { monotonicMs } from "../util/clock";
import { errnoCode } from "../util/errors";

const STDERR = 2;
const LOOK_INTERVAL_MS = 10;

/** What was not taken yet. */
let waiting = Buffer.alloc(0);
let stream: ReturnType<typeof openStream> | undefined;
let isWriting = false;

/**
 * Writes to stderr. What a full pipe does not take waits, and this program goes on: it has a script to stop in time.
 * Where stderr cannot be written, what is said there is lost, and nothing else.
 */
export function writeStderr(text: string): void {
  waiting = Buffer.concat([waiting, Buffer.from(text)]);
  writeSome();
  if (waiting.length > 0 && !isWriting) void keepWriting();
}

/**
 * Waits until stderr has taken everything.
 *
 * @param goesOn whether to wait on; asked every few milliseconds, with the time since anything was taken
 */
export async function stderrWritten(goesOn: (idleMs: number) => boolean): Promise<void> {
  let left = waiting.length;
  let since = monotonicMs();
  while (waiting.length > 0 && goesOn(monotonicMs() - since)) {
    await setTimeout(LOOK_INTERVAL_MS);
    writeSome();
    if (waiting.length < left) since = monotonicMs();
    left = waiting.length;
  }
  waiting = Buffer.alloc(0);
}

async function keepWriting(): Promise<void> {
  isWriting = true;
  while (waiting.length > 0) {
    await setTimeout(LOOK_INTERVAL_MS);
    writeSome();
  }
  isWriting = false;
}

/** As much as stderr takes without blocking. */
function writeSome(): void {
  stream ??= openStream();
  try {
    while (waiting.length > 0 && stream.isWritable()) {
      waiting = waiting.subarray(writeSync(STDERR, waiting, 0, Math.min(waiting.length, stream.most)));
    }
  } catch (error) {
    if (errnoCode(error) !== "EAGAIN") waiting = Buffer.alloc(0);
  }
}

/** How stderr is asked what it takes. A platform on which nothing can be asked is told so all the same. */
function openStream(): { readonly most: number; readonly isWritable: () => boolean } {
  try {
    const { waitWritable } = require("../native/libc") as typeof import("../native/libc");
    const { bytesAtOnce } = require("../runtime/run/streams") as typeof import("../runtime/run/streams");
    return { most: bytesAtOnce(STDERR), isWritable: () => waitWritable(STDERR, 0) };
  } catch {
    return { most: Infinity, isWritable: () => true };
  }
}
