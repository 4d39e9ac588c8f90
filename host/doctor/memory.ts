import { realpathSync } from "node:fs";
import { AxiscriptError, messageOf } from "../util/errors";
import { Pagemap } from "../memory/pagemap";
import { addressOf } from "../native/libc";
import { runWith, setKernel } from "./commands";
import type { Check, Place, Verdict } from "./finding";
import { hugePagePool, transparentHugePages } from "./huge-pages";
import { lockedMemory } from "./locked-memory";
import { chosenPins, pins } from "./pins";

const PAGEMAP = "/proc/self/pagemap";

export const MEMORY_CHECKS: readonly Check[] = [
  { id: "page-size", title: "page size", examine: pageSize },
  { id: "pagemap", title: "page frame numbers", examine: pagemap },
  { id: "pins", title: "pins", examine: pins },
  { id: "locked-memory", title: "locked memory", examine: lockedMemory },
  { id: "compaction", title: "compaction", examine: compaction },
  { id: "hugetlb", title: "hugetlb", examine: hugePagePool },
  { id: "transparent-huge-pages", title: "transparent huge pages", examine: transparentHugePages },
];

function pageSize({ machine }: Place): Verdict {
  return { status: "ok", found: `${machine.pageSizeBytes} bytes` };
}

/** Asks for the frame of a page that was just touched, which is the only way to know. */
function pagemap({ machine, target }: Place): Verdict {
  const path = target.path(PAGEMAP);
  if (!target.exists(PAGEMAP)) {
    return { status: "missing", found: `${path} does not exist: the kernel needs CONFIG_PROC_PAGE_MONITOR` };
  }
  if (!realpathSync(path).startsWith("/proc/")) {
    return { status: "ok", found: `${path} is a virtual board's, which makes it anew for every run` };
  }
  let map: Pagemap;
  try {
    map = new Pagemap(path);
  } catch (error) {
    if (!(error instanceof AxiscriptError)) throw error;
    return { status: "missing", found: messageOf(error), fix: runWith(machine, "SYS_ADMIN") };
  }
  try {
    const frame = map.peek(BigInt(addressOf(new Uint8Array(1).fill(1))));
    if (frame === undefined) return { status: "warning", found: `${path} does not show a page that was just touched` };
    if (frame > 0) return { status: "ok", found: "visible to this process" };
  } finally {
    map.close();
  }
  return {
    status: "missing",
    found: "hidden from this process: physical addresses need CAP_SYS_ADMIN",
    fix: runWith(machine, "SYS_ADMIN"),
  };
}

/** Whether the kernel may move pages that are merely locked. Source: admin-guide/sysctl/vm.rst. */
function compaction({ machine }: Place): Verdict | undefined {
  const text = machine.files.readText("/proc/sys/vm/compact_unevictable_allowed");
  if (text === undefined) return undefined;
  const found = `vm.compact_unevictable_allowed is ${text}`;
  if (text === "0") return { status: "ok", found: `${found}: locked pages are not moved` };
  if (chosenPins(machine) !== "mlock")
    return { status: "ok", found: `${found}, which does not matter to pinned pages` };
  return {
    status: "warning",
    found: `${found}: the kernel moves locked pages when it compacts memory, and nothing better than locking works here`,
    fix: setKernel(machine, "vm.compact_unevictable_allowed", 0),
  };
}
