import { spawn, spawnSync } from "node:child_process";
import { chmodSync, existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, realpathSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { VirtualBoard } from "../../../host/board/board";
import { FpgaManager } from "../../../host/linux/fpga-manager";
import { Sysroot } from "../../../host/linux/sysroot";
import { awaitUioDevice, listUioDevices } from "../../../host/linux/uio";
import { waitUntil } from "../../../host/util/wait";
import { PACKAGE } from "../../support/cli";
import { errnoOf, fuseBoard, testWithMount } from "../../support/fuse-board";
import { canDropSysAdmin, testWhere, WITHOUT_SYS_ADMIN } from "../../support/rights";
import { temporaryDirectory } from "../../support/temporary";
import { LONG_MS } from "../../support/timer-board";

const suiteOfTests = suite("mount of the kernel files");
const test = testWithMount(suiteOfTests);

const FIRMWARE = "/lib/firmware/xilinx/axi_proxy/axi_proxy";

/** The mounts at and below a directory. */
function mountsBelow(directory: string): string[] {
  const points = readFileSync("/proc/self/mountinfo", "utf8").split("\n");
  return points.map((line) => line.split(" ")[4] ?? "").filter((point) => point.startsWith(directory));
}

/** Runs a program in which `board` is a new board with a file system; what it printed. */
function runWithBoard(body: string, sysroot?: string, command: readonly string[] = []) {
  const options = JSON.stringify({ kernelFiles: "fuse", ...(sysroot === undefined ? {} : { sysroot }) });
  const script = `const { VirtualBoard } = require(${JSON.stringify(join(PACKAGE, "dist/host/board/board.js"))});
    const { readFileSync } = require("node:fs");
    const board = new VirtualBoard(${options});
    console.log(board.sysroot);
    if (readFileSync(board.sysroot + "/sys/class/fpga_manager/fpga0/flags", "utf8").trim() !== "0") process.exit(9);
    ${body}`;
  const [program, ...args] = [...command, process.execPath, "-e", script];
  const { stdout, stderr, status, signal } = spawnSync(program, args, { encoding: "utf8", timeout: 60_000 });
  const [directory = "", ...lines] = stdout.trim().split("\n");
  return { directory, lines, stderr, status, signal };
}

test("a board that stops unmounts, while a program is in there, too", async () => {
  const board = new VirtualBoard({ kernelFiles: "fuse" });
  assert.is(board.kernelFilesNote, undefined);
  assert.ok(mountsBelow(board.sysroot).includes(join(board.sysroot, "sys")));
  const inside = spawn("sh", ["-c", "echo ready; read line; cat fpga_manager/fpga0/state"], {
    cwd: join(board.sysroot, "sys/class"),
  });
  await new Promise((resolve) => inside.stdout.once("data", resolve));
  await board.stop();
  assert.equal(mountsBelow(board.sysroot), []);
  assert.not(existsSync(board.sysroot));
  const ended = new Promise((resolve) => inside.once("exit", resolve));
  inside.stdin.end("\n");
  assert.is.not(await ended, 0);
});

for (const [end, body, expected] of [
  ["forgets its board", "", 0],
  ["calls process.exit()", "process.exit(3);", 3],
  ["throws", "throw new Error();", 1],
  ["stops its board", "board.stop();", 0],
] as const) {
  test(`a program that ${end} leaves no mount and no directory`, () => {
    const { directory, status, stderr } = runWithBoard(body);
    assert.is(status, expected, stderr);
    assert.match(directory, "axiscript-board-");
    assert.equal(mountsBelow(directory), []);
    assert.not(existsSync(directory));
  });
}

test("the next board removes the dead mount of one that was killed", async () => {
  const { directory, signal } = runWithBoard(`process.kill(process.pid, "SIGKILL");`);
  assert.is(signal, "SIGKILL");
  assert.ok(mountsBelow(directory).includes(join(directory, "sys")));
  assert.is(
    errnoOf(() => readdirSync(join(directory, "sys"))),
    "ENOTCONN",
  );
  const board = new VirtualBoard();
  assert.equal(mountsBelow(directory), []);
  assert.not(existsSync(directory));
  await board.stop();
});

for (const kernelFiles of ["fuse", "plain"] as const) {
  test(`a directory whose board was killed is taken by one with ${kernelFiles} files`, async () => {
    // A mount table writes a space as \\040.
    const sysroot = join(realpathSync(temporaryDirectory()), "my board");
    assert.is(runWithBoard(`process.kill(process.pid, "SIGKILL");`, sysroot).signal, "SIGKILL");
    const board = new VirtualBoard({ sysroot, kernelFiles });
    const fpga = new FpgaManager(new Sysroot(sysroot));
    assert.is(fpga.state(), "unknown");
    fpga.program(`${FIRMWARE}.bit.bin`, `${FIRMWARE}.dtbo`);
    awaitUioDevice(new Sysroot(sysroot), "AxiProxy", "acp", LONG_MS);
    await board.stop();
    assert.equal(mountsBelow(join(sysroot, "sys").replaceAll(" ", "\\040")), []);
  });
}

test("a board with a file system starts as after power-up where a plain one was, and the other way round", async () => {
  const sysroot = join(temporaryDirectory(), "board");
  for (const kernelFiles of ["plain", "fuse", "plain"] as const) {
    const board = new VirtualBoard({ sysroot, kernelFiles });
    const target = new Sysroot(sysroot);
    const fpga = new FpgaManager(target);
    assert.is(fpga.state(), "unknown");
    assert.not(fpga.isProgrammed());
    assert.equal(listUioDevices(target), []);
    assert.equal(readdirSync(join(sysroot, "dev")), ["axi:udmabuf@0x0"]);
    assert.is(lstatSync(join(sysroot, "configfs")).isSymbolicLink(), kernelFiles === "fuse");
    fpga.program(`${FIRMWARE}.bit.bin`, `${FIRMWARE}.dtbo`);
    awaitUioDevice(target, "AxiProxy", "acp", LONG_MS);
    await board.stop();
  }
});

test("a program that waits for a board that stops gets an error", async () => {
  const { board, manager } = fuseBoard({ programmingMs: 600_000 });
  const child = spawn("sh", ["-c", `printf axi_proxy.bit.bin > "$0"`, manager("firmware")], { stdio: "ignore" });
  const ended = new Promise((resolve) => child.once("exit", resolve));
  assert.ok(waitUntil(() => readFileSync(manager("state"), "utf8") === "write\n", LONG_MS));
  await board.stop();
  assert.is.not(await ended, 0);
});

test("a board whose mount somebody takes away goes on, and stops without complaint", async () => {
  const board = new VirtualBoard({ kernelFiles: "fuse" });
  assert.ok(existsSync(join(board.sysroot, "sys/class/uio")));
  assert.is(spawnSync("umount", ["-l", join(board.sysroot, "sys")]).status, 0);
  assert.equal(readdirSync(join(board.sysroot, "sys")), []);
  await board.stop();
  assert.not(existsSync(board.sysroot));
});

testWhere(
  suiteOfTests,
  canDropSysAdmin(),
  "needs root and setpriv",
)("without the right to mount the files are plain, a note says so, and what was there stays", async () => {
  const sysroot = join(temporaryDirectory(), "board");
  const before = new VirtualBoard({ sysroot });
  new FpgaManager(new Sysroot(sysroot)).program(`${FIRMWARE}.bit.bin`, `${FIRMWARE}.dtbo`);
  await before.stop();
  const body = `console.log(readFileSync(board.sysroot + "/sys/class/fpga_manager/fpga0/state", "utf8").trim());
      console.log(board.kernelFilesNote); board.stop();`;
  const { lines, status, stderr } = runWithBoard(body, sysroot, WITHOUT_SYS_ADMIN);
  assert.is(status, 0, stderr);
  const [state, note = ""] = lines;
  assert.is(state, "operating");
  assert.match(note, /^the kernel's files are plain ones, since no file system can be mounted here \(mount .*EPERM\)/);
  assert.equal(mountsBelow(realpathSync(sysroot)), []);
});

testWhere(
  suiteOfTests,
  process.getuid?.() !== 0,
  "runs as root",
)("an ordinary user gets plain files and a note", async () => {
  const board = new VirtualBoard({ kernelFiles: "fuse" });
  assert.match(board.kernelFilesNote ?? "", "the kernel's files are plain ones");
  const target = new Sysroot(board.sysroot);
  new FpgaManager(target).program(`${FIRMWARE}.bit.bin`, `${FIRMWARE}.dtbo`);
  awaitUioDevice(target, "AxiProxy", "acp", LONG_MS);
  await board.stop();
});

testWhere(
  suiteOfTests,
  canDropSysAdmin(),
  "needs root and setpriv",
)("an ordinary user reads attributes of root's board, and writes none", async () => {
  const parent = temporaryDirectory();
  chmodSync(parent, 0o755);
  const sysroot = join(parent, "board");
  const board = new VirtualBoard({ sysroot, kernelFiles: "fuse" });
  const overlays = join(sysroot, "configfs/device-tree/overlays");
  const attempt = (command: string) =>
    spawnSync("setpriv", ["--reuid=nobody", "--regid=nogroup", "--clear-groups", "sh", "-c", command, "sh", sysroot], {
      encoding: "utf8",
    });
  assert.is(attempt("cat $1/sys/class/fpga_manager/fpga0/state").stdout, "unknown\n");
  assert.is.not(attempt("echo x > $1/sys/class/fpga_manager/fpga0/firmware").status, 0);
  assert.is.not(attempt("mkdir $1/configfs/device-tree/overlays/mine").status, 0);
  assert.equal(readdirSync(overlays), []);
  mkdirSync(join(overlays, "mine"));
  assert.is.not(attempt("rmdir $1/configfs/device-tree/overlays/mine").status, 0);
  assert.equal(readdirSync(overlays), ["mine"]);
  await board.stop();
});

suiteOfTests.run();
