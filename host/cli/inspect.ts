import type { Argv, CommandModule, InferredOptionTypes, Options } from "yargs";
import { escapeControls, escapeJson } from "../util/escape";
import { type Inspection, inspectScript } from "../index";
import { EXIT } from "./exit-codes";
import { print } from "./print";

const INSPECT_OPTIONS = {
  json: { type: "boolean", default: false, describe: "Print it as JSON, for programs" },
  "stack-trace": { type: "boolean", default: false, describe: "With an error, also print axiscript's own stack" },
} as const satisfies Record<string, Options>;

type InspectFlags = InferredOptionTypes<typeof INSPECT_OPTIONS> & { script?: string };

/** What follows `axiscript inspect`. */
export const INSPECT: CommandModule<object, InspectFlags> = {
  command: "<script>",
  describe: "Say what a compiled script can ask for, without running it",
  builder: (yargs) =>
    (yargs as Argv<InspectFlags>)
      .positional("script", { type: "string", describe: "A .wasm file" })
      .options(INSPECT_OPTIONS)
      .example("axiscript inspect script.wasm", "which permissions it can ask for, and whether it runs here")
      .example("axiscript inspect --json script.wasm", "the same for programs") as Argv<InspectFlags>,
  handler: () => {},
};

const PAGE_KIBIBYTES = 64;

/** Inspects a script and prints what was found; gives the exit code. */
export async function inspect({ script = "", json }: InspectFlags): Promise<number> {
  const inspection = inspectScript(script);
  const text = json ? escapeJson(JSON.stringify(inspection, undefined, 2)) : render(inspection);
  await print(`${text}\n`);
  return inspection.problems.length > 0 ? EXIT.usage : 0;
}

function render({ path, lengthBytes, permissions, imports, exports, memory, problems, hints }: Inspection): string {
  const guesses = [
    ...hints.devices.map((text) => ["device", text]),
    ...hints.firmware.map((text) => ["firmware", text]),
  ];
  return [
    `${escapeControls(path)}: ${lengthBytes} bytes, ${imports.length} imports, ${exports.length} exports`,
    section(
      "It can ask for",
      permissions.map(({ flag, imports: from }) => [flag, from.join(", ")]),
      "nothing that needs a permission",
    ),
    section("Names in its data (a guess: a script can put names together)", guesses, "none"),
    section("Memory", [["pages", memory ? describePages(memory) : "it imports none"]]),
    section(
      "Exports",
      exports.map(({ name, kind }) => [kind, name]),
      "none",
    ),
    section(
      "It cannot run here",
      problems.map((problem) => [problem]),
    ),
  ]
    .filter((text) => text !== "")
    .join("\n\n");
}

/** A title and its rows, or what to say if there are none; nothing if that is nothing. */
function section(title: string, rows: readonly (readonly string[])[], none?: string): string {
  if (rows.length === 0) return none === undefined ? "" : `${title}\n  ${none}`;
  const width = Math.max(...rows.map(([first = ""]) => first.length));
  const lines = rows.map(([first = "", second]) =>
    second === undefined
      ? `  ${escapeControls(first)}`
      : `  ${escapeControls(first).padEnd(width)}  ${escapeControls(second)}`,
  );
  return `${title}\n${lines.join("\n")}`;
}

function describePages({ initial, maximum }: { initial: number; maximum?: number }): string {
  const most = maximum === undefined ? "without a maximum" : `at most ${maximum} (${maximum * PAGE_KIBIBYTES} KiB)`;
  return `${initial} of 64 KiB at first (${initial * PAGE_KIBIBYTES} KiB), ${most}`;
}
