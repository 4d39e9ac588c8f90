import type { Options } from "yargs";
import { AxiscriptError } from "../index";

/** Options that every command has. */
const COMMON: Record<string, Options> = {
  help: { alias: "h", type: "boolean" },
  version: { alias: "v", type: "boolean" },
};

/** A command line of the form `[options] SCRIPT [args…]`. */
export interface SplitArguments {
  /** The options, and the script's name. */
  readonly own: readonly string[];
  /** Everything after the script's name, options included: that is the script's. */
  readonly script: readonly string[];
}

/**
 * Splits a command line behind the script's name.
 *
 * @param argv what follows the command
 * @param options the command's options
 * @throws AxiscriptError ERR_AXI_USAGE for an option that does not exist: whether a value follows it is not known
 */
export function splitArguments(argv: readonly string[], options: Readonly<Record<string, Options>>): SplitArguments {
  for (let at = 0; at < argv.length; at++) {
    const argument = argv[at] ?? "";
    if (argument === "--") {
      // What follows is the script's name, whatever it looks like.
      const [name, ...script] = argv.slice(at + 1);
      const named = name === undefined ? [] : [name.startsWith("-") ? `./${name}` : name];
      return { own: [...argv.slice(0, at), ...named], script };
    }
    if (!argument.startsWith("-")) return { own: argv.slice(0, at + 1), script: argv.slice(at + 1) };
    if (takesNextArgument(argument, { ...options, ...COMMON })) at++;
  }
  return { own: argv, script: [] };
}

function takesNextArgument(argument: string, options: Record<string, Options>): boolean {
  const isLong = argument.startsWith("--");
  const [name = ""] = argument.replace(/^--?/, "").split("=");
  const option = isLong
    ? (options[name] ?? options[name.replace(/^no-/, "")])
    : Object.values(options).find(({ alias }) => alias === name[0]);
  if (!option) throw new AxiscriptError("ERR_AXI_USAGE", `Unknown option ${argument}. See axiscript run --help.`);
  const attached = argument.includes("=") || (!isLong && name.length > 1);
  return option.type !== "boolean" && !attached;
}
