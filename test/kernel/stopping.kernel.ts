import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { testWhere } from "../support/rights";
import { temporaryDirectory } from "../support/temporary";
import { findTools } from "./support";

const RUNNER = join(__dirname, "../run.js");
const SHARED_MEMORY = "/dev/shm";
const DEADLINE_MS = 120_000;
const LOOK_EVERY_MS = 20;
const REPEATED_FOR_MS = 500;

const test = suite("a run of the tests with guests that is stopped");
const tools = findTools();
const where = testWhere(test, typeof tools === "object", typeof tools === "string" ? tools : "");

/** The processes of a session, by their names. */
function processesOf(session: number): string[] {
  return readdirSync("/proc").flatMap((pid) => {
    if (!/^\d+$/.test(pid)) return [];
    try {
      const [, name = "", rest = ""] = /\((.*)\) (.*)/.exec(readFileSync(`/proc/${pid}/stat`, "utf8")) ?? [];
      const [state, , , sessionId] = rest.split(" ");
      return Number(sessionId) === session && state !== "Z" ? [name] : [];
    } catch {
      // It has ended meanwhile.
      return [];
    }
  });
}

/** Files of processes that are gone: their numbers are in the names. */
function leftInSharedMemory(): string[] {
  const owners = /^axiscript-\w+-(\d+)-/;
  return readdirSync(SHARED_MEMORY).filter((name) => {
    const [, pid] = owners.exec(name) ?? [];
    return pid !== undefined && !existsSync(`/proc/${pid}`);
  });
}

/** Looks again and again; whether it came true in time. */
async function comesTrue(condition: () => boolean): Promise<boolean> {
  const deadline = performance.now() + DEADLINE_MS;
  while (!condition()) {
    if (performance.now() >= deadline) return false;
    await setTimeout(LOOK_EVERY_MS);
  }
  return true;
}

/** Signals a group as the kernel does at the end of a parent that had many threads, but more often. */
function signalRepeatedly(group: number, signal: NodeJS.Signals): void {
  const end = performance.now() + REPEATED_FOR_MS;
  try {
    while (performance.now() < end) process.kill(-group, signal);
  } catch {
    // All have ended.
  }
}

for (const [how, signal, isToGroup] of [
  ["Ctrl-C", "SIGINT", true],
  ["SIGTERM to the runner", "SIGTERM", false],
  ["kill -9 of the runner", "SIGKILL", false],
] as const) {
  where(`${how} leaves no guest, no process and no file`, async () => {
    const directory = temporaryDirectory();
    const sharedBefore = leftInSharedMemory();
    const runner = spawn(process.execPath, [RUNNER, "--kernel", "boot.kernel"], {
      detached: true,
      stdio: "ignore",
      env: { ...process.env, TMPDIR: directory },
    });
    const { pid = 0 } = runner;
    const ended = once(runner, "exit") as Promise<[number | null, string | null]>;
    try {
      const hasGuest = () => processesOf(pid).some((name) => name.startsWith("qemu"));
      assert.ok(await comesTrue(hasGuest), "no guest was started");
      process.kill(isToGroup ? -pid : pid, signal);
      const [status, endedBy] = await ended;
      assert.equal(
        [status, endedBy],
        { SIGINT: [130, null], SIGTERM: [143, null], SIGKILL: [null, "SIGKILL"] }[signal],
      );
      if (signal === "SIGKILL") signalRepeatedly(pid, "SIGTERM");
      const isAlone = () => processesOf(pid).length === 0;
      // The kernel ends a guest when its test has ended, and takes its time.
      assert.ok(await comesTrue(isAlone), processesOf(pid).join(" "));
      assert.equal(readdirSync(directory), []);
      const left = leftInSharedMemory().filter((name) => !sharedBefore.includes(name));
      assert.equal(left, []);
    } finally {
      if (processesOf(pid).length > 0) process.kill(-pid, "SIGKILL");
    }
  });
}

test.run();
