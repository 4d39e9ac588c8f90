import { spawnSync } from "node:child_process";
import type * as uvu from "uvu";
import { Pagemap } from "../../host/memory/pagemap";
import { addressOf } from "../../host/native/libc";

/** Whether this process may see page frame numbers. */
export function seesPageFrames(): boolean {
  const pagemap = new Pagemap("/proc/self/pagemap");
  try {
    return (pagemap.peek(BigInt(addressOf(new Uint8Array(64).fill(1)))) ?? 0) > 0;
  } finally {
    pagemap.close();
  }
}

/** Whether this process may have a mount namespace of its own, as `unshare` from util-linux finds it. */
export function mayMount(): boolean {
  return spawnSync("unshare", ["--mount", "true"]).status === 0;
}

/** Whether this process may lock so much memory. */
export function mayLock(lengthBytes: number): boolean {
  if (process.getuid?.() === 0) return true;
  const limit = spawnSync("sh", ["-c", "ulimit -l"], { encoding: "utf8" }).stdout.trim();
  return limit === "unlimited" || Number(limit) * 1024 >= lengthBytes;
}

/** A command that takes CAP_SYS_ADMIN away from what follows it. */
export const WITHOUT_SYS_ADMIN = ["setpriv", "--bounding-set=-sys_admin", "--inh-caps=-sys_admin"] as const;

export function canDropSysAdmin(): boolean {
  const [command, ...args] = WITHOUT_SYS_ADMIN;
  return process.getuid?.() === 0 && spawnSync(command, [...args, "true"]).status === 0;
}

/**
 * A test that needs something of the machine: left out where it is missing, with a line that the runner repeats.
 *
 * @returns the function to define the test with
 */
export function testWhere(test: uvu.Test, condition: boolean, missing: string) {
  return (name: string, body: uvu.Callback): void => {
    if (condition) {
      test(name, body);
      return;
    }
    process.stdout.write(`SKIPPED: ${name}: ${missing}\n`);
    test.skip(name, body);
  };
}

/** A command that makes what follows it another user's: for what another user may have put somewhere. */
export const AS_NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] as const;

/** Whether this process may start others as another user. */
export function canBeNobody(): boolean {
  const [command, ...args] = AS_NOBODY;
  return process.getuid?.() === 0 && spawnSync(command, [...args, "true"]).status === 0;
}

/** Runs a shell command as another user, to its end. */
export function runAsNobody(script: string, ...args: string[]) {
  const [command, ...rest] = AS_NOBODY;
  return spawnSync(command, [...rest, "sh", "-ec", script, "sh", ...args], { encoding: "utf8", cwd: "/" });
}
