import { setTimeout } from "node:timers/promises";
import type { Argv, CommandModule, InferredOptionTypes, Options } from "yargs";
import { escapeControls, escapeJson } from "../util/escape";
import { holdTermination, type StandaloneBoard, startBoard, type TerminationHold } from "../index";
import { BOARD_OPTIONS, boardOptions } from "./board-options";
import { print } from "./print";
import { note } from "./report";

/** How often the program looks whether it is to end. */
const LOOK_INTERVAL_MS = 100;

const OPTIONS = {
  sysroot: {
    string: true,
    describe: "Build the board in DIR [default: a temporary directory]. DIR is removed at the end if it was made",
  },
  keep: { type: "boolean", default: false, describe: "Keep DIR at the end, as one that held a board before is kept" },
  ...BOARD_OPTIONS,
  json: { type: "boolean", default: false, describe: "Print one line of JSON when the board is ready, for programs" },
  "stack-trace": { type: "boolean", default: false, describe: "With an error, also print axiscript's own stack" },
} as const satisfies Record<string, Options>;

type BoardFlags = InferredOptionTypes<typeof OPTIONS>;

/** What follows `axiscript board`. */
export const BOARD: CommandModule<object, BoardFlags> = {
  command: "",
  describe: "Run a virtual board for other programs, until it is stopped",
  builder: (yargs) =>
    (yargs as Argv<BoardFlags>)
      .options(OPTIONS)
      .example("axiscript board --sysroot /tmp/board", "a board that is gone when it is stopped")
      .example("axiscript run --sysroot /tmp/board script.ts", "a script that uses it, in another terminal")
      .example("axiscript board exec --sysroot /tmp/board -- python3 driver.py", "any program, with its files in /"),
  handler: () => {},
};

/** Runs a board until a signal ends it; gives the exit code. */
export async function board(flags: BoardFlags): Promise<number> {
  const { sysroot, keep, json } = flags;
  const termination = holdTermination();
  const running = await startBoard({ ...(sysroot === undefined ? {} : { sysroot }), keep, ...boardOptions(flags) });
  try {
    await print(json ? describeForPrograms(running) : describe(running));
    if (!json) for (const text of [running.addressNote, running.kernelFilesNote]) if (text !== undefined) note(text);
    await untilEnd(running, termination);
  } finally {
    await running.stop();
  }
  return 0;
}

/** Signals are recorded, and not handled: of those that are sent again, none must cut off the end of the board. */
async function untilEnd(running: StandaloneBoard, termination: TerminationHold): Promise<void> {
  const end = new AbortController();
  void running.ended.then(() => end.abort());
  let said: string | undefined;
  while (!end.signal.aborted && !termination.arrived()) {
    const { hangingModel } = running;
    if (hangingModel !== undefined && hangingModel !== said) note(hangingModel);
    said ??= hangingModel;
    await setTimeout(LOOK_INTERVAL_MS);
  }
}

function describe({ sysroot, kept }: StandaloneBoard): string {
  return `A virtual Ultra96-V2 is running. Use its files in place of /:
  ${escapeControls(sysroot)}

  axiscript run --sysroot ${sysroot} SCRIPT.ts
  axiscript devices --sysroot ${sysroot}
  axiscript board exec --sysroot ${sysroot} -- PROGRAM

Ctrl-C ends it. ${kept ? "The directory stays." : "Nothing of it stays."}
`;
}

/** Notes that there are not are left out. */
function describeForPrograms({ sysroot, kept, addressNote, kernelFilesNote }: StandaloneBoard): string {
  return `${escapeJson(JSON.stringify({ sysroot, pid: process.pid, kept, addressNote, kernelFilesNote }))}\n`;
}
