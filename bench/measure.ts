import { spawnSync } from "node:child_process";

export type Unit = "ms" | "µs" | "ns";

/** What we want of a ratio; of our time itself; or of how much longer we take than the baseline, in the unit of the row. */
export type Aim =
  | { readonly atMost: number }
  | { readonly atLeast: number }
  | { readonly valueAtMost: number }
  | { readonly excessAtMost: number };

/** One row of the benchmark: what was measured, beside the baseline that ran in the same breath. */
export interface BenchRow {
  readonly name: string;
  readonly baseline: string;
  readonly unit: Unit;
  /** Number of pairs. */
  readonly runs: number;
  /** Medians, where `note` names nothing else. */
  readonly value: number;
  readonly baselineValue: number;
  /**
   * Median of the ratios of the pairs: our time by the baseline's, or, where the aim is `atLeast`, the inverse. Of values
   * that are no medians, their ratio.
   */
  readonly ratio: number;
  /** Median of the differences of the pairs: how much longer we take, in the unit of the row. Given where it is the aim. */
  readonly excess?: number;
  /** Absent for a row that only informs. */
  readonly aim?: Aim;
  /** What one has to know to judge the row. */
  readonly note?: string;
}

/** A row that could not be measured on this machine. It has no numbers: tell the two apart by `skipped`. */
export interface SkippedRow {
  readonly name: string;
  /** What is missing. */
  readonly skipped: string;
}

export type Row = BenchRow | SkippedRow;

/** Thrown by a measurement that finds something missing of the machine, not of the code. */
export class Skip extends Error {}

/** A command to time. */
export type CommandLine = readonly [command: string, ...args: string[]];

/** Two things to measure: each call gives the time that ours or the baseline's took, in the unit of the row. */
export interface Pair {
  readonly ours: () => number;
  readonly baseline: () => number;
}

/**
 * Measures a row, or says why it cannot be measured here.
 *
 * @param measure may throw {@link Skip}
 */
export function rowOf(name: string, measure: (name: string) => BenchRow): Row {
  try {
    return measure(name);
  } catch (error) {
    if (error instanceof Skip) return { name, skipped: error.message };
    throw error;
  }
}

/**
 * Measures two things in turn, so that whatever else the machine does falls on both.
 *
 * @param row what is known of the row beforehand; `runs` pairs are measured, after one that does not count
 */
export function comparePairs(
  row: Pick<BenchRow, "name" | "baseline" | "unit" | "runs" | "aim" | "note">,
  { ours, baseline }: Pair,
): BenchRow {
  ours();
  baseline();
  const pairs = Array.from({ length: row.runs }, () => [ours(), baseline()] as const);
  const faster = row.aim !== undefined && "atLeast" in row.aim;
  return {
    ...row,
    value: median(pairs.map(([value]) => value)),
    baselineValue: median(pairs.map(([, value]) => value)),
    ratio: median(pairs.map(([value, base]) => (faster ? base / value : value / base))),
    ...(row.aim && "excessAtMost" in row.aim && { excess: median(pairs.map(([value, base]) => value - base)) }),
  };
}

/** {@link comparePairs} for two commands. */
export function compareCommands(
  name: string,
  baseline: string,
  [measured, against]: readonly [CommandLine, CommandLine],
  { runs, aim }: { readonly runs: number; readonly aim: number },
): BenchRow {
  return comparePairs(
    { name, baseline, unit: "ms", runs, aim: { atMost: aim } },
    { ours: () => timeCommand(measured), baseline: () => timeCommand(against) },
  );
}

/** Runs a command to its end and gives what it printed. */
export function outputOf(command: CommandLine): string {
  return run(command, "pipe");
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? (sorted[middle] ?? 0) : ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2;
}

/** What so many percent of values do not exceed. */
export function percentile(values: readonly number[], percent: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.ceil((sorted.length * percent) / 100) - 1] ?? NaN;
}

/** How long each of `count` things takes that a call does, in nanoseconds: the median of some calls. */
export function nsEach(count: number, calls: number, call: () => void): number {
  const timesMs = Array.from({ length: calls }, () => {
    const started = performance.now();
    call();
    return performance.now() - started;
  });
  return (median(timesMs) * 1e6) / count;
}

function timeCommand(command: CommandLine): number {
  const started = performance.now();
  run(command, "ignore");
  return performance.now() - started;
}

function run([command, ...args]: CommandLine, output: "pipe" | "ignore"): string {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    stdio: ["ignore", output, "pipe"],
    encoding: "utf8",
    maxBuffer: 2 ** 28,
  });
  if (status !== 0) throw new Error(`${command} ${args.join(" ")} failed: ${stderr}`, { cause: error });
  return stdout;
}
