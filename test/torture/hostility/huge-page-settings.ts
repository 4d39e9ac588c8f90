import { openSync, readFileSync, writeFileSync } from "node:fs";
import { tryLockFile } from "../../../host/native/libc";

const DIRECTORY = "/sys/kernel/mm/transparent_hugepage";

/** Settings with which khugepaged collapses whatever it can, as fast as it can. */
const AGGRESSIVE: Readonly<Record<string, string>> = {
  [`${DIRECTORY}/enabled`]: "always",
  [`${DIRECTORY}/khugepaged/scan_sleep_millisecs`]: "10",
  [`${DIRECTORY}/khugepaged/alloc_sleep_millisecs`]: "10",
  [`${DIRECTORY}/khugepaged/pages_to_scan`]: "100000",
  [`${DIRECTORY}/khugepaged/max_ptes_none`]: "511",
};

/** The files that hold the settings. */
export const HUGE_PAGE_SETTING_FILES: readonly string[] = Object.keys(AGGRESSIVE);

/**
 * Makes khugepaged as eager as it can be.
 *
 * @returns puts every setting back
 * @throws Error while another process does the same, since it would take these settings for the machine's own
 */
export function setAggressiveHugePages(): () => void {
  // The lock is held until the process ends.
  if (!tryLockFile(openSync(`${DIRECTORY}/enabled`, "r"))) {
    throw new Error("another process has changed the settings of transparent huge pages for the time being");
  }
  const originals = HUGE_PAGE_SETTING_FILES.map((path) => ({ path, value: chosen(readFileSync(path, "utf8")) }));
  const restore = () => {
    for (const { path, value } of originals) writeFileSync(path, value);
  };
  try {
    for (const [path, value] of Object.entries(AGGRESSIVE)) writeFileSync(path, value);
  } catch (error) {
    restore();
    throw error;
  }
  return restore;
}

/** A setting's value: the word in brackets, where the file lists alternatives. */
function chosen(text: string): string {
  return /\[(.+)\]/.exec(text)?.[1] ?? text.trim();
}

/** How often khugepaged has looked through all processes. */
export function fullScans(): number {
  return Number(readFileSync(`${DIRECTORY}/khugepaged/full_scans`, "utf8"));
}
