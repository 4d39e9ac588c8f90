import type { Argv, CommandModule, InferredOptionTypes, Options } from "yargs";
import { escapeControls, escapeJson } from "../util/escape";
import { examineSystem, type Finding, type FindingStatus } from "../index";
import { EXIT } from "./exit-codes";
import { print, style } from "./print";

export const DOCTOR_OPTIONS = {
  json: { type: "boolean", default: false, describe: "Print the findings as JSON, for programs" },
  sysroot: { string: true, describe: "Look for devices in DIR in place of /" },
  "stack-trace": { type: "boolean", default: false, describe: "With an error, also print axiscript's own stack" },
} as const satisfies Record<string, Options>;

type DoctorFlags = InferredOptionTypes<typeof DOCTOR_OPTIONS>;

/** What follows `axiscript doctor`. */
export const DOCTOR: CommandModule<object, DoctorFlags> = {
  command: "",
  describe: "Say what this machine offers, what is missing for real hardware, and how to mend it",
  builder: (yargs) =>
    (yargs as Argv<DoctorFlags>)
      .options(DOCTOR_OPTIONS)
      .example("axiscript doctor", "what is there, what is missing, and the commands that mend it")
      .example("axiscript doctor --json", "the same for programs")
      .example("axiscript doctor --sysroot /tmp/board", "the devices of a virtual board that was kept"),
  handler: () => {},
};

const COLUMNS = 110;
const COLOURS = { ok: "green", warning: "yellow", missing: "red" } as const satisfies Record<FindingStatus, string>;
const STATUS_WIDTH = "warning".length;

/** Examines this machine and prints what was found; gives the exit code. */
export async function doctor({ json, sysroot }: DoctorFlags): Promise<number> {
  const findings = examineSystem(sysroot === undefined ? {} : { sysroot });
  await print(json ? `${escapeJson(JSON.stringify(findings, undefined, 2))}\n` : render(findings));
  const has = (status: FindingStatus) => findings.some((finding) => finding.status === status);
  return has("missing") ? EXIT.missing : has("warning") ? EXIT.warnings : 0;
}

function render(findings: readonly Finding[]): string {
  const titleWidth = Math.max(...findings.map(({ title }) => title.length));
  const groups = [...new Set(findings.map(({ group }) => group))];
  const sections = groups.map((group) => {
    const rows = findings.filter((finding) => finding.group === group).map((finding) => row(finding, titleWidth));
    return `${style("bold", group)}\n${rows.join("")}\n`;
  });
  return `${sections.join("")}${summary(findings)}\n`;
}

function row({ status, title, found, fix }: Finding, titleWidth: number): string {
  const indent = " ".repeat(2 + STATUS_WIDTH + 2 + titleWidth + 2);
  const lines = wrap(escapeControls(found), COLUMNS - indent.length);
  const head = `  ${style(COLOURS[status], status.padEnd(STATUS_WIDTH))}  ${title.padEnd(titleWidth)}  `;
  const mend = fix === undefined ? "" : `${"fix:".padStart(2 + STATUS_WIDTH)}  ${style("cyan", escapeControls(fix))}\n`;
  return `${head}${lines.join(`\n${indent}`)}\n${mend}`;
}

function summary(findings: readonly Finding[]): string {
  const count = (status: FindingStatus) => findings.filter((finding) => finding.status === status).length;
  const warnings = count("warning");
  const missing = count("missing");
  const parts = [`${count("ok")} ok`, `${warnings} warning${warnings === 1 ? "" : "s"}`, `${missing} missing`];
  return `${parts.join(", ")}${missing > 0 ? " for real hardware; a virtual board needs none of that" : ""}`;
}

/** Lines of whole words; a word that is longer has a line of its own. */
function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const last = lines[lines.length - 1];
    if (last !== undefined && last.length + 1 + word.length <= width) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}
