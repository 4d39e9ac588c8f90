import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { compileScript, type RuntimeOptions } from "../../host/index";
import { createRuntimeWith } from "../../host/runtime/runtime";
import { startForkStorm } from "./hostility";

const SCRIPT = join(__dirname, "../../../test/scripts/torture.ts");
/** More than a machine makes in a day. */
const NO_LIMIT = 2 ** 31 - 1;

const LOOKS = 5;
/** A virtual board's thread may lose its core while it has a file open. */
const LOOKS_BESIDE_BOARD = 50;
const LOOK_INTERVAL_MS = 5;

const UNPINNED_WITHIN_MS = 10_000;

const SCRIPT_ARGUMENTS: Readonly<Record<PinChoice, readonly string[]>> = {
  on: [],
  off: ["read-only"],
  "until-moved": ["read-only", "until-moved"],
};

/** `until-moved`: without pins, to the first page that moves. */
export type PinChoice = "on" | "off" | "until-moved";

/**
 * Seconds, most transfers, pins, whether the process forks all the time; and a compiled script and the descriptions of
 * devices.
 */
export type TargetArguments = [
  seconds?: string,
  mostTransfers?: string,
  pins?: PinChoice,
  forks?: "forks" | "no-forks",
  script?: string,
  devices?: string,
];

/** What this process holds. */
export interface Stock {
  readonly descriptors: number;
  readonly pinnedKilobytes: number;
  /** Mappings that make up the linear memory: one, where nothing lies over it. */
  readonly mappings: number;
}

/** What the process that is tortured tells at its end, after the script's own line; its progress goes by IPC. */
export interface TargetReport {
  readonly pinMechanism: string | undefined;
  readonly forks: number;
  readonly before: Stock | undefined;
  readonly after: Stock | undefined;
  /** What else the host had to say. */
  readonly notes: readonly string[];
}

/** Of some looks, over a while, the least. */
function descriptors(lookCount: number): number {
  const sleeper = new Int32Array(new SharedArrayBuffer(4));
  const looks = Array.from({ length: lookCount }, () => {
    Atomics.wait(sleeper, 0, 0, LOOK_INTERVAL_MS);
    return readdirSync("/proc/self/fd").length;
  });
  return Math.min(...looks);
}

/** Kernels as old as 6.1 give pinned memory back up to a second after it was let go. */
function pinnedKilobytes(): number {
  const deadline = performance.now() + UNPINNED_WITHIN_MS;
  for (;;) {
    const pinned = Number(/VmPin:\s+(\d+)/.exec(readFileSync("/proc/self/status", "utf8"))?.[1]);
    if (pinned === 0 || performance.now() >= deadline) return pinned;
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, LOOK_INTERVAL_MS);
  }
}

function takeStock(baseAddress: bigint, lengthBytes: bigint, lookCount: number): Stock {
  const mappings = readFileSync("/proc/self/maps", "utf8")
    .split("\n")
    .map((line) => (/^([0-9a-f]+)-([0-9a-f]+)/.exec(line) ?? []).slice(1).map((text) => BigInt(`0x${text}`)))
    .filter(([start = 0n, end = 0n]) => start < baseAddress + lengthBytes && end > baseAddress);
  return {
    descriptors: descriptors(lookCount),
    pinnedKilobytes: pinnedKilobytes(),
    mappings: mappings.length,
  };
}

function withoutNumbers(text: string): string {
  return text.replaceAll(/\d+/g, "N");
}

/**
 * The process that is tortured: `target.js SECONDS MOST_TRANSFERS PINS FORKS [COMPILED_SCRIPT DEVICES]`. Its parent
 * provokes the kernel. With the last two it is this system's devices that transfer, in place of a virtual board's.
 */
async function main([
  seconds = "10",
  mostTransfers = `${NO_LIMIT}`,
  pins = "on",
  forks = "forks",
  script,
  devices,
]: TargetArguments): Promise<void> {
  const storm = forks === "forks" ? startForkStorm() : undefined;
  const stock: Record<string, Stock> = {};
  const notes = new Map<string, number>();
  const onNote = (message: string) => {
    const [what = "", first = "0", second = "0"] = message.split(" ");
    if (what === "progress") process.send?.(Number(first));
    else if (what === "before" || what === "after") {
      storm?.calm();
      stock[what] = takeStock(BigInt(first), BigInt(second), devices === undefined ? LOOKS_BESIDE_BOARD : LOOKS);
      if (what === "before") storm?.begin();
    } else notes.set(withoutNumbers(message), (notes.get(withoutNumbers(message)) ?? 0) + 1);
  };
  const board: RuntimeOptions =
    devices === undefined
      ? { board: "virtual" }
      : { board: "linux", deviceDirectories: [devices], permissions: { allow: { all: true } } };
  const runtime = await createRuntimeWith(board, { unpinned: pins !== "on" });
  try {
    const result = runtime.runSync(script ?? (await compileScript(SCRIPT)), {
      args: [seconds, mostTransfers, ...SCRIPT_ARGUMENTS[pins]],
      onNote,
    });
    const report: TargetReport = {
      pinMechanism: result.pinMechanism,
      forks: storm?.count() ?? 0,
      before: stock["before"],
      after: stock["after"],
      notes: [...notes].map(([note, count]) => `${note} (${count} times)`),
    };
    process.stdout.write(`${JSON.stringify(report)}\n`);
  } finally {
    await storm?.stop();
    await runtime.close();
    if (process.connected) process.disconnect();
  }
}

void main(process.argv.slice(2) as TargetArguments);
