import { fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { pageSizeBytes } from "../../host/native/libc";
import { temporaryFile } from "./temporary";

/** What came of a process's attempts to open a device, each at the same moment as the other processes'. */
export interface OpenerReport {
  /** The rounds in which it got the device. */
  readonly opened: number[];
  /** Code and message of the others, in their order. */
  readonly refusals: [code: string, message: string][];
  /** How many processes had the device at a time, at most. */
  mostHolders: number;
}

/** A process, and what it reported. */
export interface Opener extends OpenerReport {
  readonly pid: number;
}

/**
 * Has several processes open a device again and again, all at the same moment.
 *
 * @param timeoutMs how long one waits for the others, and this process for all
 */
export async function openTogether(
  sysroot: string,
  device: string,
  { openers, rounds, timeoutMs }: { readonly openers: number; readonly rounds: number; readonly timeoutMs: number },
): Promise<Opener[]> {
  const meeting = temporaryFile("meeting", Buffer.alloc(pageSizeBytes));
  const args = [sysroot, device, meeting, ...[openers, rounds, timeoutMs].map(String)];
  const children = Array.from({ length: openers }, () => fork(join(__dirname, "opener-process.js"), args));
  const deadline = setTimeout(() => children.forEach((child) => child.kill("SIGKILL")), timeoutMs);
  try {
    return await Promise.all(
      children.map(async (child) => {
        const message = once(child, "message");
        const exit = once(child, "exit");
        const [report] = (await Promise.race([
          message,
          exit.then(([code, signal]) => Promise.reject(new Error(`an opener ended with ${code ?? signal}`))),
        ])) as [OpenerReport];
        await exit;
        return { ...report, pid: child.pid ?? 0 };
      }),
    );
  } finally {
    clearTimeout(deadline);
    for (const child of children) child.kill("SIGKILL");
  }
}
