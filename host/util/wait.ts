import { blockThread, monotonicMs } from "./clock";

const INTERVAL_MS = 0.2;

let check: () => void = () => {};

/**
 * Has every wait of this thread ask whether to go on.
 *
 * @param body throws to end a wait; absent: waits go on until what they wait for
 */
export function checkWaitsWith(body: () => void = () => {}): void {
  check = body;
}

/**
 * Throws if this thread's script is to be stopped. To be called at least every {@link WAIT_SLICE_MS} by whatever waits on
 * behalf of a script, at a moment when it may be left by an exception.
 */
export function checkWait(): void {
  check();
}

/** How long a wait goes on before the script can be stopped. */
export const WAIT_SLICE_MS = 20;

/**
 * Blocks the thread until a condition holds.
 *
 * @param condition asked at once and then every fraction of a millisecond
 * @param timeoutMs deadline
 * @returns whether it held in time
 * @throws what the thread's check throws
 */
export function waitUntil(condition: () => boolean, timeoutMs: number): boolean {
  const deadline = monotonicMs() + timeoutMs;
  while (!condition()) {
    if (monotonicMs() >= deadline) return false;
    pause(INTERVAL_MS);
  }
  return true;
}

/** Blocks the thread for a while, in slices. Throws what the thread's check throws. */
export function sleep(durationMs: number): void {
  const until = monotonicMs() + durationMs;
  for (let rest = durationMs; rest > 0; rest = until - monotonicMs()) pause(Math.min(rest, WAIT_SLICE_MS));
}

function pause(durationMs: number): void {
  check();
  blockThread(durationMs);
}
