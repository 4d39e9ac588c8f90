import { spawn, spawnSync } from "node:child_process";
import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  readSync,
  rmdirSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { readDeviceTree, writeDeviceTree, node, strings, cells } from "../../../host/board/kernel/fpga/device-tree";
import { randomNumbers } from "../../../host/board/fabric/port-timing";
import { FpgaManager } from "../../../host/linux/fpga-manager";
import { Sysroot } from "../../../host/linux/sysroot";
import { listUioDevices } from "../../../host/linux/uio";
import { waitUntil } from "../../../host/util/wait";
import { errnoOf, fuseBoard, testWithMount } from "../../support/fuse-board";
import { LONG_MS, timerBoard } from "../../support/timer-board";

const suiteOfTests = suite("kernel files through FUSE");
const test = testWithMount(suiteOfTests);

/** As a program in C writes to an attribute. */
function write(path: string, data: string | Buffer): void {
  const fd = openSync(path, constants.O_WRONLY);
  try {
    writeFileSync(fd, data);
  } finally {
    closeSync(fd);
  }
}

const read = (path: string) => readFileSync(path, "latin1");

/** An overlay that adds devices, by name and address, and programs nothing. */
function deviceOverlay(...devices: [name: string, address: number][]): Buffer {
  const nodes = devices.map(([name, address]) =>
    node(`${name}@${address.toString(16)}`, {
      compatible: strings("generic-uio"),
      reg: cells(0, address, 0, 0x1000),
    }),
  );
  return writeDeviceTree(
    node("", {}, [node("fragment@0", { "target-path": strings("/axi") }, [node("__overlay__", {}, nodes)])]),
  );
}

test("a program that applies an overlay finds the devices at once, and none after rmdir", async () => {
  const { board, path, overlay, manager } = fuseBoard();
  for (let round = 0; round < 20; round++) {
    mkdirSync(overlay("full"));
    assert.equal(readdirSync(overlay("full")).sort(), ["dtbo", "path", "status"]);
    assert.is(read(overlay("full", "path")), "\n");
    assert.is(read(overlay("full", "status")), "unapplied\n");
    write(overlay("full", "path"), "axi_proxy.dtbo\n");
    assert.equal(readdirSync(path("sys/class/uio")), ["uio0", "uio1", "uio2"]);
    closeSync(openSync(path("dev/uio2"), "r+"));
    assert.is(read(overlay("full", "path")), "axi_proxy.dtbo\n");
    assert.is(read(overlay("full", "status")), "applied\n");
    assert.is(read(manager("state")), "operating\n");
    rmdirSync(overlay("full"));
    assert.equal(readdirSync(path("sys/class/uio")), []);
    assert.equal(readdirSync(path("dev")), ["axi:udmabuf@0x0"]);
  }
  await board.stop();
});

test("the tree of a UIO device is as the kernel lays it out", async () => {
  const { board, path, overlay } = fuseBoard();
  mkdirSync(overlay("full"));
  write(overlay("full", "path"), "axi_proxy.dtbo");
  const uio = path("sys/class/uio/uio1");
  assert.is(readlinkSync(uio), "../../devices/platform/a0010000.AxiProxy/uio/uio1");
  const attributes = { name: "AxiProxy", version: "devicetree", event: "0", dev: "243:1" };
  for (const [name, value] of Object.entries(attributes)) assert.is(read(`${uio}/${name}`), `${value}\n`);
  assert.equal(readdirSync(uio).sort(), ["dev", "device", "event", "maps", "name", "subsystem", "uevent", "version"]);
  assert.equal(readdirSync(`${uio}/maps`), ["map0"]);
  const map = { name: "AxiProxy@a0010000", addr: "0x00000000a0010000", size: "0x0000000000001000", offset: "0x0" };
  assert.equal(readdirSync(`${uio}/maps/map0`).sort(), Object.keys(map).sort());
  for (const [name, value] of Object.entries(map)) assert.is(read(`${uio}/maps/map0/${name}`), `${value}\n`);
  const of = `${uio}/device/of_node`;
  const properties = {
    name: strings("AxiProxy"),
    compatible: strings("generic-uio"),
    reg: cells(0, 0xa0010000, 0, 0x1000),
    "jan-note": strings("hpc"),
    "linux,uio-name": strings("AxiProxy"),
  };
  assert.equal(readdirSync(of).sort(), Object.keys(properties).sort());
  for (const [name, value] of Object.entries(properties)) {
    assert.equal(readFileSync(`${of}/${name}`), value);
    assert.is(statSync(`${of}/${name}`).size, value.length);
  }
  assert.is(statSync(`${uio}/name`).size, 4096);
  await board.stop();
});

test("devices come from the nodes of the overlay that was written, not from a table", async () => {
  const { board, path, overlay } = fuseBoard();
  writeFileSync(path("lib/firmware/mine.dtbo"), deviceOverlay(["Filter", 0xa00c0000]));
  mkdirSync(overlay("mine"));
  write(overlay("mine", "path"), "mine.dtbo");
  assert.is(read(path("sys/class/uio/uio0/name")), "Filter@a00c0000\n");
  assert.is(read(path("sys/class/uio/uio0/maps/map0/addr")), "0x00000000a00c0000\n");
  assert.is(read(path("sys/class/fpga_manager/fpga0/state")), "unknown\n");
  await board.stop();
});

test("the count of interrupts in `event` is the one of that moment", async () => {
  const { sysroot, board, fire, acknowledge, interrupt, stop } = timerBoard({ kernelFiles: "fuse" });
  const event = () => read(sysroot.path("/sys/class/uio/uio0/event"));
  assert.is(board.kernelFilesNote, undefined);
  for (let count = 1; count <= 3; count++) {
    fire();
    assert.ok(
      waitUntil(() => event() === `${count}\n`, LONG_MS),
      event(),
    );
    acknowledge();
    interrupt.enable(true);
  }
  await stop();
});

test("configfs refuses as the kernel does", async () => {
  const { board, path, overlay } = fuseBoard();
  mkdirSync(overlay("full"));
  assert.is(
    errnoOf(() => mkdirSync(overlay("full"))),
    "EEXIST",
  );
  assert.is(
    errnoOf(() => write(overlay("full", "path"), "missing.dtbo")),
    "ENOENT",
  );
  assert.is(
    errnoOf(() => write(overlay("full", "path"), "../firmware/axi_proxy.dtbo")),
    "EINVAL",
  );
  assert.is(
    errnoOf(() => write(overlay("full", "path"), "axi_proxy.bit.bin")),
    "EINVAL",
  );
  assert.is(read(overlay("full", "path")), "\n");
  assert.is(read(overlay("full", "status")), "unapplied\n");
  write(overlay("full", "path"), "axi_proxy.dtbo");
  assert.is(
    errnoOf(() => write(overlay("full", "path"), "axi_proxy.dtbo")),
    "EPERM",
  );
  assert.is(
    errnoOf(() => write(overlay("full", "status"), "1")),
    "EACCES",
  );
  assert.is(
    errnoOf(() => mkdirSync(`${overlay("full")}inner`)),
    "EPERM",
  );
  assert.is(
    errnoOf(() => mkdirSync(path("configfs/mine"))),
    "EPERM",
  );
  assert.is(
    errnoOf(() => rmdirSync(path("configfs/device-tree"))),
    "EPERM",
  );
  assert.is(
    errnoOf(() => rmdirSync(overlay("other"))),
    "ENOENT",
  );
  await board.stop();
});

test("sysfs refuses as the kernel does", async () => {
  const { board, path, manager } = fuseBoard();
  const directory = path("sys/class/fpga_manager");
  assert.is(
    errnoOf(() => read(manager("firmware"))),
    "EACCES",
  );
  assert.is(
    errnoOf(() => write(manager("state"), "operating")),
    "EACCES",
  );
  assert.is(
    errnoOf(() => writeFileSync(`${directory}/new`, "")),
    "EACCES",
  );
  assert.is(
    errnoOf(() => mkdirSync(`${directory}/new`)),
    "EPERM",
  );
  assert.is(
    errnoOf(() => symlinkSync("a", `${directory}/new`)),
    "EPERM",
  );
  assert.is(
    errnoOf(() => unlinkSync(manager("state"))),
    "EPERM",
  );
  assert.is(
    errnoOf(() => rmdirSync(directory)),
    "EPERM",
  );
  assert.is(
    errnoOf(() => rmdirSync(manager("state"))),
    "ENOTDIR",
  );
  assert.is(
    errnoOf(() => read(directory)),
    "EISDIR",
  );
  assert.is(
    errnoOf(() => read(`${directory}/none`)),
    "ENOENT",
  );
  assert.is(
    errnoOf(() => readlinkSync(manager("state"))),
    "EINVAL",
  );
  // A shell truncates what it redirects its output to.
  truncateSync(manager("flags"), 0);
  assert.is(read(manager("flags")), "0\n");
  await board.stop();
});

test("an overlay of which one device cannot be added leaves none", async () => {
  const { board, path, overlay } = fuseBoard();
  writeFileSync(path("lib/firmware/twice.dtbo"), deviceOverlay(["Filter", 0xa00c0000], ["Filter", 0xa00c0000]));
  writeFileSync(path("lib/firmware/once.dtbo"), deviceOverlay(["Filter", 0xa00c0000]));
  mkdirSync(overlay("mine"));
  assert.is(
    errnoOf(() => write(overlay("mine", "path"), "twice.dtbo")),
    "EEXIST",
  );
  assert.equal(readdirSync(path("sys/class/uio")), []);
  assert.equal(readdirSync(path("dev")), ["axi:udmabuf@0x0"]);
  write(overlay("mine", "path"), "once.dtbo");
  assert.equal(readdirSync(path("sys/class/uio")), ["uio0"]);
  await board.stop();
});

test("overlays go last in, first out", async () => {
  const { board, path, overlay } = fuseBoard();
  for (const [index, name] of ["first", "second", "third"].entries()) {
    writeFileSync(path(`lib/firmware/${name}.dtbo`), deviceOverlay([name, 0xa0100000 + index * 0x10000]));
    mkdirSync(overlay(name));
    write(overlay(name, "path"), `${name}.dtbo`);
  }
  const names = () => listUioDevices(new Sysroot(board.sysroot)).map(({ name }) => name);
  assert.is(
    errnoOf(() => rmdirSync(overlay("first"))),
    "EBUSY",
  );
  assert.is(
    errnoOf(() => rmdirSync(overlay("second"))),
    "EBUSY",
  );
  assert.equal(names(), ["first", "second", "third"]);
  // One that is not applied is in nobody's way.
  mkdirSync(overlay("empty"));
  mkdirSync(overlay("again"));
  assert.is(
    errnoOf(() => write(overlay("again", "path"), "second.dtbo")),
    "EEXIST",
  );
  for (const name of ["again", "empty", "third", "second"]) rmdirSync(overlay(name));
  assert.equal(names(), ["first"]);
  rmdirSync(overlay("first"));
  assert.equal(names(), []);
  await board.stop();
});

test("a board may hide what it refuses, as some kernels do: path is empty, status says applied", async () => {
  const { board, path, overlay, manager } = fuseBoard({ overlayErrors: "hidden" });
  mkdirSync(overlay("full"));
  rmSync(path("lib/firmware/axi_proxy.bit.bin"));
  write(overlay("full", "path"), "axi_proxy.dtbo");
  assert.is(read(overlay("full", "path")), "\n");
  assert.is(read(overlay("full", "status")), "applied\n");
  assert.is(read(manager("state")), "firmware request error\n");
  assert.equal(readdirSync(path("sys/class/uio")), []);
  rmdirSync(overlay("full"));
  await board.stop();
});

test("a device tree in `dtbo` takes effect when it is closed, and not before", async () => {
  const { board, path, overlay } = fuseBoard({ programmingMs: 300 });
  const blob = readFileSync(path("lib/firmware/axi_proxy.dtbo"));
  mkdirSync(overlay("full"));
  const fd = openSync(overlay("full", "dtbo"), "r+");
  for (let at = 0; at < blob.length; at += 100) writeSync(fd, blob, at, Math.min(100, blob.length - at));
  assert.is(read(overlay("full", "status")), "unapplied\n");
  closeSync(fd);
  assert.is(read(overlay("full", "status")), "applied\n");
  assert.equal(readFileSync(overlay("full", "dtbo")), blob);
  assert.is(
    errnoOf(() => write(overlay("full", "path"), "axi_proxy.dtbo")),
    "EPERM",
  );
  rmdirSync(overlay("full"));

  // A shell opens it, gives it to a child, and closes it first.
  mkdirSync(overlay("full"));
  const command = `{ head -c 50 "$1"; tail -c +51 "$1"; } > "$2"`;
  const { status } = spawnSync("sh", [
    "-c",
    command,
    "sh",
    path("lib/firmware/axi_proxy.dtbo"),
    overlay("full", "dtbo"),
  ]);
  assert.is(status, 0);
  assert.equal(readdirSync(path("sys/class/uio")), ["uio0", "uio1", "uio2"]);
  rmdirSync(overlay("full"));

  mkdirSync(overlay("full"));
  write(overlay("full", "dtbo"), blob.subarray(0, 100));
  assert.is(read(overlay("full", "status")), "unapplied\n");
  assert.is(
    errnoOf(() => write(overlay("full", "dtbo"), Buffer.alloc(2 ** 20 + 1))),
    "EFBIG",
  );
  await board.stop();
});

test("the FPGA manager loads what is written to `firmware`, or says why not", async () => {
  const { board, path, manager } = fuseBoard();
  const image = path("sys/kernel/debug/fpga/fpga0/image");
  const bitstream = readFileSync(path("lib/firmware/axi_proxy.bit.bin"));
  assert.is(read(manager("name")), "Xilinx ZynqMP FPGA Manager\n");
  assert.is(read(manager("state")), "unknown\n");
  assert.is(
    errnoOf(() => read(image)),
    "EPERM",
  );

  const attempt = (name: string, content?: Buffer) => {
    if (content) writeFileSync(path(`lib/firmware/${name}`), content);
    const errno = errnoOf(() => write(manager("firmware"), name));
    return [errno, read(manager("state")).trim(), read(manager("status")).trim()];
  };
  assert.equal(attempt("missing.bit.bin"), ["ENOENT", "firmware request error", ""]);
  assert.equal(attempt("/etc/passwd"), ["ENOENT", "firmware request error", ""]);
  assert.equal(attempt("../../etc/passwd"), ["EINVAL", "firmware request error", ""]);
  assert.equal(attempt("xilinx"), ["EINVAL", "firmware request error", ""]);
  assert.equal(attempt("empty", Buffer.alloc(0)), ["EINVAL", "firmware request error", ""]);
  const plain = Buffer.from(bitstream);
  plain.write("aa995566", bitstream.indexOf("665599aa", 0, "hex"), "hex");
  assert.equal(attempt("plain.bit", plain), ["EINVAL", "write init error", ""]);
  const corrupt = Buffer.from(bitstream);
  corrupt[corrupt.length - 10] = 0;
  assert.equal(attempt("corrupt", corrupt), ["EINVAL", "write error", "reconfig CRC error"]);
  assert.is(
    errnoOf(() => read(image)),
    "EPERM",
  );

  assert.equal(attempt("axi_proxy.bit.bin\n"), ["none", "operating", ""]);
  assert.match(read(image), /^zynqMP FPGA Configuration register contents are\nCRC --> \t 0 \t\r\n/);
  assert.match(read(image), /\nIDCODE --> \t 4710093 \t\r\n/);
  write(path("sys/module/zynqmp_fpga/parameters/readback_type"), "1\n");
  assert.equal(readFileSync(image), bitstream);
  assert.equal(attempt("missing.bit.bin"), ["ENOENT", "firmware request error", ""]);
  assert.is(
    errnoOf(() => read(image)),
    "EPERM",
  );
  await board.stop();
});

test("`flags` are hexadecimal and stay set between loads", async () => {
  const { board, manager } = fuseBoard();
  assert.is(read(manager("flags")), "0\n");
  for (const [written, shown] of [
    ["1", "1"],
    ["20\n", "20"],
    ["0x2A", "2a"],
    ["7fffffffffffffff", "7fffffffffffffff"],
  ] as const) {
    write(manager("flags"), written);
    assert.is(read(manager("flags")), `${shown}\n`);
    write(manager("firmware"), "axi_proxy.bit.bin");
    assert.is(read(manager("flags")), `${shown}\n`);
  }
  for (const garbage of ["full", "1 2", "0x", "\n", "1\n\n", "g"]) {
    assert.is(
      errnoOf(() => write(manager("flags"), garbage)),
      "EINVAL",
      garbage,
    );
  }
  assert.is(
    errnoOf(() => write(manager("flags"), "8000000000000000")),
    "ERANGE",
  );
  assert.is(read(manager("flags")), "7fffffffffffffff\n");
  await board.stop();
});

test("while a load runs the manager is busy, and says where it is", async () => {
  const { board, path, manager, overlay } = fuseBoard({ programmingMs: 4000 });
  mkdirSync(overlay("full"));
  const child = spawn("sh", ["-c", `printf axi_proxy.bit.bin > "$0"`, manager("firmware")]);
  const ended = new Promise((resolve) => child.once("exit", resolve));
  assert.ok(
    waitUntil(() => read(manager("state")) === "write\n", LONG_MS),
    read(manager("state")),
  );
  const errors = [
    () => write(manager("firmware"), "axi_proxy.bit.bin"),
    () => writeFileSync(manager("firmware"), "axi_proxy.bit.bin"),
    () => write(overlay("full", "path"), "axi_proxy.dtbo"),
    () => read(path("sys/kernel/debug/fpga/fpga0/image")),
  ].map(errnoOf);
  assert.is(read(manager("state")), "write\n");
  assert.equal(errors, ["EBUSY", "EBUSY", "EBUSY", "EBUSY"]);
  assert.is(await ended, 0);
  assert.is(read(manager("state")), "operating\n");
  await board.stop();
});

test("firmware is looked for in the kernel's search path first", async () => {
  const { board, path, manager } = fuseBoard();
  mkdirSync(path("opt/firmware"), { recursive: true });
  writeFileSync(path("opt/firmware/mine.bit.bin"), readFileSync(path("lib/firmware/axi_proxy.bit.bin")));
  const parameter = path("sys/module/firmware_class/parameters/path");
  assert.is(read(parameter), "\n");
  assert.is(
    errnoOf(() => write(manager("firmware"), "mine.bit.bin")),
    "ENOENT",
  );
  write(parameter, "/opt/firmware\n");
  assert.is(read(parameter), "/opt/firmware\n");
  for (const name of ["mine.bit.bin", "axi_proxy.bit.bin"]) write(manager("firmware"), name);
  await board.stop();
});

test("links in the firmware directory lead through the board's root directory, or through this machine's", async () => {
  const { board, path, manager } = fuseBoard();
  for (const target of [
    "xilinx/axi_proxy/axi_proxy.bit.bin",
    "/lib/firmware/xilinx/axi_proxy/axi_proxy.bit.bin",
    path("lib/firmware/xilinx/axi_proxy/axi_proxy.bit.bin"),
  ]) {
    symlinkSync(target, path("lib/firmware/link.bin"));
    assert.is(
      errnoOf(() => write(manager("firmware"), "link.bin")),
      "none",
      target,
    );
    rmSync(path("lib/firmware/link.bin"));
  }
  await board.stop();
});

test("the board never waits for itself, whatever firmware leads to", async () => {
  const { board, path, manager } = fuseBoard();
  for (const target of ["../../sys/class/fpga_manager/fpga0/name", manager("name")]) {
    symlinkSync(target, path("lib/firmware/loop.bin"));
    assert.is(
      errnoOf(() => write(manager("firmware"), "loop.bin")),
      "ENOENT",
    );
    rmSync(path("lib/firmware/loop.bin"));
  }
  assert.is(spawnSync("mkfifo", [path("lib/firmware/pipe")]).status, 0);
  assert.is(
    errnoOf(() => write(manager("firmware"), "pipe")),
    "EINVAL",
  );
  await board.stop();
});

test("the u-dma-buf's attributes take what the driver takes", async () => {
  const { board, path } = fuseBoard();
  for (const name of ["u-dma-buf", "udmabuf"]) {
    const attribute = (attribute: string) => path(`sys/class/${name}/axi:udmabuf@0x0/${attribute}`);
    assert.is(read(attribute("size")), `${32 * 2 ** 20}\n`);
    assert.match(read(attribute("phys_addr")), /^0x[0-9a-f]{16}\n$/);
    write(attribute("sync_for_device"), "1");
    assert.is(read(attribute("sync_owner")), "1\n");
    assert.is(read(attribute("sync_for_device")), "0\n");
    write(attribute("sync_for_cpu"), "0x1\n");
    assert.is(read(attribute("sync_owner")), "0\n");
    write(attribute("sync_offset"), "0x1000");
    assert.is(read(attribute("sync_offset")), "0x1000\n");
    // The size is still that of the whole buffer.
    assert.is(
      errnoOf(() => write(attribute("sync_for_cpu"), "1")),
      "EINVAL",
    );
    write(attribute("sync_offset"), "0");
    write(attribute("sync_direction"), "2");
    assert.is(read(attribute("sync_direction")), "2\n");
    assert.is(
      errnoOf(() => write(attribute("sync_direction"), "3")),
      "EINVAL",
    );
    assert.is(
      errnoOf(() => write(attribute("sync_mode"), "8")),
      "EINVAL",
    );
    assert.is(
      errnoOf(() => write(attribute("sync_for_cpu"), "yes")),
      "EINVAL",
    );
    assert.is(
      errnoOf(() => write(attribute("size"), "1")),
      "EACCES",
    );
  }
  await board.stop();
});

test("an open attribute is read again from its start, and is gone with its device", async () => {
  const { board, path, overlay, manager } = fuseBoard();
  const at = (fd: number, position: number) => {
    const into = Buffer.alloc(64);
    return into.toString("latin1", 0, readSync(fd, into, 0, 64, position));
  };
  const state = openSync(manager("state"), "r");
  assert.is(at(state, 0), "unknown\n");
  mkdirSync(overlay("full"));
  write(overlay("full", "path"), "axi_proxy.dtbo");
  assert.is(at(state, 3), "nown\n");
  assert.is(at(state, 0), "operating\n");
  closeSync(state);
  const name = openSync(path("sys/class/uio/uio0/name"), "r");
  assert.is(at(name, 0), "AxiProxy\n");
  rmdirSync(overlay("full"));
  assert.is(
    errnoOf(() => at(name, 0)),
    "ENODEV",
  );
  assert.is(fstatSync(name).size, 4096);
  closeSync(name);
  await board.stop();
});

test("a directory of many entries is listed whole", async () => {
  const { board, overlay, path } = fuseBoard();
  const names = Array.from({ length: 500 }, (_, index) => `${"overlay".repeat(10)}-${index}`);
  for (const name of names) mkdirSync(overlay(name));
  assert.equal(new Set(readdirSync(path("configfs/device-tree/overlays"))), new Set(names));
  await board.stop();
});

test("the driver programs the board, an overlay that nobody applied notwithstanding", async () => {
  const { board, overlay } = fuseBoard();
  const fpga = new FpgaManager(new Sysroot(board.sysroot));
  mkdirSync(overlay("full"));
  for (let round = 0; round < 3; round++) {
    fpga.program("/lib/firmware/xilinx/axi_timer/axi_timer.bit.bin", "/lib/firmware/xilinx/axi_timer/axi_timer.dtbo");
    assert.ok(fpga.isProgrammed());
    assert.equal(
      listUioDevices(new Sysroot(board.sysroot)).map(({ name }) => name),
      ["AxiTimer"],
    );
    fpga.remove();
  }
  await board.stop();
});

test("a bitstream that is cut off anywhere is an error, and the next whole one loads", async () => {
  const { board, path, manager } = fuseBoard();
  const bitstream = readFileSync(path("lib/firmware/axi_proxy.bit.bin"));
  for (let length = 0; length < bitstream.length; length++) {
    writeFileSync(path("lib/firmware/cut"), bitstream.subarray(0, length));
    assert.is(
      errnoOf(() => write(manager("firmware"), "cut")),
      "EINVAL",
      `${length} bytes`,
    );
    assert.match(read(manager("state")), length === 0 ? /^firmware request error/ : /^write (init )?error/);
  }
  write(manager("firmware"), "axi_proxy.bit.bin");
  assert.is(read(manager("state")), "operating\n");
  await board.stop();
});

test("an overlay with wrong bytes is applied or refused with an errno, and nothing worse", async () => {
  const { board, path, overlay } = fuseBoard();
  const blob = readFileSync(path("lib/firmware/axi_proxy.dtbo"));
  assert.ok(readDeviceTree(blob));
  const random = randomNumbers(7);
  const seen = new Map<string, number>();
  mkdirSync(overlay("full"));
  for (let round = 0; round < 10_000; round++) {
    const mutated = Buffer.from(blob);
    for (let i = 0; i <= round % 4; i++) mutated[Math.floor(random() * blob.length)] = Math.floor(random() * 256);
    writeFileSync(path("lib/firmware/wrong.dtbo"), mutated);
    const errno = errnoOf(() => write(overlay("full", "path"), "wrong.dtbo"));
    seen.set(errno, (seen.get(errno) ?? 0) + 1);
    if (errno !== "none") continue;
    rmdirSync(overlay("full"));
    mkdirSync(overlay("full"));
  }
  assert.equal(
    [...seen.keys()].filter((errno) => !["none", "EINVAL", "ENOENT", "EEXIST"].includes(errno)),
    [],
  );
  assert.ok((seen.get("none") ?? 0) > 100 && (seen.get("EINVAL") ?? 0) > 100, JSON.stringify([...seen]));
  assert.equal(readdirSync(path("sys/class/uio")), []);
  assert.equal(readdirSync(path("dev")), ["axi:udmabuf@0x0"]);
  assert.not(existsSync(path("sys/class/uio/uio0")));
  write(overlay("full", "path"), "axi_proxy.dtbo");
  assert.ok(lstatSync(path("sys/class/uio/uio2")).isSymbolicLink());
  await board.stop();
});

suiteOfTests.run();
