#!/usr/bin/env node
import { prepareVirtualBoard } from "../runtime/prepare";
import { exitCodeOf } from "./exit-codes";
import { reportError } from "./report";

/** The part of the command line that is axiscript's; what follows the script's name is the script's. */
async function main(argv: readonly string[]): Promise<void> {
  const withStack = argv.includes("--stack-trace");
  try {
    // A function of the library, from a file of its own: it is of use only before the rest is loaded.
    if (argv[0] === "run" || (argv[0] === "board" && argv[1] !== "exec")) prepareVirtualBoard();
    const { parse } = require("./commands") as typeof import("./commands");
    const command = parse(argv);
    process.exitCode = await command();
  } catch (error) {
    reportError(error, withStack);
    process.exitCode = exitCodeOf(error);
  }
}

void main(process.argv.slice(2));
