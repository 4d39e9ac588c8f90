#!/usr/bin/env node
import { withCause } from "../util/errors";
import { withInstallation } from "../runtime/installation";
import { prepareScriptThread, prepareVirtualBoard } from "../runtime/run/prepare";
import { requireWorkingDirectory } from "../util/working-directory";
import { end } from "./end";
import { exitCodeOf } from "./exit-codes";
import { reportError } from "./report";

/** The part of the command line that is axiscript's; what follows the script's name is the script's. */
async function main(argv: readonly string[]): Promise<void> {
  const withStack = argv.includes("--stack-trace");
  // What is said on a stream that takes nothing is lost; what became of the script is not.
  process.stderr.on("error", () => {});
  try {
    requireWorkingDirectory();
    // Functions of the library, from a file of their own: they are of use only before the rest is loaded.
    if (usesVirtualBoard(argv)) prepareVirtualBoard();
    if (argv[0] === "run") prepareScriptThread();
    const { parse } = require("./commands") as typeof import("./commands");
    const command = parse(argv);
    await end(await command());
  } catch (thrown) {
    const error = withInstallation(withCause(thrown));
    reportError(error, withStack);
    await end(exitCodeOf(error), error);
  }
}

/** As far as can be said at a glance: a thread that nobody uses takes time to end. */
function usesVirtualBoard([command, ...rest]: readonly string[]): boolean {
  return command === "run" ? !rest.includes("--board=linux") : command === "board" && rest[0] !== "exec";
}

void main(process.argv.slice(2));
