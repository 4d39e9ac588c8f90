import { constants } from "node:os";
import { Pace } from "./pace";
import { signalAtParentsEnd } from "./syscalls";

/** What one child process does, again and again. */
export interface Provocation {
  /** The share of one core that it may use. */
  readonly share: number;
  /** One round. In a long one, it rests between pieces of at most some 100 ms. */
  round(pace: Pace): void | Promise<void>;
  /** Undoes what it changed on the machine. What ends with the process needs no undoing. */
  restore?(): void;
}

/** What a child tells: a round more, or why it cannot go on. */
export type Report = { readonly rounds: number } | { readonly failure: string };

/**
 * The main program of a provocation's process: rounds until the channel to the parent closes, which it does when the
 * parent stops it and when the parent dies. A process that is deep in a system call then is ended by a signal; one that
 * has something to restore is let finish.
 *
 * @param start makes ready; what it throws makes the provocation unavailable
 */
export async function provoke(start: (targetPid: number) => Provocation): Promise<void> {
  let provocation: Provocation | undefined;
  const end = (): never => {
    provocation?.restore?.();
    process.exit(0);
  };
  process.on("disconnect", end);
  try {
    provocation = start(Number(process.argv[2]));
    if (provocation.restore) for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(name, end);
    signalAtParentsEnd(constants.signals[provocation.restore ? "SIGTERM" : "SIGKILL"]);
    if (!process.connected) end();
    const pace = new Pace(provocation.share);
    for (let rounds = 1; ; rounds++) {
      await provocation.round(pace);
      report({ rounds });
      await pace.rest();
    }
  } catch (error) {
    report({ failure: error instanceof Error ? error.message : String(error) }, end);
  }
}

/** Sends a report; that the parent may be gone meanwhile is no matter. */
function report(message: Report, sent: () => void = () => undefined): void {
  if (process.connected) process.send?.(message, undefined, undefined, sent);
  else sent();
}
