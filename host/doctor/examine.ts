import { statSync } from "node:fs";
import { Sysroot } from "../linux/sysroot";
import { AxiscriptError, messageOf } from "../util/errors";
import { DEVICE_CHECKS } from "./devices";
import type { Check, Finding, FindingGroup, Place } from "./finding";
import { type Machine, thisMachine } from "./machine";
import { MEMORY_CHECKS } from "./memory";
import { SYSTEM_CHECKS } from "./system";

const CHECKS: Record<FindingGroup, readonly Check[]> = {
  System: SYSTEM_CHECKS,
  Memory: MEMORY_CHECKS,
  Devices: DEVICE_CHECKS,
};

/** Looks at a machine and a root for its devices; what does not apply has no finding. */
export function examine(sysroot: string, machine: Machine = thisMachine()): Finding[] {
  if (!isDirectory(sysroot)) {
    throw new AxiscriptError("ERR_AXI_USAGE", `Cannot examine the sysroot "${sysroot}": it is no directory.`);
  }
  const place: Place = { target: new Sysroot(sysroot), machine };
  return Object.entries(CHECKS).flatMap(([group, checks]) =>
    checks.flatMap((check) => ask(group as FindingGroup, check, place)),
  );
}

/** One check's finding. What it throws is one too: somebody who is looking for trouble should hear of the rest as well. */
export function ask(group: FindingGroup, { id, title, examine: body }: Check, place: Place): Finding[] {
  const name = { id, group, title };
  try {
    const verdict = body(place);
    if (verdict === undefined) return [];
    const { fix, ...rest } = verdict;
    return [{ ...name, ...rest, ...(fix === undefined ? {} : { fix }) }];
  } catch (error) {
    return [{ ...name, status: "warning", found: `could not be examined: ${messageOf(error)}` }];
  }
}

function isDirectory(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    return false;
  }
}
