import { readFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { VirtualBoard, type VirtualBoardOptions } from "../../../host/board/board";
import { loadModels } from "../../../host/board/models/model-file";
import { FpgaManager } from "../../../host/linux/fpga-manager";
import { Sysroot } from "../../../host/linux/sysroot";
import { awaitUioDevice, openUioWindow } from "../../../host/linux/uio";
import { waitUntil } from "../../../host/util/wait";
import { Gate } from "../../../host/gate/gate";
import { parseTransfers } from "../../support/bus-record";
import { canMount } from "../../support/fuse-board";
import { modelFile } from "../../support/model-files";
import { testWhere } from "../../support/rights";
import { temporaryDirectory } from "../../support/temporary";

const test = suite("a board with users' models");
const testMount = testWhere(test, canMount(), "no FUSE file system can be mounted here");

const LONG_MS = 20_000;
const [STATUS, CONTROL, ADDRESS_LO, ADDRESS_HI, LENGTH] = [0, 4, 8, 12, 16];
const OTHER_ADDRESS = 0xa0200000;
const ANSWERS = ["OKAY", "SLVERR", "DECERR"] as const;

/**
 * A core that moves bytes when CONTROL is 1 (reads) or 2 (writes what it has read last), and then sets DONE, 0x100, in
 * STATUS, beside the number of the answer, and its interrupt. 4 clears both, and 5 is too much for it.
 */
const MOVER = {
  kind: '"mover"',
  uioName: '"Mover"',
  registerBytes: "20",
  handshake: `[${STATUS}, ${CONTROL}]`,
  cores: `[{ address: 0xa0100000, port: "hpc", interrupt: 90 },
    { address: ${OTHER_ADDRESS}, port: "acp", interrupt: 91, note: "other" }]`,
  create: `({ core, bus, log }) => {
    log("made for " + core.port);
    const words = [0, 0, 0, 0, 0];
    let data = new Uint8Array(1);
    return {
      get interrupt() { return words[0] !== 0; },
      regRead: (offset) => words[offset / 4],
      regWrite: (offset, value) => {
        if (offset >= 8) words[offset / 4] = value;
        if (offset !== ${CONTROL}) return;
        if (value === 5) throw new Error("five");
        if (value === 1) data = new Uint8Array(words[4]);
        if (value <= 2) {
          words[0] = 0x100 | ${JSON.stringify(ANSWERS)}.indexOf(bus[value === 1 ? "read" : "write"](words[3] * 2 ** 32 + words[2], data));
        } else words[0] = 0;
      },
    };
  }`,
};

/** A board whose FPGA is programmed with the core, and both devices. */
async function moverBoard(options: VirtualBoardOptions = {}) {
  const models = await loadModels([modelFile(MOVER)]);
  const board = new VirtualBoard({ ...options, models });
  const sysroot = new Sysroot(board.sysroot);
  const fpga = new FpgaManager(sysroot);
  const firmware = "/lib/firmware/xilinx/mover/mover";
  assert.not(fpga.isProgrammed());
  fpga.program(`${firmware}.bit.bin`, `${firmware}.dtbo`);
  const gate = new Gate();
  const open = (note: string) => {
    const device = openUioWindow(sysroot, awaitUioDevice(sysroot, "Mover", note, LONG_MS), { shared: true });
    const window = gate.open(device);
    const { read32, write32 } = gate.exports;
    const settled = (offset: number, value: number) => {
      const found = () => read32(window, offset) >>> 0;
      if (!waitUntil(() => found() === value, LONG_MS)) throw new Error(`register ${offset} stays ${found()}`);
    };
    const move = (control: 1 | 2, address: number, lengthBytes: number) => {
      write32(window, ADDRESS_LO, address % 2 ** 32);
      write32(window, ADDRESS_HI, address / 2 ** 32);
      write32(window, LENGTH, lengthBytes);
      write32(window, CONTROL, control);
      if (!waitUntil(() => read32(window, STATUS) !== 0, LONG_MS)) throw new Error("the core is not done");
      assert.is(read32(window, CONTROL), 0);
      const answer = ANSWERS[read32(window, STATUS) & 0xff];
      write32(window, CONTROL, 4);
      settled(STATUS, 0);
      return answer;
    };
    return { window, interrupt: device.interrupt(), settled, move };
  };
  const stop = async () => {
    gate.closeAll();
    await board.stop();
  };
  const log = () => readFileSync(join(board.sysroot, "var/log/kern.log"), "utf8");
  return { board, gate, open, log, stop };
}

/** Where a board's u-dma-buf is, in memory and as a file. */
function bufferOf(board: VirtualBoard) {
  const address = Number(readFileSync(join(board.sysroot, "sys/class/u-dma-buf/axi:udmabuf@0x0/phys_addr"), "utf8"));
  const bytes = (length: number) => readFileSync(join(board.sysroot, "dev/axi:udmabuf@0x0")).subarray(0, length);
  return { address, bytes };
}

for (const kernelFiles of ["plain", "fuse"] as const) {
  const where = kernelFiles === "fuse" ? testMount : test;
  where(`its design is programmed as the board's own are, and its registers answer (${kernelFiles})`, async () => {
    const { gate, open, log, stop } = await moverBoard({ kernelFiles });
    const core = open("hpc");
    gate.exports.write32(core.window, LENGTH, 4096);
    gate.exports.write32(core.window, STATUS, 0x1234);
    gate.exports.write32(core.window, 0xffc, 1);
    core.settled(STATUS, 0);
    core.settled(0xffc, 0);
    core.settled(LENGTH, 4096);
    open("other").settled(LENGTH, 0);
    assert.match(log(), /^\[ *\d+\.\d+\] mover@a0100000: made for hpc$/m);
    assert.match(log(), /^\[ *\d+\.\d+\] mover@a0200000: made for acp$/m);
    await stop();
  });
}

test("its transfers go through its port, and are in the record of the bus", async () => {
  const path = join(temporaryDirectory(), "record.jsonl");
  const { board, open, stop } = await moverBoard({ record: path });
  const { address, bytes } = bufferOf(board);
  const [hpc, acp] = [open("hpc"), open("other")];
  assert.is(hpc.move(1, address, 4096), "OKAY");
  assert.is(hpc.move(2, address + 4096, 4096), "OKAY");
  assert.is(hpc.move(1, address + 4032, 128), "SLVERR");
  assert.is(hpc.move(1, 0x1000, 64), "DECERR");
  assert.is(acp.move(1, address, 64), "OKAY");
  assert.is(acp.move(1, address, 128), "SLVERR");
  assert.is(acp.move(1, address + 4, 64), "SLVERR");
  const content = bytes(8192);
  assert.ok(content.subarray(0, 4096).equals(content.subarray(4096)));
  await stop();
  const record = parseTransfers(readFileSync(path, "utf8"));
  const inShort = record.map(({ core, port, direction, lengthBytes, response }) =>
    [core, port, direction, lengthBytes, response].join(" "),
  );
  assert.equal(inShort, [
    "mover@a0100000 hpc read 4096 OKAY",
    "mover@a0100000 hpc write 4096 OKAY",
    "mover@a0100000 hpc read 128 SLVERR",
    "mover@a0100000 hpc read 64 DECERR",
    "mover@a0200000 acp read 64 OKAY",
    "mover@a0200000 acp read 128 SLVERR",
    "mover@a0200000 acp read 64 SLVERR",
  ]);
});

test("its interrupt comes once, and again after it was acknowledged and enabled", async () => {
  const { gate, open, stop } = await moverBoard();
  const { window, interrupt, settled } = open("hpc");
  const other = open("other");
  const { write32 } = gate.exports;
  write32(window, LENGTH, 64);
  for (let count = 1; count <= 3; count++) {
    write32(window, CONTROL, 1);
    assert.is(interrupt.wait(LONG_MS), count);
    assert.is(interrupt.wait(0), undefined);
    write32(window, CONTROL, 4);
    settled(STATUS, 0);
    interrupt.enable(true);
  }
  assert.is(other.interrupt.wait(0), undefined);
  await stop();
});

test("what it throws ends that core, is in the kernel's log, and leaves the board and other cores as they are", async () => {
  const { board, gate, open, log, stop } = await moverBoard();
  const [dead, alive] = [open("hpc"), open("other")];
  const { address } = bufferOf(board);
  gate.exports.write32(dead.window, LENGTH, 64);
  dead.settled(LENGTH, 64);
  gate.exports.write32(dead.window, CONTROL, 5);
  dead.settled(CONTROL, 0);
  assert.match(
    log(),
    /\] ERR_AXI_MODEL: core mover@a0100000 is dead: Error: five at .*regWrite \(file:.*model\.mjs:\d+:\d+\)\. Mend its model .*model\.mjs, and start the board again\.\n/,
  );
  gate.exports.write32(dead.window, LENGTH, 128);
  dead.settled(LENGTH, 64);
  assert.is(alive.move(1, address, 64), "OKAY");
  await stop();
});

test("a directory that is kept has the firmware of the models that it was started with last", async () => {
  const sysroot = join(temporaryDirectory(), "board");
  const firmware = (type: string) => readFileSync(join(sysroot, `lib/firmware/xilinx/plain/plain.${type}`), "latin1");
  for (const address of ["0xa0100000", "0xa0300000"]) {
    const board = new VirtualBoard({
      sysroot,
      models: await loadModels([modelFile({ cores: `[{ address: ${address} }]` })]),
    });
    await board.stop();
    assert.ok(firmware("dtbo").includes(`Plain@${address.slice(2)}`));
    assert.ok(firmware("bit.bin").includes(`"address":${Number(address)}`));
  }
});

test.run();
