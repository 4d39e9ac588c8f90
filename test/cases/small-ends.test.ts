import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { VirtualBoard } from "../../host/board/board";
import { axiscript, PACKAGE } from "../support/cli";
import { rejectsWith } from "../support/expect";
import { mayMount, testWhere } from "../support/rights";
import { startBoardProcess } from "../support/standalone-board";
import { temporaryDirectory } from "../support/temporary";

const test = suite("ends of boards, pipes, and what a program on a board inherits");
const testMounts = testWhere(test, mayMount(), "needs mount namespaces (CAP_SYS_ADMIN)");

const BOARD = JSON.stringify(join(PACKAGE, "dist/host/board/board.js"));

/** Starts a program that builds a board, says where, and waits. */
async function startProgram(more = "") {
  const body = `const board = new (require(${BOARD}).VirtualBoard)(); ${more}; console.log(board.sysroot); setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ["-e", body], { stdio: ["ignore", "pipe", "inherit"] });
  const [output] = (await once(child.stdout, "data")) as [Buffer];
  return { child, ended: once(child, "exit"), sysroot: output.toString().trim() };
}

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  test(`a program that ${signal} ends leaves no board behind`, async () => {
    const { child, ended, sysroot } = await startProgram();
    assert.ok(existsSync(sysroot));
    child.kill(signal);
    assert.equal(await ended, [null, signal]);
    assert.not(existsSync(sysroot));
  });
}

test("a program's own listener for a signal decides", async () => {
  const listener = 'process.once("SIGTERM", () => board.stop().then(() => process.exit(7)))';
  const { child, ended, sysroot } = await startProgram(listener);
  child.kill("SIGTERM");
  assert.equal(await ended, [7, null]);
  assert.not(existsSync(sysroot));
});

test("a board that was stopped listens for no signals", async () => {
  const before = process.listenerCount("SIGINT");
  const board = new VirtualBoard();
  assert.is(process.listenerCount("SIGINT"), process.pid === 1 ? before : before + 1);
  await board.stop();
  assert.is(process.listenerCount("SIGINT"), before);
});

test("a pipe is no script, no profile and no model", async () => {
  const directory = temporaryDirectory();
  const [script, profile, model] = ["pipe.wasm", "pipe.json", "pipe.mjs"].map((name) => join(directory, name)) as [
    string,
    string,
    string,
  ];
  assert.is(spawnSync("mkfifo", [script, profile, model]).status, 0);
  for (const [args, message] of [
    [["run", script], /^ERR_AXI_IO: .*it is a pipe or a device/],
    [["inspect", script], /^ERR_AXI_IO: .*it is a pipe or a device/],
    [["run", "-P", profile, script], /^ERR_AXI_(USAGE|IO): .*it is a pipe or a device/],
    [["run", "--board=virtual", "--model", model, script], /^ERR_AXI_(MODEL|IO): .*it is (no file|a pipe)/],
  ] as const) {
    const { status, stderr } = await axiscript(args);
    assert.ok(status === 1 || status === 2, stderr);
    assert.match(stderr, message);
  }
});

test("a pipe is no record, and no description", async () => {
  const directory = temporaryDirectory();
  const pipe = join(directory, "pipe.json");
  assert.is(spawnSync("mkfifo", [pipe]).status, 0);
  const { message } = await rejectsWith("ERR_AXI_IO", () => new VirtualBoard({ record: pipe }));
  assert.match(message, "pipe");
  const devices = await axiscript(["devices", "--devices", directory, "--sysroot", temporaryDirectory()]);
  assert.ok([0, 1, 2].includes(devices.status ?? -1), "it waits for the pipe");
});

testMounts("a program on a board finds none of the machine's own devices, and ignores no signals", async () => {
  const board = await startBoardProcess();
  const { stdout, stderr } = await axiscript([
    ...["board", "exec", "--sysroot", board.sysroot, "--", "sh", "-c"],
    "ls -A /dev; grep SigIgn /proc/self/status; head -c 1 /proc/kcore | wc -c",
  ]);
  const lines = stdout.trim().split("\n");
  const allowed = new Set(
    "null zero full random urandom tty ptmx pts fd stdin stdout stderr shm mqueue log".split(" "),
  );
  const others = lines.slice(0, -2).filter((name) => !allowed.has(name));
  assert.equal(others, ["axi:udmabuf@0x0"], stderr);
  const ignored = BigInt(`0x${/SigIgn:\s*(\w+)/.exec(stdout)?.[1]}`);
  const byNode = (1n << 12n) | (1n << 24n);
  assert.is(ignored & byNode, 0n);
  assert.is(lines.at(-1), "0");
  await board.end();
});

test.run();
