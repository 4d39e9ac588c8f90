import { dirname, resolve } from "node:path";
import { AxiscriptError, errnoCode, messageOf } from "../../util/errors";
import type { PermissionLists, PermissionProfile } from "./permission";
import { readRegularFile } from "../../files/regular-file";
import { checkRules } from "./check-options";

const MAX_PROFILE_BYTES = 2 ** 20;

/** Reads and checks a profile. @throws AxiscriptError ERR_AXI_USAGE */
export function readProfile(path: string): PermissionProfile {
  const what = `the profile ${path}`;
  let rules: unknown;
  try {
    rules = JSON.parse(readRegularFile(path, MAX_PROFILE_BYTES).toString("utf8"));
  } catch (cause) {
    const reason = cause instanceof SyntaxError ? `it is not JSON, ${messageOf(cause)}` : errnoCode(cause);
    throw new AxiscriptError("ERR_AXI_USAGE", `Cannot use ${what}: ${reason ?? messageOf(cause)}.`, { cause });
  }
  checkRules(rules, what);
  const base = dirname(path);
  return {
    file: path,
    ...(rules.allow && { allow: { ...rules.allow, ...resolveDirectories(rules.allow, base) } }),
    ...(rules.deny && { deny: { ...rules.deny, ...resolveDirectories(rules.deny, base) } }),
  };
}

/** Directories as seen from the profile, wherever the program was started. */
function resolveDirectories({ read, write }: PermissionLists, base: string): PermissionLists {
  const resolved = (list: true | readonly string[]) => list === true || list.map((path) => resolve(base, path));
  return { ...(read && { read: resolved(read) }), ...(write && { write: resolved(write) }) };
}
