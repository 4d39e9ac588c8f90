import type { Finding } from "./finding";

export type { Finding, FindingGroup, FindingStatus } from "./finding";

export interface ExamineOptions {
  /**
   * The directory in place of `/` for what describes devices: sysfs, `/dev`, configfs and the pagemap. Absent: `/`. What
   * belongs to this process (pins, limits, huge pages, kernel settings) is this machine's in any case.
   */
  readonly sysroot?: string;
}

/**
 * What this machine offers for running scripts on real hardware, and what is missing. It changes nothing, and needs no
 * rights: what cannot be examined is a finding that says so.
 *
 * @returns findings in a stable order, grouped
 * @throws AxiscriptError ERR_AXI_USAGE for a sysroot that is no directory
 * @example
 * import { examineSystem } from "axiscript";
 *
 * for (const { id, status, fix } of examineSystem()) if (status === "missing") console.log(id, fix ?? "");
 */
export function examineSystem(options: ExamineOptions = {}): Finding[] {
  // Loaded when it is needed: a run does not need it, and its start-up time counts.
  const { examine } = require("./examine") as typeof import("./examine");
  return examine(options.sysroot ?? "/");
}
