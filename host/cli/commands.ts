import type { Argv, CommandModule } from "yargs";
import { AxiscriptError, packageVersion } from "../index";
import { BUILD, build } from "./build";
import { lastOfRepeated, spellOutOptimize } from "./options";
import { readPlainOptions } from "./plain-options";
import { RUN, RUN_OPTIONS, run } from "./run";
import { splitArguments } from "./script-arguments";

const HELP_COLUMNS = 100;
const EPILOGUE = `Exit codes: the script's own; 1 device, memory, board or permission error; 2 usage, compile or link error;
124 time limit; 129 SIGHUP; 130 Ctrl-C; 134 trap, abort or refusal of the gate; 141 output closed; 143 SIGTERM.
Of doctor: 0 all is well; 3 warnings; 4 something that real hardware needs is missing.`;

/** What is said if a command's arguments are missing. */
const MISSING: Readonly<Record<string, string>> = {
  "axiscript peek": "Name a device, as AxiProxy:hpc (axiscript devices lists them).",
  "axiscript poke": "Name a device, a register and a value, as AxiProxy:hpc SCRATCH 0x1234.",
  "axiscript generate": "Name a device description, as my-device.json.",
};

/** Permission flags, and what asks for the help page that shows them. */
const PERMISSION_FLAG = /^(?:-A|--allow|--deny|-h$|--help$)/;

/** What a command line asks for; carried out by calling it, which gives the exit code. */
export type Command = () => Promise<number>;

/**
 * Parses a command line. Help, version and completion are printed here; then there is nothing left to do.
 *
 * @throws AxiscriptError ERR_AXI_USAGE for a command line that makes no sense
 */
export function parse(argv: readonly string[]): Command {
  let chosen: Command = async () => 0;
  const command = <Flags>(
    module: CommandModule<object, Flags>,
    body: (flags: Flags) => Promise<number>,
    name: string,
  ) => ({
    ...module,
    command: `${name} ${String(module.command)}`.trim(),
    handler: (flags: Flags) => {
      chosen = () => body(flags);
    },
  });
  /** Commands that are loaded when they are asked for. Each adds itself to a parser, under a name. */
  const later = {
    board: (parser: Argv, as: string) => {
      const { BOARD, board } = require("./board") as typeof import("./board");
      return parser.command(command(BOARD, board, as));
    },
    devices: (parser: Argv, as: string) => {
      const { DEVICES, devices } = require("./devices") as typeof import("./devices");
      return parser.command(command(DEVICES, devices, as));
    },
    peek: (parser: Argv, as: string) => {
      const { PEEK, peek } = require("./peek") as typeof import("./peek");
      return parser.command(command(PEEK, peek, as));
    },
    poke: (parser: Argv, as: string) => {
      const { POKE, poke } = require("./poke") as typeof import("./poke");
      return parser.command(command(POKE, poke, as));
    },
    doctor: (parser: Argv, as: string) => {
      const { DOCTOR, doctor } = require("./doctor") as typeof import("./doctor");
      return parser.command(command(DOCTOR, doctor, as));
    },
    generate: (parser: Argv, as: string) => {
      const { GENERATE, generate } = require("./generate") as typeof import("./generate");
      return parser.command(command(GENERATE, generate, as));
    },
    inspect: (parser: Argv, as: string) => {
      const { INSPECT, inspect } = require("./inspect") as typeof import("./inspect");
      return parser.command(command(INSPECT, inspect, as));
    },
  };
  const [name, ...rest] = argv;
  // One command alone is parsed as the default command: for others yargs renders the help page each time, in 8 ms.
  if (name === "run") {
    // Loaded for command lines that may have permission flags, or ask for them.
    const permitting = rest.some((argument) => PERMISSION_FLAG.test(argument)) ? permissionOptions() : undefined;
    const { own, script } = splitArguments(rest, { ...RUN_OPTIONS, ...permitting?.permissionFlags() });
    // The script's name behind `--` is as clear as can be.
    if (script.some((argument) => argument.startsWith("-")) && rest[own.length - 1] !== "--") {
      const { noteMisplacedFlags } = require("./misplaced-flags") as typeof import("./misplaced-flags");
      noteMisplacedFlags(own.at(-1) ?? "", script, RUN_OPTIONS);
    }
    const { rest: others, permissions } = permitting?.takePermissionFlags(own) ?? { rest: own, permissions: undefined };
    const spelled = others.map(spellOutOptimize);
    const plain = readPlainOptions(spelled, RUN_OPTIONS);
    if (plain) return () => run(plain, script, permissions);
    const helps = others.some((argument) => argument === "--help" || argument === "-h");
    const parser = base("axiscript run", spelled);
    void (helps && permitting ? permitting.describePermissionFlags(parser, "help") : parser)
      .command(command(RUN, (flags) => run(flags, script, permissions), "$0"))
      .parse();
  } else if (name === "board" && rest[0] === "exec") {
    const { BOARD_EXEC, BOARD_EXEC_OPTIONS, boardExec } = require("./board-exec") as typeof import("./board-exec");
    const { own, script } = splitArguments(rest.slice(1), BOARD_EXEC_OPTIONS);
    void base("axiscript board exec", own)
      .command(command(BOARD_EXEC, (flags) => boardExec(flags, script), "$0"))
      .parse();
  } else if (name === "build")
    void base("axiscript build", rest.map(spellOutOptimize))
      .command(command(BUILD, build, "$0"))
      .parse();
  else if (name !== undefined && Object.hasOwn(later, name)) {
    void later[name as keyof typeof later](base(`axiscript ${name}`, rest), "$0").parse();
  } else {
    let all: Argv = base("axiscript", argv)
      .usage(
        "$0 <command>\n\nRuns accelerator scripts: AssemblyScript or any WebAssembly, on a virtual board or on an FPGA.",
      )
      .command(command(withPermissionFlags(RUN), (flags) => run(flags, []), "run"))
      .command(command(BUILD, build, "build"));
    for (const [each, add] of Object.entries(later)) all = add(all, each);
    void all
      .completion("completion", "Print a completion script for bash or zsh")
      .demandCommand(
        1,
        `Say what to do: run, build, ${Object.keys(later)
          .join(", ")
          .replace(/, (\w+)$/, " or $1")}.`,
      )
      .recommendCommands()
      .example("$0 run script.ts", "compile a script and run it")
      .parse();
  }
  return chosen;
}

function permissionOptions() {
  return require("./permission-options") as typeof import("./permission-options");
}

/** A command whose completion offers the flags that are read elsewhere. */
function withPermissionFlags<Flags>(module: CommandModule<object, Flags>): CommandModule<object, Flags> {
  const builder = module.builder as (yargs: Argv) => Argv<Flags>;
  return { ...module, builder: (yargs) => builder(permissionOptions().describePermissionFlags(yargs, "completion")) };
}

/** A parser with what those of all commands have in common. */
export function base(scriptName: string, argv: readonly string[]) {
  // Loaded for the command lines that are not read without it.
  const yargs = require("yargs") as typeof import("yargs");
  return yargs([...argv])
    .scriptName(scriptName)
    .locale("en")
    .parserConfiguration({ "parse-positional-numbers": false })
    .middleware(lastOfRepeated, true)
    .strict()
    .version(packageVersion())
    .alias({ help: "h", version: "v" })
    .epilogue(EPILOGUE)
    .wrap(HELP_COLUMNS)
    .fail((message: string | null, error: Error | undefined) => {
      const said = message?.startsWith("Not enough non-option arguments")
        ? (MISSING[scriptName] ?? "Name a script.")
        : message?.replace(/^Did you mean/, `Unknown command ${argv[0]}. Did you mean`);
      throw (
        error ??
        new AxiscriptError("ERR_AXI_USAGE", `${said ?? "Cannot read the command line."} See ${scriptName} --help.`, {
          lines: true,
        })
      );
    });
}
