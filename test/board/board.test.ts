import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { VirtualBoard } from "../../host/board/board";
import { FpgaManager } from "../../host/linux/fpga-manager";
import { Sysroot } from "../../host/linux/sysroot";
import { awaitUioDevice, listUioDevices, openUioWindow } from "../../host/linux/uio";
import { checkWaitsWith, waitUntil } from "../../host/util/wait";
import { AxiscriptError } from "../../host/util/errors";
import { Gate } from "../../host/gate/gate";
import { boardsOf, PACKAGE } from "../support/cli";
import { rejectsWith } from "../support/expect";
import { firmwareOf } from "../support/host-instance";
import { Random } from "../support/random";
import { temporaryDirectory } from "../support/temporary";

const test = suite("virtual board");

test("a temporary board is gone when it stops", async () => {
  const board = new VirtualBoard();
  assert.ok(existsSync(join(board.sysroot, "sys/class/fpga_manager/fpga0/state")));
  assert.equal(boardsOf(process.pid), [board.sysroot]);
  await board.stop();
  assert.equal(boardsOf(process.pid), []);
});

test("boards live side by side", async () => {
  const listeners = process.listenerCount("exit");
  const boards = Array.from({ length: 12 }, () => new VirtualBoard());
  assert.is(new Set(boards.map(({ sysroot }) => sysroot)).size, 12);
  assert.ok(process.listenerCount("exit") <= listeners + 1);
  await Promise.all(boards.map((board) => board.stop()));
  assert.is(process.listenerCount("exit"), listeners);
});

test("a program that forgets its board ends all the same, and leaves nothing", () => {
  const script = `const { VirtualBoard } = require(${JSON.stringify(join(PACKAGE, "dist/host/board/board.js"))});
    console.log(process.pid, new VirtualBoard().sysroot);`;
  const { stdout, status } = spawnSync(process.execPath, ["-e", script], { encoding: "utf8", timeout: 30_000 });
  assert.is(status, 0);
  const [pid, sysroot = ""] = stdout.trim().split(" ");
  assert.match(sysroot, `axiscript-board-${pid}-`);
  assert.not(existsSync(sysroot));
});

test("the next board removes what one that was killed left behind", async () => {
  const script = `const { VirtualBoard } = require(${JSON.stringify(join(PACKAGE, "dist/host/board/board.js"))});
    console.log(new VirtualBoard().sysroot); process.kill(process.pid, "SIGKILL");`;
  const { stdout } = spawnSync(process.execPath, ["-e", script], { encoding: "utf8", timeout: 30_000 });
  const left = stdout.trim();
  assert.ok(existsSync(left));
  const board = new VirtualBoard();
  assert.not(existsSync(left));
  await board.stop();
});

test("boards that start and stop all the time do not take each other for abandoned", async () => {
  const script = `const { VirtualBoard } = require(${JSON.stringify(join(PACKAGE, "dist/host/board/board.js"))});
    const { existsSync } = require("node:fs");
    (async () => {
      for (let round = 0; round < 40; round++) {
        const board = new VirtualBoard();
        if (!existsSync(board.sysroot + "/configfs/device-tree/overlays")) process.exit(9);
        await board.stop();
      }
    })();`;
  const ends = Array.from({ length: 4 }, () => {
    const child = spawn(process.execPath, ["-e", script], { stdio: "inherit" });
    return new Promise((resolve) => child.once("exit", resolve));
  });
  assert.equal(await Promise.all(ends), [0, 0, 0, 0]);
});

test("two boards do not share a directory", async () => {
  const sysroot = join(temporaryDirectory(), "board");
  const board = new VirtualBoard({ sysroot });
  const { message } = await rejectsWith("ERR_AXI_BOARD_BUSY", () => new VirtualBoard({ sysroot }));
  assert.match(message, sysroot);
  await board.stop();
  await new VirtualBoard({ sysroot }).stop();
  assert.ok(existsSync(join(sysroot, "lib/firmware")));
});

test("a directory that holds other things is not taken", async () => {
  const sysroot = temporaryDirectory();
  writeFileSync(join(sysroot, "thesis.tex"), "");
  await rejectsWith("ERR_AXI_BOARD", () => new VirtualBoard({ sysroot }));
  assert.equal(readdirSync(sysroot), ["thesis.tex"]);
});

test("configfs: attributes appear with the directory, devices with the name, and go with it", async () => {
  const board = new VirtualBoard();
  const path = (relative: string) => join(board.sysroot, relative);
  const overlay = path("configfs/device-tree/overlays/mine");
  writeFileSync(path("lib/firmware/a.dtbo"), readFileSync(path("lib/firmware/xilinx/axi_proxy/axi_proxy.dtbo")));
  writeFileSync(
    path("lib/firmware/axi_proxy.bit.bin"),
    readFileSync(path("lib/firmware/xilinx/axi_proxy/axi_proxy.bit.bin")),
  );
  mkdirSync(overlay);
  assert.ok(waitUntil(() => existsSync(join(overlay, "path")), 5000));
  writeFileSync(join(overlay, "path"), "a.dtbo\n");
  assert.ok(waitUntil(() => readFileSync(join(overlay, "status"), "utf8") === "applied\n", 5000));
  assert.is(readFileSync(join(overlay, "path"), "utf8"), "a.dtbo\n");
  assert.equal(readdirSync(path("sys/class/uio")), ["uio0", "uio1", "uio2"]);
  assert.is(readFileSync(path("sys/class/uio/uio1/maps/map0/addr"), "utf8"), "0x00000000a0010000\n");
  assert.is(readFileSync(path("sys/class/uio/uio1/device/of_node/jan-note"), "latin1"), "hpc\0");
  assert.is(readFileSync(path("dev/uio1")).readUInt32LE(0), 0xa8122081);
  rmSync(overlay, { recursive: true });
  assert.ok(waitUntil(() => readdirSync(path("sys/class/uio")).length === 0, 5000));
  assert.equal(readdirSync(path("dev")), ["axi:udmabuf@0x0"]);
  await board.stop();
});

test("configfs takes an overlay itself, too; the FPGA manager takes the name of a bitstream", async () => {
  const board = new VirtualBoard();
  const path = (relative: string) => join(board.sysroot, relative);
  const shipped = path("lib/firmware/xilinx/axi_proxy/axi_proxy");
  writeFileSync(path("sys/class/fpga_manager/fpga0/firmware"), "xilinx/axi_proxy/axi_proxy.bit.bin");
  const state = () => readFileSync(path("sys/class/fpga_manager/fpga0/state"), "utf8");
  assert.ok(waitUntil(() => state() === "operating\n", 5000));
  assert.equal(readdirSync(path("sys/class/uio")), []);

  writeFileSync(path("lib/firmware/axi_proxy.bit.bin"), readFileSync(`${shipped}.bit.bin`));
  const overlay = path("configfs/device-tree/overlays/mine");
  mkdirSync(overlay);
  assert.ok(waitUntil(() => existsSync(join(overlay, "path")), 5000));
  writeFileSync(join(overlay, "dtbo"), readFileSync(`${shipped}.dtbo`));
  assert.ok(waitUntil(() => readFileSync(join(overlay, "status"), "utf8") === "applied\n", 5000));
  assert.equal(readdirSync(path("sys/class/uio")), ["uio0", "uio1", "uio2"]);
  await board.stop();
});

for (const [design, devices] of [
  ["axi_proxy", ["AxiProxy:hp", "AxiProxy:hpc", "AxiProxy:acp"]],
  ["axi_traffic_gen", ["AxiTrafficGen:hp", "AxiTrafficGen:hpc", "AxiTrafficGen:acp"]],
  ["axi_timer", ["AxiTimer:"]],
] as const) {
  test(`the design ${design} brings its devices, and takes the place of another`, async () => {
    const board = new VirtualBoard();
    const sysroot = new Sysroot(board.sysroot);
    const fpga = new FpgaManager(sysroot);
    for (const name of ["axi_proxy", design]) {
      fpga.remove();
      const path = `/lib/firmware/xilinx/${name}/${name}`;
      fpga.program(`${path}.bit.bin`, `${path}.dtbo`);
    }
    const present = () => listUioDevices(sysroot).map(({ name, note }) => `${name}:${note}`);
    assert.ok(
      waitUntil(() => present().join() === devices.join(), 5000),
      present().join(),
    );
    await board.stop();
  });
}

test("a transfer without end keeps the board neither from its other work nor from stopping", async () => {
  const board = new VirtualBoard();
  const sysroot = new Sysroot(board.sysroot);
  const path = "/lib/firmware/xilinx/axi_traffic_gen/axi_traffic_gen";
  new FpgaManager(sysroot).program(`${path}.bit.bin`, `${path}.dtbo`);
  const gate = new Gate();
  const window = gate.open(openUioWindow(sysroot, awaitUioDevice(sysroot, "AxiTrafficGen", "hp", 5000)));
  // LENGTH 0: 2^32 bursts.
  gate.exports.write32(window, 0x14, 1);
  assert.ok(waitUntil(() => gate.exports.read32(window, 0x10) === 0x200, 20_000));
  writeFileSync(sysroot.path("/sys/class/u-dma-buf/axi:udmabuf@0x0/sync_for_device"), "1\n");
  const owner = () => readFileSync(sysroot.path("/sys/class/u-dma-buf/axi:udmabuf@0x0/sync_owner"), "utf8");
  assert.ok(waitUntil(() => owner() === "1\n", 20_000));
  gate.exports.write32(window, 0x0c, 0x12345678);
  gate.exports.write32(window, 0x00, 0);
  assert.ok(
    waitUntil(() => gate.exports.read32(window, 0x00) >>> 0 === 0xa8172a9e, 20_000),
    "the core does not settle",
  );
  assert.is(gate.exports.read32(window, 0x10), 0x200);
  gate.closeAll();
  await board.stop();
});

test("a load that is broken off at any moment does not end the board, and leaves nothing of itself", async () => {
  const board = new VirtualBoard();
  const fpga = new FpgaManager(new Sysroot(board.sysroot));
  const random = new Random();
  let brokenOff = 0;
  for (let load = 0; load < 300; load++) {
    // A load takes a millisecond or two.
    const deadline = performance.now() + random.below(200) / 100;
    checkWaitsWith(() => {
      if (performance.now() >= deadline) throw new AxiscriptError("ERR_AXI_ABORTED", "the script was stopped");
    });
    try {
      fpga.program(...firmwareOf("axi_proxy"));
    } catch (error) {
      if (!(error instanceof AxiscriptError) || error.code !== "ERR_AXI_ABORTED") throw error;
      brokenOff++;
    } finally {
      checkWaitsWith();
    }
    fpga.remove();
    assert.equal(readdirSync(join(board.sysroot, "configfs/device-tree/overlays")), []);
  }
  assert.ok(brokenOff > 10, `broken off ${brokenOff} times`);
  fpga.program(...firmwareOf("axi_proxy"));
  assert.ok(fpga.isProgrammed());
  await board.stop();
});

test("a board that is built again where one was is as it was", async () => {
  const sysroot = join(temporaryDirectory(), "board");
  const first = new VirtualBoard({ sysroot });
  const path = (relative: string) => join(sysroot, relative);
  writeFileSync(
    path("lib/firmware/axi_proxy.bit.bin"),
    readFileSync(path("lib/firmware/xilinx/axi_proxy/axi_proxy.bit.bin")),
  );
  const overlay = path("configfs/device-tree/overlays/full");
  mkdirSync(overlay);
  assert.ok(waitUntil(() => existsSync(join(overlay, "path")), 5000));
  writeFileSync(join(overlay, "path"), "xilinx/axi_proxy/axi_proxy.dtbo");
  assert.ok(waitUntil(() => readFileSync(join(overlay, "path"), "utf8").endsWith("\n"), 5000));
  await first.stop();

  const second = new VirtualBoard({ sysroot });
  assert.is(readFileSync(path("sys/class/fpga_manager/fpga0/state"), "utf8"), "operating\n");
  assert.equal(readdirSync(path("sys/class/uio")), ["uio0", "uio1", "uio2"]);
  const control = Buffer.alloc(4096);
  readFileSync(path("dev/uio0")).copy(control);
  control.writeUInt32LE(2, 0x14);
  writeFileSync(path("dev/uio0"), control, { flag: "r+" });
  assert.ok(
    waitUntil(() => (readFileSync(path("dev/uio0")).readUInt32LE(0x10) & 2) !== 0, 5000),
    "the core does not serve",
  );
  await second.stop();
});

test("the u-dma-buf is there from the start, with its attributes, and passes from owner to owner", async () => {
  const board = new VirtualBoard();
  const directory = join(board.sysroot, "sys/class/u-dma-buf/axi:udmabuf@0x0");
  const read = (attribute: string) => readFileSync(join(directory, attribute), "utf8").trim();
  const attributes = ["dma_coherent", "phys_addr", "size", "sync_direction", "sync_for_cpu", "sync_for_device"];
  assert.equal(
    readdirSync(directory).sort(),
    [...attributes, "sync_mode", "sync_offset", "sync_owner", "sync_size"].sort(),
  );
  assert.is(read("size"), `${32 * 2 ** 20}`);
  assert.is(read("dma_coherent"), "1");
  assert.match(read("phys_addr"), /^0x[0-9a-f]{16}$/);
  assert.is(statSync(join(board.sysroot, "dev/axi:udmabuf@0x0")).size, 32 * 2 ** 20);
  for (const [attribute, owner] of [
    ["sync_for_device", "1"],
    ["sync_for_cpu", "0"],
  ] as const) {
    writeFileSync(join(directory, attribute), "1\n");
    assert.ok(waitUntil(() => read("sync_owner") === owner && read(attribute) === "0", 5000));
  }
  await board.stop();
});

test.run();
