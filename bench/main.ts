import { axiProxy } from "./axi-proxy";
import { board } from "./board";
import { dmaStarts } from "./dma-starts";
import type { Aim, BenchRow, Row } from "./measure";
import { pinning } from "./pinning";
import { registerReads } from "./register-reads";
import { startup } from "./startup";
import { translation } from "./translation";

/** `npm run bench`: a table for people; `npm run --silent bench -- --json`: the rows for programs. */
const BENCHMARKS: readonly (() => Promise<Row | Row[]>)[] = [
  startup,
  translation,
  pinning,
  registerReads,
  dmaStarts,
  axiProxy,
  board,
];

async function main(): Promise<void> {
  const json = process.argv.includes("--json");
  const rows: Row[] = [];
  for (const benchmark of BENCHMARKS) {
    if (process.stderr.isTTY) process.stderr.write(`measuring ${benchmark.name}\n`);
    rows.push(...[await benchmark()].flat());
  }
  for (const row of rows) {
    if ("skipped" in row) process.stderr.write(`SKIPPED: ${row.name}: ${row.skipped}\n`);
    else if (!json) process.stdout.write(format(row));
  }
  if (json) process.stdout.write(`${JSON.stringify(rows, null, 2)}\n`);
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

void main();
