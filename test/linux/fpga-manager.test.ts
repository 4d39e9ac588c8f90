import { spawn, spawnSync } from "node:child_process";
import { cpSync, existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { VirtualBoard } from "../../host/board/board";
import { FpgaManager } from "../../host/linux/fpga-manager";
import { Sysroot } from "../../host/linux/sysroot";
import { listUioDevices } from "../../host/linux/uio";
import { rejectsWith } from "../support/expect";
import { mayMount, testWhere } from "../support/rights";
import { temporaryDirectory } from "../support/temporary";

const test = suite("FPGA manager");
const DIRECTORY = "/lib/firmware/xilinx/axi_proxy";
const BITSTREAM = `${DIRECTORY}/axi_proxy.bit.bin`;
const OVERLAY = `${DIRECTORY}/axi_proxy.dtbo`;

/** Calls a test with a fresh board. */
function onBoard(body: (fpga: FpgaManager, sysroot: Sysroot) => Promise<void> | void): () => Promise<void> {
  return async () => {
    const board = new VirtualBoard();
    try {
      const sysroot = new Sysroot(board.sysroot);
      await body(new FpgaManager(sysroot), sysroot);
    } finally {
      await board.stop();
    }
  };
}

test(
  "programs, shows the devices at once, and removes them again",
  onBoard((fpga, sysroot) => {
    assert.is(fpga.state(), "unknown");
    assert.not(fpga.isProgrammed());
    for (let round = 0; round < 3; round++) {
      fpga.program(BITSTREAM, OVERLAY);
      assert.ok(fpga.isProgrammed());
      assert.is(fpga.state(), "operating");
      assert.equal(
        listUioDevices(sysroot).map(({ id, name, note }) => `${id} ${name} ${note}`),
        ["uio0 AxiProxy hp", "uio1 AxiProxy hpc", "uio2 AxiProxy acp"],
      );
      fpga.remove();
      assert.not(fpga.isProgrammed());
      assert.is(fpga.state(), "operating");
    }
    fpga.remove();
  }),
);

test(
  "refuses a second overlay while one is applied",
  onBoard(async (fpga) => {
    fpga.program(BITSTREAM, OVERLAY);
    await rejectsWith("ERR_AXI_OVERLAY_EXISTS", () => fpga.program(BITSTREAM, OVERLAY));
    assert.ok(fpga.isProgrammed());
  }),
);

test(
  "refuses firmware that is not there, with what is, and leaves nothing",
  onBoard(async (fpga, sysroot) => {
    const missing = `${DIRECTORY}/other.bit.bin`;
    const { message } = await rejectsWith("ERR_AXI_FIRMWARE_NOT_FOUND", () => fpga.program(missing, OVERLAY));
    assert.match(message, missing);
    assert.match(message, "axi_proxy.dtbo");
    await rejectsWith("ERR_AXI_FIRMWARE_NOT_FOUND", () => fpga.program(BITSTREAM, "/../../../../etc/passwd"));
    assert.not(existsSync(sysroot.path("/configfs/device-tree/overlays/full")));
  }),
);

/** Firmware that is broken in one way each: what is written, and the state that the manager is left in. */
const broken: [name: string, bitstream: (good: Buffer) => Buffer, overlay: (good: Buffer) => Buffer, state: RegExp][] =
  [
    ["an overlay that is no device tree", (good) => good, () => Buffer.from("not a device tree"), /unknown/],
    ["an overlay that is cut off", (good) => good, (good) => good.subarray(0, good.length - 20), /unknown/],
    ["an empty overlay", (good) => good, () => Buffer.alloc(0), /unknown/],
    ["a bitstream that is cut off", (good) => good.subarray(0, good.length - 1), (good) => good, /write error/],
    ["a bitstream with a flipped bit", flipLastByte, (good) => good, /write error.*reconfig CRC error/],
  ];

function flipLastByte(good: Buffer): Buffer {
  const copy = Buffer.from(good);
  copy[copy.length - 6] = (copy[copy.length - 6] ?? 0) ^ 1;
  return copy;
}

for (const [name, bitstream, overlay, state] of broken) {
  test(
    `refuses ${name}, leaves nothing, and takes a good one afterwards`,
    onBoard(async (fpga, sysroot) => {
      const original = {
        bitstream: readFileSync(sysroot.path(BITSTREAM)),
        overlay: readFileSync(sysroot.path(OVERLAY)),
      };
      writeFileSync(sysroot.path(BITSTREAM), bitstream(original.bitstream));
      writeFileSync(sysroot.path(OVERLAY), overlay(original.overlay));
      const { message } = await rejectsWith("ERR_AXI_OVERLAY_REJECTED", () => fpga.program(BITSTREAM, OVERLAY));
      assert.match(message, state);
      assert.not(existsSync(sysroot.path("/configfs/device-tree/overlays/full")));
      assert.equal(readdirSync(sysroot.path("/lib/firmware")), ["xilinx"]);
      assert.equal(listUioDevices(sysroot), []);

      writeFileSync(sysroot.path(BITSTREAM), original.bitstream);
      writeFileSync(sysroot.path(OVERLAY), original.overlay);
      fpga.program(BITSTREAM, OVERLAY);
      assert.is(listUioDevices(sysroot).length, 3);
    }),
  );
}

test(
  "does not replace somebody else's file in the firmware directory",
  onBoard(async (fpga, sysroot) => {
    const theirs = sysroot.path("/lib/firmware/axi_proxy.dtbo");
    writeFileSync(theirs, "theirs");
    await rejectsWith("ERR_AXI_FIRMWARE_ACCESS", () => fpga.program(BITSTREAM, OVERLAY));
    assert.is(readFileSync(theirs, "utf8"), "theirs");
    assert.not(lstatSync(sysroot.path("/lib/firmware/axi_proxy.bit.bin"), { throwIfNoEntry: false }));
  }),
);

test(
  "an overlay that is refused while the FPGA operates already is refused all the same",
  onBoard(async (fpga, sysroot) => {
    fpga.program(BITSTREAM, OVERLAY);
    fpga.remove();
    assert.is(fpga.state(), "operating");
    writeFileSync(sysroot.path(OVERLAY), "not a device tree");
    await rejectsWith("ERR_AXI_OVERLAY_REJECTED", () => fpga.program(BITSTREAM, OVERLAY));
    assert.not(fpga.isProgrammed());
  }),
);

test("an overlay that is taken while the FPGA does not operate is a failure", async () => {
  const board = new VirtualBoard();
  const root = temporaryDirectory();
  for (const part of ["sys", "lib", "configfs"])
    cpSync(join(board.sysroot, part), join(root, part), { recursive: true });
  await board.stop();
  // A kernel that takes every overlay: shows a name with a newline as soon as one is written.
  const kernel = `while [ ! -d full ]; do sleep 0.01; done; : > full/path
    while [ ! -s full/path ]; do sleep 0.01; done; echo >> full/path`;
  const child = spawn("sh", ["-c", kernel], { cwd: join(root, "configfs/device-tree/overlays") });
  const { message } = await rejectsWith("ERR_AXI_OVERLAY_REJECTED", () =>
    new FpgaManager(new Sysroot(root)).program(BITSTREAM, OVERLAY),
  );
  assert.match(message, 'state "unknown"');
  child.kill();
});

test(
  "an overlay that was made and never applied is in nobody's way",
  onBoard((fpga, sysroot) => {
    mkdirSync(sysroot.path("/configfs/device-tree/overlays/full"));
    assert.not(fpga.isProgrammed());
    fpga.program(BITSTREAM, OVERLAY);
    assert.ok(fpga.isProgrammed());
  }),
);

test("programs, removes and programs again on a file system that gives inodes again", async () => {
  const board = new VirtualBoard({ sysroot: join(temporaryDirectory(), "board") });
  const fpga = new FpgaManager(new Sysroot(board.sysroot));
  for (let round = 0; round < 10; round++) {
    fpga.program(BITSTREAM, OVERLAY);
    fpga.remove();
  }
  await board.stop();
});

test("a system without an FPGA manager says so", async () => {
  const fpga = new FpgaManager(new Sysroot(temporaryDirectory()));
  await rejectsWith("ERR_AXI_NO_FPGA_MANAGER", () => fpga.state());
  await rejectsWith("ERR_AXI_NO_FPGA_MANAGER", () => fpga.isProgrammed());
  await rejectsWith("ERR_AXI_NO_FPGA_MANAGER", () => fpga.program(BITSTREAM, OVERLAY));
});

test(
  "a system without configfs says how to mount it",
  onBoard(async (fpga, sysroot) => {
    rmSync(join(sysroot.directory, "sys/kernel/config"));
    const withoutConfigfs = temporaryDirectory();
    for (const part of ["sys", "lib"]) cpSync(sysroot.path(part), join(withoutConfigfs, part), { recursive: true });
    const other = new FpgaManager(new Sysroot(withoutConfigfs));
    const { message } = await rejectsWith("ERR_AXI_NO_CONFIGFS", () => other.program(BITSTREAM, OVERLAY));
    assert.match(message, "mount -t configfs");
    assert.not(fpga.isProgrammed());
  }),
);

test(
  "a directory with the name of our overlay, in which no kernel has put anything, is no overlay",
  onBoard((fpga, sysroot) => {
    fpga.program(BITSTREAM, OVERLAY);
    const plain = temporaryDirectory();
    for (const part of ["sys/class", "sys/devices", "lib"])
      cpSync(sysroot.path(part), join(plain, part), { recursive: true });
    mkdirSync(join(plain, "configfs/device-tree/overlays/full"), { recursive: true });
    const other = new FpgaManager(new Sysroot(plain));
    assert.is(other.state(), "operating");
    assert.not(other.isProgrammed());
  }),
);

testWhere(
  test,
  process.getuid?.() === 0 && mayMount(),
  "this user may not make a root directory of its own",
)("a plain directory of this machine is not taken for configfs", async () => {
  const host = join(__dirname, "../../host/linux");
  const script = `
    const { overlayDirectory } = require(${JSON.stringify(join(host, "overlay-directory.js"))});
    const { Sysroot } = require(${JSON.stringify(join(host, "sysroot.js"))});
    const machine = new Sysroot("/");
    try { console.log("found " + overlayDirectory(machine)); } catch (error) { console.log(error.code + " " + error.message); }`;
  // A root directory that is this machine's, but for a /configfs of its own.
  const root = `for d in /*; do if [ -L "$d" ]; then cp -P "$d" .; elif [ -d "$d" ]; then mkdir ".$d"; mount --rbind "$d" ".$d"; fi; done
    mkdir -p configfs/device-tree/overlays`;
  const seen = (prepare: string) => {
    const command = `${root}; ${prepare}; exec chroot . "$@"`;
    const args = ["--mount", "sh", "-ec", command, "sh", process.execPath, "-e", script];
    const { stdout, stderr } = spawnSync("unshare", args, { encoding: "utf8", cwd: temporaryDirectory() });
    return stdout + stderr;
  };
  assert.match(seen("true"), /^ERR_AXI_NO_CONFIGFS .*\/configfs\/device-tree\/overlays is a plain directory/);
  const mounted = "mount -t tmpfs none configfs; mkdir -p configfs/device-tree/overlays";
  assert.is(seen(mounted), "found /configfs/device-tree/overlays\n");
});

/** A kernel that takes an overlay only after a while, in which its manager's state changes. */
test("programming waits for as long as the manager says that it is at work", async () => {
  const board = new VirtualBoard();
  const root = temporaryDirectory();
  for (const part of ["sys", "lib", "configfs"])
    cpSync(join(board.sysroot, part), join(root, part), { recursive: true });
  await board.stop();
  const kernel = `while [ ! -d full ]; do sleep 0.01; done; : > full/path
    while [ ! -s full/path ]; do sleep 0.01; done; echo write > "$0"; sleep 7
    echo operating > "$0"; echo >> full/path`;
  const state = join(root, "sys/class/fpga_manager/fpga0/state");
  const child = spawn("sh", ["-c", kernel, state], { cwd: join(root, "configfs/device-tree/overlays") });
  const fpga = new FpgaManager(new Sysroot(root));
  fpga.program(BITSTREAM, OVERLAY);
  assert.is(fpga.state(), "operating");
  child.kill();
});

test.run();
