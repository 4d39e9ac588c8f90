import { readMappings } from "../../host/board/memory/mappings";
import { Pagemap } from "../../host/memory/pagemap";
import { pageSizeBytes } from "../../host/native/libc";

/** The physical addresses of all pages that a process has in memory and may read. Needs CAP_SYS_ADMIN. */
export function physicalPagesOf(pid: number | "self"): number[] {
  const pagemap = new Pagemap(`/proc/${pid}/pagemap`);
  const frames = readMappings(pid)
    .filter(({ readable }) => readable)
    .flatMap(({ start, lengthBytes }) => pagemap.framesOf(BigInt(start), lengthBytes / pageSizeBytes));
  pagemap.close();
  return frames.map((frame) => (frame ?? 0) * pageSizeBytes);
}
