import { parseArgs } from "node:util";
import { axiProxy } from "./axi-proxy";
import { board } from "./board";
import { dmaStarts } from "./dma-starts";
import type { Aim, BenchRow, Row } from "./measure";
import { pinning } from "./pinning";
import { registerReads } from "./register-reads";
import { response } from "./response";
import { startup } from "./startup";
import { translation } from "./translation";

const BENCHMARKS: Readonly<Record<string, () => Promise<Row | Row[]>>> = {
  startup,
  translation,
  pinning,
  registerReads,
  dmaStarts,
  axiProxy,
  board,
  response,
};

const HELP = `npm run bench -- [--json] [NAME ...]

Measures what this package does beside the same thing done otherwise, in turn, and prints medians and their ratios. Rows
whose compiler, interpreter or rights are missing are skipped, and a line on stderr says so. --json: all rows for a program.
NAME: of ${Object.keys(BENCHMARKS).join(", ")}; all if absent, which takes some seven minutes.

Example: npm run --silent bench -- --json translation pinning
`;

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { json: { type: "boolean", default: false }, help: { type: "boolean", short: "h", default: false } },
  });
  const unknown = positionals.find((name) => !Object.hasOwn(BENCHMARKS, name));
  if (unknown !== undefined) throw new Error(`there is no benchmark ${unknown}`);
  if (values.help) {
    process.stdout.write(HELP);
    return;
  }
  const rows: Row[] = [];
  for (const [name, benchmark] of Object.entries(BENCHMARKS)) {
    if (positionals.length > 0 && !positionals.includes(name)) continue;
    if (process.stderr.isTTY) process.stderr.write(`measuring ${name}\n`);
    rows.push(...[await benchmark()].flat());
  }
  for (const row of rows) {
    if ("skipped" in row) process.stderr.write(`SKIPPED: ${row.name}: ${row.skipped}\n`);
    else if (!values.json) process.stdout.write(format(row));
  }
  if (values.json) process.stdout.write(`${JSON.stringify(rows, null, 2)}\n`);
}

function format({ name, baseline, unit, runs, value, baselineValue, ratio, excess, aim, note }: BenchRow): string {
  const amount = (time: number) => `${time.toFixed(1)} ${unit}`;
  const subject = note === undefined ? name : `${name} (${note})`;
  const more = excess === undefined ? "" : `; ${amount(excess)} more`;
  const wanted = aim === undefined ? "" : ` (aim: ${formatAim(aim, amount)})`;
  const times = `${amount(value)}; ${baseline}: ${amount(baselineValue)}`;
  return `${subject}: ${times}; ratio ${ratio.toFixed(2)}${more}${wanted}; ${runs} pairs\n`;
}

function formatAim(aim: Aim, amount: (time: number) => string): string {
  if ("atLeast" in aim) return `at least ${aim.atLeast}`;
  if ("atMost" in aim) return `at most ${aim.atMost}`;
  return "valueAtMost" in aim ? `at most ${amount(aim.valueAtMost)}` : `at most ${amount(aim.excessAtMost)} more`;
}

main().catch((error: unknown) => {
  process.stderr.write(`${String(error)}\n\n${HELP}`);
  process.exitCode = 2;
});
