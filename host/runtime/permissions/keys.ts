import type { Permission, PermissionLists } from "./permission";

/** A sort of permission, as rules write it. */
export type PermissionKey = keyof PermissionLists;

/** Every sort of permission: how rules write it, and how flags do, behind `--allow-` and `--deny-`. */
export const PERMISSION_NAMES = {
  device: "device",
  uncheckedDma: "unchecked-dma",
  fpga: "fpga",
  dma: "dma",
  physicalAddresses: "physical-addresses",
  read: "read",
  write: "write",
  env: "env",
} as const satisfies Record<PermissionKey, Permission["name"]>;

export const PERMISSION_KEYS = Object.keys(PERMISSION_NAMES) as readonly PermissionKey[];

/** The sorts that can be narrowed down to names. */
export const TAKES_LIST: ReadonlySet<string> = new Set(["device", "uncheckedDma", "fpga", "read", "write", "env"]);

const KEYS = new Map(PERMISSION_KEYS.map((key) => [PERMISSION_NAMES[key], key]));

/** How rules write a permission's name. */
export function keyOf(name: Permission["name"]): PermissionKey {
  const key = KEYS.get(name);
  if (key === undefined) throw new Error(`no such permission: ${name}`);
  return key;
}
