import { statSync } from "node:fs";
import { dirname } from "node:path";
import { AxiscriptError } from "../../util/errors";
import type { Permission } from "./permission";
import { formatFlag } from "./flags";
import { PERMISSION_NAMES } from "./keys";
import type { Denial } from "./rules";

/** A script asked for something that it may not do: code ERR_AXI_NOT_ALLOWED. */
export class NotAllowedError extends AxiscriptError {
  /** Whether a rule forbids it, rather than none allowing it. */
  readonly denied: boolean;

  constructor(permission: Permission, denial: Denial | undefined) {
    const [asked, rule] = wording(permission);
    const reason = denial
      ? `it is denied by ${describeDenial(denial)}, and denials win.`
      : `${rule}. Allow it with ${flagOf(permission)}`;
    // Without a full stop: behind a flag it would be part of it, and `--allow-read=..` allows the directory above.
    super("ERR_AXI_NOT_ALLOWED", `Cannot ${asked}: ${reason}`);
    this.denied = denial !== undefined;
  }
}

/** What was asked, and what a script without the grant may not do. */
function wording(permission: Permission): [asked: string, rule: string] {
  switch (permission.name) {
    case "device":
      return [`open device ${valueOf(permission)}`, "the script may not use it"];
    case "unchecked-dma":
      return [
        `open device ${valueOf(permission)}`,
        "no description says how it reaches memory, so that its transfers cannot be checked",
      ];
    case "fpga":
      if (permission.files.length === 0) return ["remove the overlay", "the script may not program the FPGA"];
      return [`program the FPGA with ${permission.files.join(" and ")}`, "the script may not load that"];
    case "dma":
      return ["pin memory for devices", "the script may not give them memory"];
    case "physical-addresses":
      return ["tell an address", "the script may not learn where its memory lies"];
    case "read":
    case "write":
      return [`${permission.name} ${permission.path}`, "the script may not"];
    case "env":
      return [`tell the variable ${permission.variable}`, "the script may not know it"];
  }
}

/** The flag that would allow it, exactly as to be typed. */
export function flagOf(permission: Permission): string {
  switch (permission.name) {
    case "fpga":
      return formatFlag("allow", "fpga", [...new Set(permission.files)]);
    case "read":
    case "write":
      return formatFlag("allow", permission.name, [
        isDirectory(permission.path) ? permission.path : dirname(permission.path),
      ]);
    default: {
      const value = valueOf(permission);
      return formatFlag("allow", permission.name, value === "" ? [] : [value]);
    }
  }
}

/** As far as this process can see. */
function isDirectory(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    return false;
  }
}

function describeDenial({ key, item, profile }: Denial): string {
  if (profile === undefined) return formatFlag("deny", PERMISSION_NAMES[key], item === undefined ? [] : [item]);
  return `deny.${key}${item === undefined ? "" : ` "${item}"`} in the profile ${profile}`;
}

/** What a permission is for, in one text; empty if there is nothing to tell apart. */
export function valueOf(permission: Permission): string {
  switch (permission.name) {
    case "device":
    case "unchecked-dma":
      return permission.note === "" ? permission.device : `${permission.device}:${permission.note}`;
    case "fpga":
      return permission.files.join(" ");
    case "read":
    case "write":
      return permission.path;
    case "env":
      return permission.variable;
    default:
      return "";
  }
}
