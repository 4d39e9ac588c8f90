import { spawn, spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { createRuntime } from "../../host/index";
import { axiscript, PACKAGE } from "../support/cli";
import { canDropSysAdmin, mayMount, testWhere, WITHOUT_SYS_ADMIN } from "../support/rights";
import { type BoardProcess, startBoardProcess } from "../support/standalone-board";
import { temporaryDirectory } from "../support/temporary";

const test = suite("axiscript board exec");
const where = testWhere(test, mayMount(), "needs mount namespaces (CAP_SYS_ADMIN)");
const DEADLINE_MS = 30_000;

let running: Promise<BoardProcess> | undefined;
test.after(async () => {
  await (await running)?.end();
});

/** A board that the tests share. */
async function sysroot(): Promise<string> {
  running ??= startBoardProcess();
  return (await running).sysroot;
}

async function exec(...command: string[]) {
  return axiscript(["board", "exec", "--sysroot", await sysroot(), "--", ...command]);
}

/** Starts a command whose streams are the test's. */
async function start(...command: string[]) {
  const main = join(PACKAGE, "dist/host/cli/main.js");
  return spawn(process.execPath, [main, "board", "exec", "--sysroot", await sysroot(), ...command]);
}

async function until(what: string, condition: () => boolean): Promise<void> {
  for (const deadline = Date.now() + DEADLINE_MS; !condition();) {
    assert.ok(Date.now() < deadline, `${what} did not come about`);
    await setTimeout(5);
  }
}

where("the board's files are in their places, beside the machine's own", async () => {
  const { stdout, stderr, status } = await exec(
    ...["sh", "-ec"],
    `cat /sys/class/fpga_manager/fpga0/name
    tr '\\0' '\\n' < /sys/firmware/devicetree/base/model
    ls -d /configfs/device-tree/overlays /sys/kernel/config/device-tree/overlays /sys/class/uio /sys/devices/platform
    ls -d /lib/firmware/xilinx /dev/axi:udmabuf@0x0 /sys/class/u-dma-buf/axi:udmabuf@0x0
    echo lost > /dev/null
    test -c /dev/null && test -d /dev/shm && test -d /sys/devices/system/cpu/cpu0 && test -d /sys/class/net/lo/
    test -e /proc/self/pagemap && test /proc/self -ef /proc/$$ && test ! -e /dev/uio0
    test "$PWD" -ef . && test -e ${process.execPath} && echo machine`,
  );
  assert.is(stderr, "");
  assert.is(status, 0);
  assert.match(stdout, /^Xilinx ZynqMP FPGA Manager\nAvnet Ultra96-V2 Rev1\n/);
  assert.match(stdout, /machine\n$/);
});

where("every file of the board is the very file that a program finds", async () => {
  const board = await sysroot();
  const list = `cd ${board} && find $(ls -A | grep -vx -e proc -e var -e .board)`;
  const names = (await exec("sh", "-c", list)).stdout.split("\n").filter((name) => name !== "");
  assert.ok(names.includes("lib/firmware/xilinx/axi_proxy/axi_proxy.dtbo") && names.length > 20, names.join(" "));
  // Of the directories, those that the machine has too are merged; in dev lie the machine's devices, too.
  const files = names.filter((name) => !name.startsWith("dev/") || name.includes("udmabuf"));
  const compared = await exec(
    ...["sh", "-c"],
    'for name; do test -d "/$name" || test "$0/$name" -ef "/$name" || echo "$name"; done',
    ...[board, "sys/class/fpga_manager/fpga0/state", ...files],
  );
  assert.is(compared.stdout, "", "files that differ");
});

where("what appears and vanishes on the board does so for a program that is running", async () => {
  const board = await sysroot();
  const program = await start(
    "sh",
    "-c",
    'while read -r name; do if test -e "$name"; then echo yes; else echo no; fi; done',
  );
  let answers = "";
  program.stdout.setEncoding("utf8").on("data", (text: string) => (answers += text));
  const ask = async (name: string) => {
    answers = "";
    program.stdin.write(`${name}\n`);
    await until("an answer", () => answers.endsWith("\n"));
    return answers.trim();
  };
  const overlay = join(board, "configfs/device-tree/overlays/live");
  const firmware = join(board, "lib/firmware/axi_timer");
  const devices = ["/dev/uio0", "/sys/class/uio/uio0/name", "/sys/class/uio/uio0/device/of_node/name"];
  for (const device of devices) assert.is(await ask(device), "no", device);
  for (const suffix of [".dtbo", ".bit.bin"]) {
    if (!existsSync(firmware + suffix)) symlinkSync(`xilinx/axi_timer/axi_timer${suffix}`, firmware + suffix);
    assert.is(await ask(`/lib/firmware/axi_timer${suffix}`), "yes");
  }
  mkdirSync(overlay);
  await until("path", () => existsSync(join(overlay, "path")));
  writeFileSync(join(overlay, "path"), "axi_timer.dtbo");
  await until("a device", () => existsSync(join(board, "sys/class/uio/uio0")));
  for (const device of devices) assert.is(await ask(device), "yes", device);
  // The attributes of a board whose files are plain ones are in the way.
  if (spawnSync("rmdir", [overlay]).status !== 0) rmSync(overlay, { recursive: true });
  await until("the end of the device", () => !existsSync(join(board, "sys/class/uio/uio0")));
  for (const device of devices) assert.is(await ask(device), "no", device);
  program.stdin.end();
});

where("what a program makes in the board's directories, the board has", async () => {
  const { status } = await exec(
    "sh",
    "-c",
    "echo mine > /lib/firmware/mine.bin && mkdir /top && touch /usr/lib/mine || true",
  );
  assert.is(status, 0);
  assert.is(readFileSync(join(await sysroot(), "lib/firmware/mine.bin"), "utf8"), "mine\n");
  assert.not(existsSync("/top"));
});

where("streams, arguments, exit code and signals are the program's own", async () => {
  const program = await start("sh", "-c", 'cat; echo "$1|$2" >&2; exit 7', "sh", "a b", "--help");
  let [stdout, stderr] = ["", ""];
  program.stdout.on("data", (data) => (stdout += String(data)));
  program.stderr.on("data", (data) => (stderr += String(data)));
  program.stdin.end("in and out");
  const [status] = await closed(program);
  assert.equal([stdout, stderr, status], ["in and out", "a b|--help\n", 7]);

  const killed = await start("sh", "-c", "kill -TERM $$");
  assert.equal(await closed(killed), [null, "SIGTERM"]);
  // Node ignores SIGPIPE, and a program that it becomes must not.
  const piped = await start("sh", "-c", "kill -PIPE $$; echo survived");
  assert.equal(await closed(piped), [null, "SIGPIPE"]);
});

function closed(program: ReturnType<typeof spawn>): Promise<[number | null, NodeJS.Signals | null]> {
  return new Promise((resolve) => program.on("close", (status, signal) => resolve([status, signal])));
}

where("the process is the program, and of its mounts nothing is left when it ends, killed or not", async () => {
  const directory = await sysroot();
  const before = mountsBelow(directory);
  for (const signal of ["SIGTERM", "SIGKILL"] as const) {
    const program = await start("sh", "-c", "echo ready; read -r line");
    await until("the program", () => readlinkSync(`/proc/${program.pid}/exe`) !== process.execPath);
    const namespace = readlinkSync(`/proc/${program.pid}/ns/mnt`);
    assert.is.not(namespace, readlinkSync("/proc/self/ns/mnt"));
    program.kill(signal);
    assert.equal(await closed(program), [null, signal]);
    assert.not(namespaces().includes(namespace));
  }
  assert.equal(mountsBelow(directory), before);
});

/** What is mounted here below a board's directory, or from it. Other boards come and go. */
function mountsBelow(directory: string): string[] {
  const mounts = readFileSync("/proc/self/mountinfo", "utf8").split("\n");
  return mounts.filter((line) => line.includes(directory));
}

/** The mount namespaces of all processes. */
function namespaces(): string[] {
  return readdirSync("/proc").flatMap((pid) => {
    try {
      return /^\d+$/.test(pid) ? [readlinkSync(`/proc/${pid}/ns/mnt`)] : [];
    } catch {
      return [];
    }
  });
}

where("says that there is no board, no such program, and what is missing on the command line", async () => {
  const empty = temporaryDirectory();
  const none = await axiscript(["board", "exec", "--sysroot", empty, "true"]);
  assert.is(none.status, 1);
  assert.match(
    none.stderr,
    `ERR_AXI_BOARD: Cannot run true on the virtual board in ${empty}: no board is running there.`,
  );
  assert.equal(readdirSync(empty), []);
  const runtime = await createRuntime({ board: "virtual", sysroot: empty });
  const busy = await axiscript(["board", "exec", "--sysroot", empty, "true"]);
  await runtime.close();
  assert.match(busy.stderr, /^ERR_AXI_BOARD_BUSY: .* serves the program that built it/);
  const unknown = await exec("no-such-program");
  assert.is(unknown.status, 2);
  assert.match(unknown.stderr, /^ERR_AXI_USAGE: Cannot run no-such-program: execvp: ENOENT/);
  for (const missing of [
    ["exec", "true"],
    ["exec", "--sysroot", empty],
  ]) {
    const { status, stderr } = await axiscript(["board", ...missing]);
    assert.is(status, 2);
    assert.match(stderr, /^ERR_AXI_USAGE: /);
  }
  assert.match((await axiscript(["board", "exec", "--help"])).stdout, "--sysroot");
});

testWhere(
  test,
  canDropSysAdmin(),
  "cannot drop CAP_SYS_ADMIN here",
)("without the right it says which is missing, and a user namespace gives it", async () => {
  const board = await sysroot();
  const command = ["board", "exec", "--sysroot", board, "cat", "/sys/class/fpga_manager/fpga0/name"];
  const refused = await axiscript(command, { through: WITHOUT_SYS_ADMIN });
  assert.is(refused.status, 1);
  assert.match(refused.stderr, /^ERR_AXI_BOARD: .*CAP_SYS_ADMIN.*unshare --map-root-user/);
  const mapped = ["unshare", "--map-root-user"];
  if (spawnSync("unshare", ["--map-root-user", "true"]).status !== 0) return;
  const granted = await axiscript(command, { through: [...WITHOUT_SYS_ADMIN, ...mapped] });
  assert.is(granted.stdout, "Xilinx ZynqMP FPGA Manager\n", granted.stderr);
});

where("of the machine's devices only those are there that reach nothing of it", async () => {
  const harmless = new Set([
    ...["null", "zero", "full", "random", "urandom", "tty", "ptmx", "pts"],
    ...["fd", "stdin", "stdout", "stderr", "shm", "mqueue", "log"],
  ]);
  assert.ok(readdirSync("/dev").some((name) => !harmless.has(name)));
  const { stdout } = await exec("ls", "/dev");
  const isOfTheBoard = (name: string) => /^(?:uio\d+|axi:udmabuf@0x0)$/.test(name);
  const others = stdout.split("\n").filter((name) => name !== "" && !harmless.has(name) && !isOfTheBoard(name));
  assert.equal(others, []);
});

test.run();
