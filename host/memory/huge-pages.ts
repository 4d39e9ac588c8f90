import { readFileSync } from "node:fs";
import { AxiscriptError, messageOf } from "../util/errors";
import {
  allocateFile,
  closeDescriptor,
  createMemoryFile,
  MFD_CLOEXEC,
  MFD_HUGETLB,
  pageSizeBytes,
} from "../native/libc";

const MEMINFO = "/proc/meminfo";
const TRANSPARENT = "/sys/kernel/mm/transparent_hugepage/enabled";
const TRANSPARENT_BYTES = "/sys/kernel/mm/transparent_hugepage/hpage_pmd_size";

/** What this kernel says of its huge pages. Source: kernel documentation, admin-guide/mm/hugetlbpage.rst and transhuge.rst. */
export interface HugePageState {
  /** Size of a huge page in bytes, 2 MiB as a rule; 0: there are none. */
  readonly hugePageBytes: number;
  /** In the pool of hugetlb. */
  readonly total: number;
  readonly free: number;
  /** `always`, `madvise` or `never`; absent: not in this kernel. */
  readonly transparent: string | undefined;
}

/** Reads the kernel's present state. */
export function hugePageState(): HugePageState {
  const meminfo = readIfThere(MEMINFO);
  const read = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(meminfo)?.[1] ?? 0);
  return {
    hugePageBytes: read("Hugepagesize") * 1024,
    total: read("HugePages_Total"),
    free: read("HugePages_Free"),
    transparent: /\[(\w+)\]/.exec(readIfThere(TRANSPARENT))?.[1],
  };
}

/** Size of a huge page in bytes: 2 MiB where pages have 4 KiB. */
export function hugePageBytes(): number {
  return Number(readIfThere(TRANSPARENT_BYTES)) || hugePageState().hugePageBytes || pageSizeBytes * 512;
}

/**
 * A file of huge pages, every one of them allocated, so that mapping it cannot fail for want of pages.
 *
 * @param lengthBytes whole huge pages
 * @throws AxiscriptError ERR_AXI_NO_HUGE_PAGES with the setting that provides them
 */
export function createHugeFile(lengthBytes: number): { readonly fd: number; close(): void } {
  let fd: number | undefined;
  try {
    fd = createMemoryFile("axiscript", MFD_CLOEXEC | MFD_HUGETLB);
    allocateFile(fd, 0, lengthBytes);
    const file = fd;
    return { fd: file, close: () => closeDescriptor(file) };
  } catch (cause) {
    if (fd !== undefined) closeDescriptor(fd);
    const state = hugePageState();
    const needed = Math.ceil(lengthBytes / (state.hugePageBytes || hugePageBytes()));
    const advice =
      state.hugePageBytes === 0
        ? "This kernel has none (CONFIG_HUGETLBFS)."
        : `${needed} are needed and ${state.free} of ${state.total} are free. Reserve more: ` +
          `\`echo ${state.total - state.free + needed} > /proc/sys/vm/nr_hugepages\`, best soon after boot.`;
    throw new AxiscriptError(
      "ERR_AXI_NO_HUGE_PAGES",
      `Cannot allocate ${lengthBytes} bytes in huge pages (${messageOf(cause)}). ${advice}`,
      { cause },
    );
  }
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
