import type { Options } from "yargs";
import { note } from "./report";

const PERMISSION = /^--(?:allow|deny)-[a-z-]+(?:=|$)|^-A$/;

/**
 * Says on stderr which of a script's arguments axiscript would have understood as its own: a `--timeout` behind the
 * script's name limits nothing, and permissions there forbid nothing. Arguments behind `--` are meant for the script.
 *
 * @param args what follows the script's name
 * @param options of the command
 */
export function noteMisplacedFlags(
  script: string,
  args: readonly string[],
  options: Readonly<Record<string, Options>>,
) {
  const end = args.indexOf("--");
  const flags = args.slice(0, end < 0 ? undefined : end).filter((argument) => isFlag(argument, options));
  if (flags.length === 0) return;
  const names = flags.map((flag) => flag.replace(/=.*/s, "")).join(", ");
  note(
    `${names} after ${script} ${flags.length === 1 ? "goes" : "go"} to the script and ${flags.length === 1 ? "has" : "have"} ` +
      "no effect on axiscript: write axiscript's options before the script's name",
  );
}

function isFlag(argument: string, options: Readonly<Record<string, Options>>): boolean {
  if (PERMISSION.test(argument)) return true;
  const [, long] = /^--(?:no-)?([^=]+)/.exec(argument) ?? [];
  if (long !== undefined) return Object.hasOwn(options, long);
  const aliases = Object.values(options).map(({ alias }) => alias);
  return /^-[A-Za-z]/.test(argument) && aliases.includes(argument[1]);
}
