import { asRoot, setKernel } from "./commands";
import type { Place, Verdict } from "./finding";
import { formatBytes } from "./units";

/** Enough for a region of 32 MiB where a huge page has 2 MiB. */
const SUGGESTED_PAGES = 16;

/** The pool from which regions with contiguous blocks are made. */
export function hugePagePool({ machine }: Place): Verdict {
  const { hugePageBytes, total, free } = machine.hugePages();
  if (hugePageBytes === 0) return { status: "warning", found: "not in this kernel (CONFIG_HUGETLBFS)" };
  const found = `${free} of ${total} huge pages of ${formatBytes(hugePageBytes)} are free`;
  if (free > 0) return { status: "ok", found };
  return {
    status: "warning",
    found: `${found}: regions that are backed by hugetlb need some`,
    fix: setKernel(machine, "vm.nr_hugepages", total + SUGGESTED_PAGES),
  };
}

export function transparentHugePages({ machine }: Place): Verdict {
  const { transparent } = machine.hugePages();
  if (transparent === undefined)
    return { status: "warning", found: "not in this kernel (CONFIG_TRANSPARENT_HUGEPAGE)" };
  if (transparent !== "never") return { status: "ok", found: transparent };
  return {
    status: "warning",
    found: "never: regions that are backed by them cannot be made",
    fix: asRoot(machine, "sh -c 'echo madvise > /sys/kernel/mm/transparent_hugepage/enabled'"),
  };
}
