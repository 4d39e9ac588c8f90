#!/usr/bin/env node
import { prepareVirtualBoard } from "../runtime/prepare";
import { requireWorkingDirectory } from "../working-directory";
import { exitCodeOf } from "./exit-codes";
import { reportError } from "./report";

/** The part of the command line that is axiscript's; what follows the script's name is the script's. */
async function main(argv: readonly string[]): Promise<void> {
  const withStack = argv.includes("--stack-trace");
  try {
    requireWorkingDirectory();
    // A function of the library, from a file of its own: it is of use only before the rest is loaded.
    if (usesVirtualBoard(argv)) prepareVirtualBoard();
    const { parse } = require("./commands") as typeof import("./commands");
    const command = parse(argv);
    process.exitCode = await command();
  } catch (error) {
    reportError(error, withStack);
    process.exitCode = exitCodeOf(error);
  }
}

/** As far as can be said at a glance: a thread that nobody uses takes time to end. */
function usesVirtualBoard([command, ...rest]: readonly string[]): boolean {
  return command === "run" ? !rest.includes("--board=linux") : command === "board" && rest[0] !== "exec";
}

void main(process.argv.slice(2));
