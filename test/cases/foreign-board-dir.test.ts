import {
  chmodSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { VirtualBoard } from "../../host/board/board";
import { listDevices } from "../../host/index";
import { axiscript } from "../support/cli";
import { rejectsWith } from "../support/expect";
import { canBeNobody, runAsNobody, testWhere } from "../support/rights";
import { startBoardProcess } from "../support/standalone-board";
import { temporaryDirectory, temporaryFile } from "../support/temporary";

const test = suite("a board's directory that is somebody else's");
const testOthers = testWhere(test, canBeNobody(), "needs root, to be another user");

const HELLO = 'console.log("ran");';

/** A directory in which anybody may put something, as in /tmp. */
function sharedDirectory(): string {
  const directory = temporaryDirectory();
  chmodSync(directory, 0o1777);
  return directory;
}

testOthers("one that another user made is refused, and nothing is written through its links", async () => {
  const shared = sharedDirectory();
  const secret = join(temporaryDirectory(), "secret");
  writeFileSync(secret, "precious");
  const sysroot = join(shared, "board");
  const planted = runAsNobody(
    'mkdir -p "$1/.board" "$1/var/log"; ln -s "$2" "$1/.board/lock"; ln -s "$2" "$1/var/log/kern.log"; ln -s "$(dirname "$2")" "$1/lib"',
    ...[sysroot, secret],
  );
  assert.is(planted.status, 0, planted.stderr);
  for (const command of [
    ["run", "--sysroot", sysroot, temporaryFile("hello.ts", HELLO)],
    ["board", "--sysroot", sysroot],
    ["board", "exec", "--sysroot", sysroot, "true"],
    ["devices", "--sysroot", sysroot],
    ["peek", "--sysroot", sysroot, "AxiProxy:hpc"],
  ]) {
    const { status, stdout, stderr } = await axiscript(command);
    assert.is(status, 1, stderr);
    assert.is(stdout, "");
    assert.match(stderr, /ERR_AXI_BOARD_OWNER: .*belongs to another user \(user number 65534\)/);
  }
  assert.is(readFileSync(secret, "utf8"), "precious");
  assert.equal(readdirSync(sysroot).sort(), [".board", "lib", "var"]);
});

testOthers("so is an empty one, one below such a one, and one that another user's link leads to", async () => {
  const shared = sharedDirectory();
  const own = temporaryDirectory();
  const planted = runAsNobody(
    'cd "$1"; mkdir -m 755 empty above; ln -s "$2" link; mkdir -m 777 above/below',
    shared,
    own,
  );
  assert.is(planted.status, 0, planted.stderr);
  for (const name of ["empty", "above/below", "above/new", "link"]) {
    await rejectsWith("ERR_AXI_BOARD_OWNER", () => new VirtualBoard({ sysroot: join(shared, name) }));
  }
  assert.equal(readdirSync(own), []);
  assert.not(existsSync(join(shared, "above/new")));
});

testOthers("what another user put into a board that is kept is found", async () => {
  const sysroot = join(sharedDirectory(), "board");
  await new VirtualBoard({ sysroot }).stop();
  // Somebody let others in for a while.
  const firmware = join(sysroot, "lib/firmware");
  chmodSync(firmware, 0o777);
  assert.is(runAsNobody('echo x > "$1/theirs"', firmware).status, 0);
  chmodSync(firmware, 0o755);
  const { message } = await rejectsWith("ERR_AXI_BOARD_OWNER", () => new VirtualBoard({ sysroot }));
  assert.match(message, join(firmware, "theirs"));
});

test("a file in a board's place is refused", async () => {
  const sysroot = temporaryFile("file", "");
  const { status, stderr } = await axiscript(["run", "--sysroot", sysroot, temporaryFile("hello.ts", HELLO)]);
  assert.is(status, 1, stderr);
  assert.match(stderr, /^ERR_AXI_/);
});

test("others may change neither the directory nor what is above it, nor what is in it", async () => {
  const sysroot = join(temporaryDirectory(), "board");
  await new VirtualBoard({ sysroot }).stop();
  for (const open of [sysroot, join(sysroot, ".."), join(sysroot, "lib/firmware")]) {
    const { mode } = statSync(open);
    chmodSync(open, 0o777);
    await rejectsWith("ERR_AXI_BOARD_OWNER", () => new VirtualBoard({ sysroot }));
    chmodSync(open, mode);
  }
  await new VirtualBoard({ sysroot }).stop();
});

test("links that lead out of a board that is kept are refused where the board writes", async () => {
  const outside = temporaryDirectory();
  for (const [place, target] of [
    ["var", outside],
    ["var/log/kern.log", join(outside, "log")],
    ["lib/firmware/xilinx/axi_proxy", outside],
    [".board", outside],
    ["dev/axi:udmabuf@0x0", join(outside, "buffer")],
  ] as const) {
    const sysroot = join(temporaryDirectory(), "board");
    await new VirtualBoard({ sysroot }).stop();
    rmSync(join(sysroot, place), { recursive: true });
    symlinkSync(target, join(sysroot, place));
    await rejectsWith(
      place === ".board" ? "ERR_AXI_BOARD" : "ERR_AXI_BOARD_OWNER",
      () => new VirtualBoard({ sysroot }),
    );
    assert.equal(readdirSync(outside), []);
  }
});

test("another name of a file elsewhere is refused where the board writes", async () => {
  const parent = temporaryDirectory();
  const sysroot = join(parent, "board");
  await new VirtualBoard({ sysroot }).stop();
  const elsewhere = join(parent, "precious");
  writeFileSync(elsewhere, "precious");
  const log = join(sysroot, "var/log/kern.log");
  rmSync(log, { force: true });
  linkSync(elsewhere, log);
  const { message } = await rejectsWith("ERR_AXI_BOARD_OWNER", () => new VirtualBoard({ sysroot }));
  assert.match(message, /kern\.log is another file, too/);
  assert.is(readFileSync(elsewhere, "utf8"), "precious");
});

test("a user's own firmware may be a link to anywhere", async () => {
  const sysroot = join(temporaryDirectory(), "board");
  await new VirtualBoard({ sysroot }).stop();
  symlinkSync(temporaryFile("mine.bin", "mine"), join(sysroot, "lib/firmware/mine.bin"));
  await new VirtualBoard({ sysroot }).stop();
});

test("whatever the umask, others can put nothing into a board, and cannot open its lock", async () => {
  const before = process.umask(0);
  try {
    const sysroot = join(temporaryDirectory(), "board");
    const board = new VirtualBoard({ sysroot });
    const directories = [
      ".",
      "lib",
      "lib/firmware/xilinx/axi_proxy",
      "configfs/device-tree/overlays",
      "dev",
      "var/log",
    ];
    for (const directory of directories) assert.is(statSync(join(sysroot, directory)).mode & 0o022, 0, directory);
    assert.is(statSync(join(sysroot, ".board")).mode & 0o777, 0o700);
    assert.is(statSync(join(sysroot, ".board/lock")).mode & 0o777, 0o600);
    await board.stop();
  } finally {
    process.umask(before);
  }
});

testOthers("another user cannot hold the lock of a board, and is told whose the board is", async () => {
  const parent = sharedDirectory();
  const sysroot = join(parent, "board");
  const board = await startBoardProcess(["--sysroot", sysroot, "--keep"]);
  assert.is.not(runAsNobody('flock --nonblock "$1/.board/lock" true', sysroot).status, 0);
  mkdirSync(join(parent, "unused"));
  assert.equal(listDevices({ sysroot }), []);
  await board.end();
  const again = await startBoardProcess(["--sysroot", sysroot]);
  await again.end();
});

test.run();
