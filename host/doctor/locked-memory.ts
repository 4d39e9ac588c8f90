import { asRoot } from "./commands";
import type { Place, Verdict } from "./finding";
import { hasCapability, type Machine } from "./machine";
import { formatBytes } from "./units";

/** Less than this is a limit that scripts meet. */
const ENOUGH_BYTES = 64 * 2 ** 20;

/** RLIMIT_MEMLOCK, to which io_uring and AF_XDP count pinned pages, and mlock locked ones. */
export function lockedMemory({ machine }: Place): Verdict {
  const { soft, hard } = limits(machine);
  const found = `limit ${formatBytes(soft)} (soft), ${formatBytes(hard)} (hard)`;
  if (hasCapability(machine, "IPC_LOCK")) {
    return { status: "ok", found: `no limit for this process, which has CAP_IPC_LOCK; ${found}` };
  }
  if (soft >= ENOUGH_BYTES) return { status: "ok", found };
  return {
    status: "warning",
    found: `${found}: a script cannot pin more than that`,
    fix: raiseLockedMemory(machine),
  };
}

/** Raises the limit of the shell that the command is given to. */
export function raiseLockedMemory(machine: Machine): string {
  const { soft, hard } = limits(machine);
  if (hard > soft && hard >= ENOUGH_BYTES) return `ulimit -l ${hard === Infinity ? "unlimited" : hard / 1024}`;
  if (machine.userId === 0 && !hasCapability(machine, "SYS_RESOURCE")) return "docker run --ulimit memlock=-1 IMAGE";
  return asRoot(machine, "prlimit --memlock=unlimited --pid=$$");
}

function limits({ files }: Machine): { soft: number; hard: number } {
  const [, soft, hard] = /^Max locked memory +(\S+) +(\S+)/m.exec(files.readText("/proc/self/limits") ?? "") ?? [];
  if (soft === undefined) throw new Error(`${files.path("/proc/self/limits")} does not show the limit`);
  const read = (text?: string) => (text === "unlimited" ? Infinity : Number(text));
  return { soft: read(soft), hard: read(hard) };
}
