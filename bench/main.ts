import type { BenchRow, Row } from "./measure";
import { pinning } from "./pinning";
import { startup } from "./startup";
import { translation } from "./translation";

/** `npm run bench`: a table for people; `npm run --silent bench -- --json`: the rows for programs. */
const BENCHMARKS: readonly (() => Promise<Row | Row[]>)[] = [startup, translation, pinning];

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

function format({ name, baseline, unit, runs, value, baselineValue, ratio, aim, note }: BenchRow): string {
  const [here, there] = [value, baselineValue].map((amount) => `${amount.toFixed(1)} ${unit}`);
  const wanted = aim && ("atLeast" in aim ? ` (aim: at least ${aim.atLeast})` : ` (aim: at most ${aim.atMost})`);
  const subject = note === undefined ? name : `${name} (${note})`;
  return `${subject}: ${here}; ${baseline}: ${there}; ratio ${ratio.toFixed(2)}${wanted ?? ""}; ${runs} pairs\n`;
}

void main();
