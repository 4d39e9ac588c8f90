import type { Argv, CommandModule, InferredOptionTypes, Options } from "yargs";
import { AxiscriptError, executeOnBoard } from "../index";

export const BOARD_EXEC_OPTIONS = {
  sysroot: { string: true, demandOption: true, describe: "The directory of a board that is running" },
  "stack-trace": { type: "boolean", default: false, describe: "With an error, also print axiscript's own stack" },
} as const satisfies Record<string, Options>;

type BoardExecFlags = InferredOptionTypes<typeof BOARD_EXEC_OPTIONS> & { program?: string };

/** What follows `axiscript board exec`. */
export const BOARD_EXEC: CommandModule<object, BoardExecFlags> = {
  command: "<program> [args..]",
  describe: "Run any program with the board's files in place of the machine's",
  builder: (yargs) =>
    (yargs as Argv<BoardExecFlags>)
      .positional("program", { type: "string", describe: "What to run; looked up in PATH" })
      .positional("args", { describe: "The program's own arguments" })
      .options(BOARD_EXEC_OPTIONS)
      .example("axiscript board exec --sysroot /tmp/board -- python3 driver.py", "a driver as it runs on the board")
      .example(
        "axiscript board exec --sysroot /tmp/board ls /sys/class/uio",
        "what it finds there",
      ) as Argv<BoardExecFlags>,
  handler: () => {},
};

/** Becomes the program, whose end is this one's: there is no exit code to give. */
export async function boardExec(flags: BoardExecFlags, args: readonly string[]): Promise<never> {
  const { sysroot, program } = flags;
  if (program === undefined) throw new AxiscriptError("ERR_AXI_USAGE", "Name a program, as python3 driver.py.");
  return executeOnBoard(sysroot, program, args);
}
