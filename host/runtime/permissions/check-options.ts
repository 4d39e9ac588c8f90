import { AxiscriptError } from "../../util/errors";
import type { PermissionOptions, PermissionRules } from "./permission";
import { PERMISSION_KEYS, type PermissionKey, TAKES_LIST } from "./keys";

/** Checks options of the library. Throws as {@link checkRules}. */
export function checkOptions(options: PermissionOptions): void {
  const what = "the permissions";
  checkKeys(checkObject(options, what, ""), ["allow", "deny", "profile"], what, "");
  checkRules({ allow: options.allow, deny: options.deny }, what);
  if (options.profile === undefined) return;
  const { file, ...rules } = checkObject(options.profile, what, "profile");
  if (typeof file !== "string") throw unusable(what, "profile.file is a text", file);
  checkRules(rules, `the profile ${file}`);
}

/**
 * Checks the form of rules that somebody wrote.
 *
 * @param what messages call the rules: `the profile board.json`
 * @throws AxiscriptError ERR_AXI_USAGE with the key that is wrong
 */
export function checkRules(value: unknown, what: string): asserts value is PermissionRules {
  const rules = checkObject(value, what, "");
  checkKeys(rules, ["allow", "deny"], what, "");
  for (const side of ["allow", "deny"] as const) {
    if (rules[side] === undefined) continue;
    const lists = checkObject(rules[side], what, side);
    checkKeys(lists, side === "allow" ? ["all", ...PERMISSION_KEYS] : PERMISSION_KEYS, what, `${side}.`);
    for (const [key, list] of Object.entries(lists)) checkList(key as PermissionKey | "all", list, what, side);
  }
}

function checkList(key: PermissionKey | "all", value: unknown, what: string, side: string): void {
  if (value === true || value === undefined) return;
  const name = `${side}.${key}`;
  if (!TAKES_LIST.has(key)) throw unusable(what, `${name} is true, or absent`, value);
  if (!Array.isArray(value)) throw unusable(what, `${name} is true or a list of texts`, value);
  value.forEach((item: unknown, index) => {
    if (typeof item === "string" && item !== "" && !item.includes("\0")) return;
    throw unusable(what, `${name}[${index}] is a text that is not empty`, item);
  });
}

function checkObject(value: unknown, what: string, name: string): Record<string, unknown> {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw unusable(what, name === "" ? "they are an object with allow and deny" : `${name} is an object`, value);
}

function checkKeys(value: object, known: readonly string[], what: string, prefix: string): void {
  const unknown = Object.keys(value).find((key) => !known.includes(key));
  if (unknown === undefined) return;
  throw new AxiscriptError(
    "ERR_AXI_USAGE",
    `Cannot use ${what}: there is no key ${prefix}${unknown}; there are ${known.join(", ")}.`,
  );
}

function unusable(what: string, rule: string, value: unknown): AxiscriptError {
  const found = value === undefined ? "nothing" : JSON.stringify(value);
  const shown = found.length > 60 ? `${found.slice(0, 60)}…` : found;
  return new AxiscriptError("ERR_AXI_USAGE", `Cannot use ${what}: ${rule}; current value is ${shown}.`);
}
