import type { Argv, CommandModule, InferredOptionTypes, Options } from "yargs";
import {
  compileScript,
  loadProfile,
  type PermissionOptions,
  PIN_MECHANISMS,
  type Runtime,
  type RuntimeOptions,
} from "../index";
import { createRuntimeWith } from "../runtime/runtime";
import { BOARD_OPTIONS, boardOptions } from "./board-options";
import { parseDuration } from "./duration";
import { COMPILE_OPTIONS, compileOptions, PERMISSION_GROUP } from "./options";
import { note } from "./report";
import { Stopping } from "./stopping";

export const RUN_OPTIONS = {
  board: {
    choices: ["virtual", "linux"],
    describe: "Where the devices are: a virtual Ultra96-V2, or this system [default: linux if it has UIO devices]",
  },
  sysroot: {
    string: true,
    describe:
      "Use the virtual board that runs in DIR, or build one there and keep it; with --board=linux, use DIR in place of /",
  },
  timeout: { string: true, describe: "Stop the script after this time: 500ms, 2s, 1m" },
  "max-memory": {
    string: true,
    describe: "The most that the script's memory may grow to: 256M, 1G [default: half of what is available]",
  },
  "max-output": { string: true, describe: "Stop the script when it has printed more than this: 64K, 10M" },
  ...BOARD_OPTIONS,
  devices: {
    string: true,
    array: true,
    nargs: 1,
    describe: "Descriptions of your own devices: DIR/*.json, beside those that axiscript has",
  },
  pin: { choices: PIN_MECHANISMS, describe: "What keeps pages in place [default: the first of these that works here]" },
  ...COMPILE_OPTIONS,
  profile: { alias: "P", string: true, group: PERMISSION_GROUP, describe: "Allow and deny what this JSON file says" },
  audit: { string: true, group: PERMISSION_GROUP, describe: "Append a JSON line for each permission used or refused" },
  "stack-trace": { type: "boolean", default: false, describe: "With an error, also print axiscript's own stack" },
} as const satisfies Record<string, Options>;

type RunFlags = InferredOptionTypes<typeof RUN_OPTIONS> & { script?: string };

/** What follows `axiscript run`. */
export const RUN: CommandModule<object, RunFlags> = {
  command: "<script> [args..]",
  describe: "Run a script",
  builder: (yargs) =>
    (yargs as Argv<RunFlags>)
      .positional("script", { type: "string", describe: "A .ts file, or a .wasm that was built before" })
      .positional("args", { describe: "What the script finds in process.argv" })
      .options(RUN_OPTIONS)
      .example("axiscript run script.ts", "compile and run")
      .example("axiscript run --timeout 2s script.wasm hpc 16", "with a time limit and arguments")
      .example("axiscript run --sysroot /tmp/board script.ts", "on a board that stays programmed")
      .example(
        "axiscript run --allow-device=AxiProxy:hpc --allow-dma script.wasm",
        "one device, and no more",
      ) as Argv<RunFlags>,
  handler: () => {},
};

/** Runs a script with its own arguments and permissions; gives its exit code. */
export async function run(
  flags: RunFlags,
  args: readonly string[],
  permissionFlags?: PermissionOptions,
): Promise<number> {
  const { script = "", timeout, board, sysroot, audit, "max-output": maxOutput, "max-memory": maxMemory } = flags;
  const timeoutMs = timeout === undefined ? undefined : parseDuration(timeout);
  const maxOutputBytes = maxOutput === undefined ? undefined : sizeOf(maxOutput);
  const maxMemoryBytes = maxMemory === undefined ? undefined : sizeOf(maxMemory);
  const { profile } = flags;
  const permissions = profile === undefined ? permissionFlags : { ...permissionFlags, profile: loadProfile(profile) };
  const virtualBoard = boardOptions(flags);
  const compiled = await compileScript(script, compileOptions(flags));
  const stopping = new Stopping(timeoutMs);
  let runtime: Runtime | undefined;
  try {
    const options: RuntimeOptions = {
      board: board === undefined ? "auto" : board === "linux" ? "linux" : "virtual",
      ...(sysroot === undefined ? {} : { sysroot }),
      ...virtualBoard,
      ...(flags.devices === undefined ? {} : { deviceDirectories: flags.devices }),
      ...(flags.pin === undefined ? {} : { pinMechanism: flags.pin }),
    };
    runtime = await createRuntimeWith(options, { onStuck: () => stopping.giveUp() });
    if (board === undefined) note(describeChoice(runtime, sysroot));
    stopping.check();
    const env = Object.fromEntries(Object.entries(process.env).map(([name, value]) => [name, value ?? ""]));
    const running = runtime.run(compiled, {
      signal: stopping.signal,
      args,
      env,
      onNote: note,
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
      ...(maxOutputBytes === undefined ? {} : { maxOutputBytes }),
      ...(maxMemoryBytes === undefined ? {} : { maxMemoryBytes }),
      ...(permissions && { permissions }),
      ...(audit === undefined ? {} : { audit }),
    });
    return (await stopping.orGivenUp(running)).exitCode;
  } finally {
    try {
      // What does not end is left to the end of the program.
      if (!stopping.isGivenUp) await runtime?.close();
    } finally {
      stopping.end();
    }
  }
}

function sizeOf(text: string): number {
  // Loaded for runs with a limit.
  const { parseSize } = require("./size") as typeof import("./size");
  return parseSize(text);
}

function describeChoice({ board, sysroot }: Runtime, asked: string | undefined): string {
  if (board === "linux") return "using this system's UIO devices (--board=virtual for a virtual board)";
  return asked === undefined
    ? "using a virtual board, since this system has no UIO devices (--board=linux for this system)"
    : `using the virtual board in ${sysroot}`;
}
