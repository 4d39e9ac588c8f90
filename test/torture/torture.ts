import { spawn } from "node:child_process";
import { join } from "node:path";
import { reserveHugePages } from "../support/huge-pages";
import { PROVOCATION_NAMES, startHostility } from "./hostility";
import type { PinChoice, TargetReport } from "./target";

const TARGET = join(__dirname, "target.js");
/** For compiling the script, for its start and for the last checks. */
const GRACE_MS = 120_000;
/** For the regions that are made of them. */
const HUGE_PAGES = 48;

/** By processes of their own, and by that which is tortured. */
export const TORTURE_PROVOCATIONS = [...PROVOCATION_NAMES, "forks"] as const;
export type TortureProvocation = (typeof TORTURE_PROVOCATIONS)[number];

export interface TortureOptions {
  readonly seconds: number;
  /** Ends earlier after so many transfers. */
  readonly mostTransfers?: number;
  /** Without pins pages must move: a check that cannot fail shows nothing. The device then only reads. */
  readonly pins: PinChoice;
  /** How the kernel is provoked; absent: in every way. */
  readonly provocations?: readonly TortureProvocation[];
  /** Absent: a virtual board transfers. */
  readonly system?: SystemUnderTest;
  readonly onProgress?: (transfers: number, rounds: Readonly<Record<string, number>>) => void;
}

/** A system whose own devices transfer. */
export interface SystemUnderTest {
  /** `test/scripts/torture.ts`, compiled. */
  readonly script: string;
  /** The directory with the descriptions of its devices. */
  readonly devices: string;
}

/** What the script counted. */
export interface ScriptReport {
  readonly transfers: number;
  /** Bytes that were not what they should be, guard bytes included. */
  readonly wrongBytes: number;
  /** Times that a page of a target was found elsewhere. */
  readonly movedPages: number;
  readonly allocations: number;
  readonly growths: number;
  readonly collections: number;
  /** The longest that a transfer took, as the script saw it. */
  readonly longestMs: number;
  readonly byKind: Readonly<Record<string, number>>;
}

export interface TortureReport extends ScriptReport, TargetReport {
  readonly pins: PinChoice;
  readonly seconds: number;
  /** What the provocations did: completed rounds by name. */
  readonly rounds: Readonly<Record<string, number>>;
  readonly unavailable: readonly { readonly name: string; readonly reason: string }[];
}

/**
 * Has a script transfer without end, in a process of its own, while the kernel is provoked to move its pages.
 *
 * @throws Error with what the process said, if it failed
 */
export async function torture(options: TortureOptions): Promise<TortureReport> {
  const { seconds, mostTransfers = 2 ** 31 - 1, pins, system, onProgress } = options;
  const { provocations = TORTURE_PROVOCATIONS } = options;
  const started = performance.now();
  const hugePages = reserveHugePages(HUGE_PAGES);
  const onSystem = system ? [system.script, system.devices] : [];
  // What moves first is not to be a fork's doing.
  const forks = provocations.includes("forks") && pins !== "until-moved" ? "forks" : "no-forks";
  const child = spawn(process.execPath, [TARGET, `${seconds}`, `${mostTransfers}`, pins, forks, ...onSystem], {
    stdio: ["ignore", "pipe", "pipe", "ipc"],
  });
  let stdout = "";
  let stderr = "";
  child.stdout?.setEncoding("utf8").on("data", (text: string) => (stdout += text));
  child.stderr?.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  const hostility = startHostility(
    child.pid ?? 0,
    PROVOCATION_NAMES.filter((name) => provocations.includes(name)),
  );
  child.on("message", (transfers) => onProgress?.(Number(transfers), hostility.counts()));
  const deadline = setTimeout(() => child.kill("SIGKILL"), seconds * 1000 + GRACE_MS);
  const stop = () => child.kill("SIGKILL");
  process.once("exit", stop);
  try {
    const status = await new Promise((resolve) => child.on("close", (code, signal) => resolve(code ?? signal)));
    if (status !== 0) throw new Error(`the process that was tortured ended with ${String(status)}: ${stderr}`);
    const [script = "", target = ""] = stdout.trim().split("\n");
    return {
      pins,
      seconds: (performance.now() - started) / 1000,
      ...(JSON.parse(script) as ScriptReport),
      ...(JSON.parse(target) as TargetReport),
      rounds: hostility.counts(),
      unavailable: [...hostility.unavailable],
    };
  } finally {
    clearTimeout(deadline);
    process.off("exit", stop);
    await hostility.stop();
    hugePages.release();
  }
}

/** What is wrong with a run that had pins; empty if nothing is. */
export function faultsOf({ wrongBytes, movedPages, before, after, notes, transfers }: TortureReport): string[] {
  const faults = [
    transfers === 0 && "no transfer was made",
    wrongBytes > 0 && `${wrongBytes} wrong bytes`,
    movedPages > 0 && `${movedPages} moved pages`,
    (!before || !after) && "no stock was taken",
    ...(["descriptors", "pinnedKilobytes", "mappings"] as const).map(
      (what) =>
        before && after && after[what] !== before[what] && `${what}: ${before[what]} before, ${after[what]} after`,
    ),
    ...notes.filter((note) => note.startsWith("kept")),
  ];
  return faults.filter((fault) => typeof fault === "string");
}
