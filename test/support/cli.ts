import { type ChildProcess, spawn } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { temporaryDirectory } from "./temporary";

export const PACKAGE = join(__dirname, "../../..");
const MAIN = join(PACKAGE, "dist/host/cli/main.js");
const DEADLINE_MS = 60_000;

/** Compiled scripts are shared within a test file, and with nothing else. */
const cache = temporaryDirectory();

export interface CliResult {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
  /** What the process left in the places where boards are built. */
  readonly leftBehind: readonly string[];
}

export interface CliOptions {
  readonly cwd?: string;
  readonly env?: Record<string, string>;
  /** A command to put before `node`, to run with fewer rights for example. */
  readonly through?: readonly string[];
  /** Node's own options. */
  readonly nodeOptions?: readonly string[];
  /** Where stdout goes: a descriptor, or a pipe that nobody reads, or whose reader is gone. Absent: it is read. */
  readonly stdout?: number | "unread" | "closed";
  /** Called with what stdout holds so far, whenever there is more. */
  readonly onOutput?: (stdout: string, child: ChildProcess) => void;
}

/** Runs `axiscript` as a user does, in a process of its own. */
export function axiscript(args: readonly string[], options: CliOptions = {}): Promise<CliResult> {
  const [command = process.execPath, ...rest] = [
    ...(options.through ?? []),
    process.execPath,
    ...(options.nodeOptions ?? []),
    MAIN,
    ...args,
  ];
  const child = spawn(command, rest, {
    cwd: options.cwd ?? temporaryDirectory(),
    env: { ...process.env, XDG_CACHE_HOME: cache, ...options.env },
    stdio: ["ignore", typeof options.stdout === "number" ? options.stdout : "pipe", "pipe"],
  });
  let stdout = "";
  let stderr = "";
  if (options.stdout === "closed") child.stdout?.destroy();
  // A pipe that is left unread would keep the process from being over for us.
  else if (options.stdout === "unread") child.once("exit", () => child.stdout?.destroy());
  else
    child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      stdout += text;
      options.onOutput?.(stdout, child);
    });
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  const deadline = setTimeout(() => child.kill("SIGKILL"), DEADLINE_MS);
  return new Promise((resolve) => {
    child.on("close", (status, signal) => {
      clearTimeout(deadline);
      resolve({ status, signal, stdout, stderr, leftBehind: boardsOf(child.pid ?? 0) });
    });
  });
}

/** Board directories of a process. */
export function boardsOf(pid: number): string[] {
  return ["/dev/shm", "/tmp"].flatMap((parent) => {
    const names = readdirSync(parent).filter((name) => name.startsWith(`axiscript-board-${pid}-`));
    return names.map((name) => join(parent, name));
  });
}
