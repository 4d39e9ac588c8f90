import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { PACKAGE } from "./cli";
import { exitAtSignals } from "./exit-at-signals";

const DEADLINE_MS = 60_000;

/** What `axiscript board --json` says when it is ready. */
export interface BoardLine {
  readonly sysroot: string;
  readonly pid: number;
  readonly kept: boolean;
  readonly addressNote?: string;
}

/** An `axiscript board` in a process of its own. */
export interface BoardProcess extends BoardLine {
  /** What it has written so far. */
  readonly output: { stdout: string; stderr: string };
  /** Sends a signal, and waits for the end. */
  end(signal?: NodeJS.Signals): Promise<{ status: number | null; signal: NodeJS.Signals | null }>;
}

/**
 * Starts a board and waits until it is ready. A test file ends all that it has started, also when it is stopped.
 *
 * @param through a command to put before `node`
 */
export async function startBoardProcess(
  args: readonly string[] = [],
  through: readonly string[] = [],
): Promise<BoardProcess> {
  const command = [...through, process.execPath, join(PACKAGE, "dist/host/cli/main.js"), "board", "--json", ...args];
  const child = spawn(command[0] ?? "", command.slice(1), { stdio: ["ignore", "pipe", "pipe"] });
  started.add(child);
  const output = { stdout: "", stderr: "" };
  const closed = once(child, "close") as Promise<[number | null, NodeJS.Signals | null]>;
  child.stderr.setEncoding("utf8").on("data", (text: string) => (output.stderr += text));
  const ready = new Promise<void>((resolve) => {
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      output.stdout += text;
      if (output.stdout.includes("\n")) resolve();
    });
  });
  // A test that fails before it ends its board does not keep its file from ending.
  for (const handle of [child, child.stdout, child.stderr] as readonly { unref(): void }[]) handle.unref();
  await inTime(Promise.race([ready, closed]), "start");
  if (!output.stdout.includes("\n")) throw new Error(`the board did not start: ${output.stderr}`);
  const end = async (signal: NodeJS.Signals = "SIGTERM") => {
    child.kill(signal);
    const [status, by] = await inTime(closed, "end");
    started.delete(child);
    return { status, signal: by };
  };
  return { ...(JSON.parse(output.stdout) as BoardLine), output, end };
}

async function inTime<T>(promise: Promise<T>, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`the board did not ${what} within ${DEADLINE_MS} ms`)), DEADLINE_MS);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

const started = new Set<ChildProcess>();
exitAtSignals();
process.on("exit", () => {
  for (const child of started) child.kill("SIGTERM");
});
