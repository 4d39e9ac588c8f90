import type { InferredOptionTypes, Options } from "yargs";
import type { CompileOptions } from "../index";
import { progress } from "./report";

/** Under which a help page lists what scripts may do. */
export const PERMISSION_GROUP =
  "Permissions (by default none on real hardware, and on a virtual board all, until one is given):";

/** Options of every command that may compile. */
export const COMPILE_OPTIONS = {
  optimize: {
    alias: "O",
    // Spelt out, so that help costs no loading of the compiler's module.
    choices: ["0", "1", "2", "3", "s", "z"],
    default: "2",
    describe: "Optimisation level of the compiler",
    string: true,
  },
  cache: { type: "boolean", default: true, describe: "Reuse scripts that were compiled before" },
} as const satisfies Record<string, Options>;

/** `-Os` as `--optimize=s`: letters behind a letter are further options to yargs. */
export function spellOutOptimize(argument: string): string {
  return argument.replace(/^-O(.+)$/, "--optimize=$1");
}

/** Lists among what yargs parsed; of any other option that is given several times, the last counts. */
const LISTS = ["_", "args", "fault", "devices", "model"];

/** A middleware for yargs. */
export function lastOfRepeated(parsed: Record<string, unknown>): void {
  for (const [name, value] of Object.entries(parsed)) {
    if (Array.isArray(value) && !LISTS.includes(name)) parsed[name] = value.at(-1);
  }
}

/** What {@link COMPILE_OPTIONS} mean for the library. */
export function compileOptions(flags: InferredOptionTypes<typeof COMPILE_OPTIONS>): CompileOptions {
  return {
    optimize: flags.optimize,
    ...(flags.cache ? {} : { cacheDirectory: false }),
    onCompile: (path) => progress(`compiling ${path}`),
  };
}
