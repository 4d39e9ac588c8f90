import { constants } from "node:os";

/**
 * Has this process end as if by itself when it is stopped, so that what is done at the exit is done.
 *
 * Not `once`, which would leave a second signal to the kernel: that tells of a parent's end as often as it had threads.
 */
export function exitAtSignals(): void {
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(signal, () => process.exit(128 + constants.signals[signal]));
  }
}
