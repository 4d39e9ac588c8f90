import { mkdirSync, readdirSync, readFileSync, readlinkSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { FpgaManager } from "../../host/linux/fpga-manager";
import { Sysroot } from "../../host/linux/sysroot";
import { awaitUioDevice, listUioDevices, openUioWindow } from "../../host/linux/uio";
import { waitUntil } from "../../host/util/wait";
import { Gate } from "../../host/gate/gate";
import { timeSliceOf } from "../../host/native/scheduling";
import { startBoardUser } from "../support/board-user";
import { physicalPagesOf } from "../support/physical-pages";
import { mayMount, seesPageFrames, testWhere } from "../support/rights";
import { type BoardProcess, startBoardProcess } from "../support/standalone-board";

const test = suite("a board in a process of its own");
const testFrames = testWhere(test, seesPageFrames(), "needs page frame numbers (CAP_SYS_ADMIN)");
const testMounts = testWhere(test, mayMount(), "needs a mount namespace (CAP_SYS_ADMIN)");
const testSlices = testWhere(test, timeSliceOf(0) > 0n, "threads have no time slices of their own before Linux 6.12");

const STATUS = 0x10;
const CONTROL = 0x14;
const LENGTH = 0x30;
const ADDR_LO = 0x40;
const ADDR_HI = 0x44;
const DATA_WR0 = 0x60;
const START_WR = 1;
const DONE_CLEAR = 0x100;
const DONE_WR = 1;
const READY = 0x300;
const DEADLINE_MS = 20_000;
/** A board counts as used for a tenth of a second. */
const UNTIL_IDLE_MS = 500;
/** In a second. A board that nobody used woke 30 times, one that did not end its warm-up 480 times. */
const MOST_WAKE_UPS = 200;

/** A device of a board, which this process uses without any checks. */
function openDevice(sysroot: Sysroot, name: string, note: string) {
  const device = awaitUioDevice(sysroot, name, note, DEADLINE_MS);
  const gate = new Gate();
  // Without a description, so that the gate lets every start through.
  const window = gate.open(openUioWindow(sysroot, device));
  const { read32, write32 } = gate.exports;
  return {
    id: device.id,
    read: (offset: number) => read32(window, offset),
    write: (offset: number, value: number) => write32(window, offset, value | 0),
    /** Waits until an earlier transfer is forgotten. */
    clear: () => {
      write32(window, CONTROL, DONE_CLEAR);
      assert.ok(waitUntil(() => read32(window, STATUS) === READY, DEADLINE_MS));
    },
    /** Starts a write of `bursts` of 64 bytes. */
    start: (address: number, bursts: number) => {
      write32(window, ADDR_LO, address | 0);
      write32(window, ADDR_HI, Math.floor(address / 2 ** 32));
      write32(window, LENGTH, bursts);
      write32(window, CONTROL, START_WR);
    },
    isDone: (timeoutMs = DEADLINE_MS) => waitUntil(() => (read32(window, STATUS) & DONE_WR) !== 0, timeoutMs),
    close: () => gate.closeAll(),
  };
}

function program({ sysroot: directory }: BoardProcess, design: string): Sysroot {
  const sysroot = new Sysroot(directory);
  const path = `/lib/firmware/xilinx/${design}/${design}`;
  new FpgaManager(sysroot).program(`${path}.bit.bin`, `${path}.dtbo`);
  return sysroot;
}

/** Whether the board has the memory open with which it warms up. It keeps it for a tenth of a second at the least. */
function isWarmingUp({ pid }: BoardProcess): boolean {
  const directory = `/proc/${pid}/fd`;
  return readdirSync(directory).some((fd) => {
    try {
      return readlinkSync(join(directory, fd)) === "/dev/zero";
    } catch {
      return false;
    }
  });
}

/** How often its threads have slept so far. */
function wakeUpsOf({ pid }: BoardProcess): number {
  return readdirSync(`/proc/${pid}/task`).reduce((sum, thread) => {
    const status = readFileSync(`/proc/${pid}/task/${thread}/status`, "latin1");
    return sum + Number(/^voluntary_ctxt_switches:\s*(\d+)/m.exec(status)?.[1]);
  }, 0);
}

test("warms up, and rests when that is over and nobody uses it", async () => {
  const board = await startBoardProcess();
  assert.ok(waitUntil(() => isWarmingUp(board), DEADLINE_MS));
  const device = openDevice(program(board, "axi_proxy"), "AxiProxy", "hpc");
  assert.is(device.read(STATUS), READY);
  device.close();
  assert.ok(waitUntil(() => !isWarmingUp(board), DEADLINE_MS));
  await setTimeout(UNTIL_IDLE_MS);
  const before = wakeUpsOf(board);
  await setTimeout(1000);
  assert.ok(wakeUpsOf(board) - before < MOST_WAKE_UPS, "it does not rest");
  await board.end();
});

test("ends well when it is stopped while it warms up", async () => {
  const board = await startBoardProcess();
  assert.ok(waitUntil(() => isWarmingUp(board), DEADLINE_MS));
  assert.equal(await board.end(), { status: 0, signal: null });
});

/** Runs what follows where `/dev/zero` cannot be opened. */
const WITHOUT_ZERO = [
  ...["unshare", "--mount", "sh", "-c"],
  'mount --bind /dev/zero /dev/zero && mount -o remount,bind,nodev /dev/zero && ! true 2>&- </dev/zero && exec "$0" "$@"',
];

testMounts("serves where it cannot warm up", async () => {
  const board = await startBoardProcess([], WITHOUT_ZERO);
  await setTimeout(UNTIL_IDLE_MS);
  assert.equal(await board.end(), { status: 0, signal: null });
});

testSlices("the thread that answers takes shorter turns than the rest, and so its next one sooner", async () => {
  const board = await startBoardProcess();
  const slices = readdirSync(`/proc/${board.pid}/task`).map((thread) => timeSliceOf(Number(thread)));
  const shortest = slices.reduce((least, slice) => (slice < least ? slice : least));
  assert.is(slices.filter((slice) => slice === shortest).length, 1, slices.join(", "));
  assert.ok(shortest < timeSliceOf(0));
  await board.end();
});

testFrames(
  "a board that is killed in the middle of a transfer leaves registers that can be read and written",
  async () => {
    const board = await startBoardProcess();
    const device = openDevice(program(board, "axi_traffic_gen"), "AxiTrafficGen", "hp");
    // 2^32 bursts: it would take minutes.
    device.start(0, 0);
    assert.ok(waitUntil(() => device.read(STATUS) === 0x200, DEADLINE_MS));
    await board.end("SIGKILL");
    assert.is(device.read(STATUS), 0x200);
    device.write(0x0c, 0x1234);
    assert.is(device.read(0x0c), 0x1234);
    assert.not(device.isDone(50));
    // The next board sweeps what this one left, and takes the registers away from nobody.
    await (await startBoardProcess()).end();
    assert.is(device.read(0x0c), 0x1234);
    device.close();
  },
);

testFrames(
  "a process that is killed while devices write to it: the transfer ends, and nobody else is written to",
  async () => {
    const board = await startBoardProcess();
    const sysroot = program(board, "axi_traffic_gen");
    const device = openDevice(sysroot, "AxiTrafficGen", "hp");
    for (let round = 0; round < 5; round++) {
      const user = await startBoardUser({ how: "opens", device: sysroot.path(`/dev/${device.id}`) });
      const [page = 0] = user.state.pages;
      device.clear();
      device.start(page, 64);
      const killed = user.kill();
      assert.ok(device.isDone());
      await killed;
      // Its pages are this one's now, or somebody else's who does not use the board, as this process does.
      const next = await startBoardUser();
      device.clear();
      if (!physicalPagesOf("self").includes(page)) {
        device.start(page, 64);
        assert.ok(device.isDone());
        assert.equal((await next.tell("look")).changed, []);
      }
      await next.kill();
    }
    device.close();
    await board.end();
  },
);

testFrames("a device whose overlay was removed goes on serving the process that has it mapped", async () => {
  const board = await startBoardProcess();
  const sysroot = program(board, "axi_proxy");
  const device = openDevice(sysroot, "AxiProxy", "hpc");
  const user = await startBoardUser({ how: "maps", device: sysroot.path(`/dev/${device.id}`) });
  new FpgaManager(sysroot).remove();
  assert.ok(waitUntil(() => listUioDevices(sysroot).length === 0, DEADLINE_MS));
  device.write(DATA_WR0, 0x01020304);
  device.start((user.state.pages[1] ?? 0) + 64, 0);
  assert.ok(device.isDone());
  const { changed } = await user.tell("look");
  assert.is(changed.length, 64);
  assert.equal(changed[0], [4096 + 64, 4]);
  device.close();
  await user.kill();
  await board.end();
});

testFrames("two devices write to two processes at a time, while overlays come and go", async () => {
  const board = await startBoardProcess();
  const sysroot = program(board, "axi_proxy");
  const devices = ["hp", "hpc"].map((note) => openDevice(sysroot, "AxiProxy", note));
  const users = await Promise.all(
    devices.map(({ id }) => startBoardUser({ how: "maps", device: sysroot.path(`/dev/${id}`) })),
  );
  const rounds = 200;
  for (let round = 1; round <= rounds; round++) {
    devices.forEach((device, index) => {
      device.clear();
      device.write(DATA_WR0, round * (index + 1));
      device.start(users[index]?.state.pages[0] ?? 0, 0);
    });
    if (round % 50 === 0) {
      const overlay = join(board.sysroot, "configfs/device-tree/overlays", `other${round}`);
      mkdirSync(overlay);
      rmSync(overlay, { recursive: true });
    }
    for (const device of devices) assert.ok(device.isDone());
  }
  const states = await Promise.all(users.map((user) => user.tell("look")));
  states.forEach(({ changed }, index) => {
    assert.is(changed.length, 64);
    assert.is(changed[0]?.[1], (rounds * (index + 1)) & 0xff);
  });
  for (const device of devices) device.close();
  await Promise.all(users.map((user) => user.kill()));
  await board.end();
});

test.run();
