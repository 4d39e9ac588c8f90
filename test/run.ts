import { type ChildProcess, spawn } from "node:child_process";
import { readdirSync } from "node:fs";
import { availableParallelism, constants, setPriority } from "node:os";
import { join, relative } from "node:path";
import { parseArgs } from "node:util";
import { PACK_LIST, packList } from "./kernel/pack-list";

/**
 * Runs every test file in a process of its own and counts what uvu counts. A file that runs no test is a failure: uvu
 * itself passes a file that forgets to call `test.run()`.
 *
 * Arguments: `--kernel` for the tests that boot a kernel, in place of the others; parts of file names, to run only those.
 */
const SOURCES = join(__dirname, "../../test");
const COUNT = /Total:\s+(\d+)\s+Passed:\s+(\d+)\s+Skipped:\s+(\d+)/;

const { values: options, positionals: wanted } = parseArgs({
  allowPositionals: true,
  options: { kernel: { type: "boolean", default: false } },
});
const FILE_TIMEOUT_MS = (options.kernel ? 20 : 10) * 60_000;
/** A guest has one processor, and nothing of this machine's that another one could want. */
const AT_A_TIME = options.kernel ? availableParallelism() : 1;
/** Of those that run side by side the long ones come first, so that nothing waits for one that began late. */
const LONGEST = ["endurance.kernel.ts", "pci.kernel.ts", "settings.kernel.ts"];
const ENVIRONMENT = { ...process.env, FORCE_COLOR: "0", ...(options.kernel && { [PACK_LIST]: packList() }) };
/** A guest that waits for devices outside takes the more of the processors the longer it waits: one guest goes first. */
const BESIDE_PRIORITY = 10;
const suffix = options.kernel ? ".kernel.ts" : ".test.ts";
const waiting = readdirSync(SOURCES, { recursive: true, encoding: "utf8" })
  .filter((file) => file.endsWith(suffix) && (wanted.length === 0 || wanted.some((part) => file.includes(part))))
  .sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1));

function rank(file: string): number {
  const place = LONGEST.findIndex((name) => file.endsWith(name));
  return place < 0 ? LONGEST.length : place;
}

/** What became of a file's process. */
interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly seconds: number;
}

const running = new Set<ChildProcess>();

function runFile(file: string, priority: number): Promise<Ended> {
  const started = performance.now();
  const child = spawn(process.execPath, [join(__dirname, file.replace(/\.ts$/, ".js"))], {
    stdio: ["ignore", "pipe", "pipe"],
    timeout: FILE_TIMEOUT_MS,
    env: ENVIRONMENT,
  });
  running.add(child);
  if (child.pid !== undefined && priority > 0) setPriority(child.pid, priority);
  const text = { stdout: "", stderr: "" };
  for (const stream of ["stdout", "stderr"] as const) {
    child[stream].setEncoding("utf8").on("data", (more: string) => (text[stream] += more));
  }
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (status) => {
      running.delete(child);
      resolve({ ...text, status, seconds: (performance.now() - started) / 1000 });
    });
  });
}

let isStopped = false;
const totals = { passed: 0, failed: 0, skipped: 0 };

function report(file: string, { status, stdout, stderr, seconds }: Ended): void {
  if (isStopped) return;
  const [, total = 0, good = 0, leftOut = 0] = (COUNT.exec(stdout) ?? []).map(Number);
  const bad = Math.max(total - good - leftOut, status === 0 && total + leftOut > 0 ? 0 : 1);
  totals.passed += good;
  totals.failed += bad;
  totals.skipped += leftOut;
  const line = `${relative(process.cwd(), join(SOURCES, file))}  ${good} passed${bad ? `, ${bad} FAILED` : ""}`;
  process.stdout.write(`${line}${leftOut ? `, ${leftOut} skipped` : ""}  (${seconds.toFixed(1)} s)\n`);
  for (const skip of stdout.matchAll(/^SKIPPED: .*$/gm)) process.stdout.write(`    ${skip[0]}\n`);
  if (bad > 0) process.stdout.write(`${stdout}\n${stderr}\nexit status ${status}\n`);
}

/** Who is stopped stops what was started, and waits for it. */
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.once(signal, () => {
    isStopped = true;
    waiting.length = 0;
    const ended = [...running].map((child) => new Promise((resolve) => child.once("close", resolve)));
    for (const child of running) child.kill("SIGTERM");
    void Promise.all(ended).then(() => process.exit(128 + constants.signals[signal]));
  });
}

/** Runs files until none is left, and reports each when it has ended. */
async function runFiles(priority: number): Promise<void> {
  for (let file = waiting.shift(); file !== undefined; file = waiting.shift()) {
    report(file, await runFile(file, priority));
  }
}

async function main(): Promise<void> {
  await Promise.all(Array.from({ length: AT_A_TIME }, (_, place) => runFiles(place === 0 ? 0 : BESIDE_PRIORITY)));
  const { passed, failed, skipped } = totals;
  const isNothing = passed + failed === 0;
  if (isNothing) process.stdout.write("no test ran\n");
  process.stdout.write(`${passed} passed, ${isNothing ? 1 : failed} failed, ${skipped} skipped\n`);
  process.exitCode = isNothing || failed > 0 ? 1 : 0;
}

void main();
