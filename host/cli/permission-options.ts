import type { Argv, Options } from "yargs";
import { AxiscriptError, type PermissionLists, type PermissionOptions } from "../index";
import { PERMISSION_GROUP } from "./options";

/** The sorts of permissions: what follows `--allow-`, the key in rules, and what may be written behind `=`. */
const SORTS = [
  { name: "device", key: "device", value: "NAME[:NOTE]", needed: false, allows: "Open devices" },
  {
    name: "unchecked-dma",
    key: "uncheckedDma",
    value: "NAME[:NOTE]",
    needed: true,
    allows: "Open a device whose transfers nobody can check: it may reach all memory",
  },
  { name: "fpga", key: "fpga", value: "FILE", needed: false, allows: "Program the FPGA, with these files only" },
  { name: "dma", key: "dma", value: "", needed: false, allows: "Give memory to devices" },
  { name: "physical-addresses", key: "physicalAddresses", value: "", needed: false, allows: "Learn addresses" },
  { name: "read", key: "read", value: "DIR", needed: false, allows: "Read files of this machine" },
  { name: "write", key: "write", value: "DIR", needed: false, allows: "Make and change files of this machine" },
  { name: "env", key: "env", value: "NAME", needed: false, allows: "See environment variables" },
] as const;

type Sort = (typeof SORTS)[number];
type Lists = { -readonly [Key in keyof PermissionLists]: PermissionLists[Key] };

const FLAG = /^--(allow|deny)-([a-z-]+)(?:=(.*))?$/s;

/** The flags whose value is attached, if there is one: to those who split a command line, they are like booleans. */
export function permissionFlags(): Record<string, Options> {
  const flags = SORTS.flatMap(({ name }) => [`allow-${name}`, `deny-${name}`]);
  return {
    "allow-all": { alias: "A", type: "boolean" },
    ...Object.fromEntries(flags.map((flag) => [flag, { type: "boolean" as const }])),
  };
}

/** What the flags among some arguments mean, and the arguments that are none. */
export interface TakenFlags {
  readonly rest: readonly string[];
  readonly permissions: PermissionOptions | undefined;
}

/**
 * Takes the permission flags out of a command line. They are read here and not by yargs, which cannot tell whether a
 * value follows, and because most runs have none.
 *
 * @param own axiscript's own arguments, with the script's name at the end
 * @throws AxiscriptError ERR_AXI_USAGE
 */
export function takePermissionFlags(own: readonly string[]): TakenFlags {
  const allow: Lists & { all?: true } = {};
  const deny: Lists = {};
  const rest: string[] = [];
  for (const [at, argument] of own.entries()) {
    const [, side, name, value] = FLAG.exec(argument) ?? [];
    if (argument === "-A" || argument === "--allow-all") allow.all = true;
    else if (side === undefined || name === undefined) rest.push(argument);
    else {
      checkNeighbour(argument, value, own[at + 1]);
      addFlag(side === "allow" ? allow : deny, argument, side, name, value);
    }
  }
  const isEmpty = (lists: Lists) => Object.keys(lists).length === 0;
  if (isEmpty(allow) && isEmpty(deny)) return { rest, permissions: undefined };
  return { rest, permissions: { ...(!isEmpty(allow) && { allow }), ...(!isEmpty(deny) && { deny }) } };
}

function addFlag(lists: Lists, argument: string, side: string, name: string, value: string | undefined): void {
  const sort = SORTS.find((candidate) => candidate.name === name);
  if (!sort) throw new AxiscriptError("ERR_AXI_USAGE", `Unknown option ${argument}. See axiscript run --help.`);
  const { key } = sort;
  if (key === "dma" || key === "physicalAddresses") {
    if (value !== undefined) throw unreadable(argument, `--${side}-${name} takes no value`);
    lists[key] = true;
    return;
  }
  if (value === undefined) {
    if (sort.needed && side === "allow") throw unreadable(argument, `name the devices: --allow-${name}=NAME`);
    lists[key] = true;
    return;
  }
  const values = splitValues(value);
  if (values.includes("")) throw unreadable(argument, `a value is empty: write --${side}-${name}=${sort.value}`);
  const before = lists[key];
  if (before !== true) lists[key] = [...(before ?? []), ...values];
}

/** `--allow-read DIR script.ts` would run DIR. */
function checkNeighbour(argument: string, value: string | undefined, next: string | undefined): void {
  if (value !== undefined || next === undefined || /^-|\.(?:ts|wasm)$/.test(next)) return;
  if (/-(?:dma|physical-addresses)$/.test(argument)) return;
  throw unreadable(argument, `a value is attached. Write ${argument}=${next}`);
}

function unreadable(argument: string, rule: string): AxiscriptError {
  return new AxiscriptError("ERR_AXI_USAGE", `Cannot read ${argument}: ${rule}.`);
}

/** The values of a flag: `a,b,,c` is `a` and `b,c`. Arguments of a process hold no NUL. */
function splitValues(text: string): string[] {
  return text
    .replaceAll(",,", "\0")
    .split(",")
    .map((value) => value.replaceAll("\0", ","));
}

/** Shows the flags in a help page, or offers them for completion. */
export function describePermissionFlags<T>(yargs: Argv<T>, use: "help" | "completion"): Argv<T> {
  if (use === "completion") return yargs.options(permissionFlags()) as Argv<T>;
  return yargs.options({
    "allow-all": {
      alias: "A",
      group: PERMISSION_GROUP,
      describe: "All of these; on real hardware without unchecked DMA",
    },
    ...Object.fromEntries(SORTS.map((sort) => [helpName(sort), { group: PERMISSION_GROUP, describe: sort.allows }])),
    "deny-…": { group: PERMISSION_GROUP, describe: "The same, not to be allowed: denials win" },
  }) as Argv<T>;
}

function helpName({ name, value, needed }: Sort): string {
  if (value === "") return `allow-${name}`;
  return `allow-${name}${needed ? `=${value}` : `[=${value}]`}`;
}
