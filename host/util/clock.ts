const MS_PER_S = 1e3;
const NS_PER_MS = 1e6;

const [beginS, beginNs] = process.hrtime();

/**
 * Milliseconds, with fractions, since this thread began, on the clock that nobody sets (CLOCK_MONOTONIC).
 *
 * `performance` is not used in the host: Node loads it when it is first asked for, and a script's end can come in the
 * middle of that. From then on it is undefined in that thread.
 */
export function monotonicMs(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return (seconds - beginS) * MS_PER_S + (nanoseconds - beginNs) / NS_PER_MS;
}

const nobody = new Int32Array(new SharedArrayBuffer(4));

/** Blocks this thread for a while. Nothing of its own ends that sooner. */
export function blockThread(durationMs: number): void {
  Atomics.wait(nobody, 0, 0, durationMs);
}
