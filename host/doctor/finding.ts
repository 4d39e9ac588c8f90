import type { Sysroot } from "../linux/sysroot";
import type { Machine } from "./machine";

/** Groups of findings, in the order in which they are given. */
export const FINDING_GROUPS = ["System", "Memory", "Devices"] as const;
export type FindingGroup = (typeof FINDING_GROUPS)[number];

/**
 * `ok`; `warning`: real hardware can be used, but something is worse than it could be, or could not be examined;
 * `missing`: real hardware cannot be used before this is mended. A virtual board needs none of it.
 */
export type FindingStatus = "ok" | "warning" | "missing";

/** One thing that was looked at. */
export interface Finding {
  /**
   * Stable, for programs: `platform`, `compiler`, `shared-memory`, `max-map-count`, `lockdown`; `page-size`, `pagemap`,
   * `pins`, `locked-memory`, `compaction`, `hugetlb`, `transparent-huge-pages`; `uio`, `uio-access`, `iommu`,
   * `fpga-manager`, `overlays`, `firmware`, `u-dma-buf`, `u-dma-buf-access`.
   */
  readonly id: string;
  readonly group: FindingGroup;
  readonly status: FindingStatus;
  /** What was looked at, in a word or two. */
  readonly title: string;
  /** What was found, in one line. */
  readonly found: string;
  /**
   * A shell command that mends it, if a command can. Words in capitals (`SCRIPT`, `IMAGE`) are for the reader to fill in.
   */
  readonly fix?: string;
}

/** Where a check looks. */
export interface Place {
  /** The root of sysfs, devices, configfs and the pagemap. */
  readonly target: Sysroot;
  /** This machine and process, whatever the target is. */
  readonly machine: Machine;
}

/** What a check answers. */
export type Verdict = Pick<Finding, "status" | "found"> & { readonly fix?: string | undefined };

/** A question to the machine. It changes nothing; what it throws becomes a finding. */
export interface Check {
  readonly id: string;
  readonly title: string;
  /** `undefined`: there is nothing to say here. */
  readonly examine: (place: Place) => Verdict | undefined;
}
