import { writeFileSync } from "node:fs";
import { hugePageState } from "../../host/memory/huge-pages";

export const NR_HUGE_PAGES = "/proc/sys/vm/nr_hugepages";

/** Huge pages that are there for a while. */
export interface HugePageReserve {
  readonly available: boolean;
  /** Puts the kernel's setting back. */
  release(): void;
}

/**
 * Sees to it that huge pages are free, if this user may: machines have none reserved, as a rule.
 *
 * @param count of pages
 */
export function reserveHugePages(count: number): HugePageReserve {
  const { total, free } = hugePageState();
  const nothing = () => {};
  if (free >= count) return { available: true, release: nothing };
  try {
    writeFileSync(NR_HUGE_PAGES, `${total - free + count}`);
  } catch {
    return { available: false, release: nothing };
  }
  const release = () => writeFileSync(NR_HUGE_PAGES, `${total}`);
  if (hugePageState().free >= count) return { available: true, release };
  release();
  return { available: false, release: nothing };
}
