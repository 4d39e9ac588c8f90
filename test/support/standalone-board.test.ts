import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { waitUntil } from "../../host/util/wait";

const test = suite("boards of test files");

const DEADLINE_MS = 20_000;
/** A test file that has started a board and is at work. */
const FILE = `
  const { startBoardProcess } = require(process.argv[1]);
  setInterval(() => {}, 1000);
  startBoardProcess().then((board) => console.log(JSON.stringify(board)));
`;

for (const [signal, status] of [
  ["SIGINT", 130],
  ["SIGTERM", 143],
  ["SIGHUP", 129],
] as const) {
  test(`${signal} to a test file ends the boards that it started`, async () => {
    const file = spawn(process.execPath, ["-e", FILE, join(__dirname, "standalone-board.js")], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const ended = once(file, "exit");
    const [line] = (await once(createInterface(file.stdout), "line")) as [string];
    const { pid, sysroot } = JSON.parse(line) as { pid: number; sysroot: string };
    const isRunning = () => existsSync(`/proc/${pid}`);
    assert.ok(isRunning() && existsSync(sysroot));
    file.kill(signal);
    const end = (await ended) as [number | null, string | null];
    const isOver = waitUntil(() => !isRunning(), DEADLINE_MS);
    if (!isOver) process.kill(pid);
    assert.ok(isOver, `the board ${pid} runs on`);
    assert.not(existsSync(sysroot));
    assert.equal(end, [status, null]);
  });
}

test.run();
