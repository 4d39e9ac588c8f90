import { spawnSync } from "node:child_process";
import { closeSync, constants, fstatSync, openSync, readFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { awaitUioDevice, openUioWindow } from "../../host/linux/uio";
import { UioInterrupt } from "../../host/linux/uio-interrupt";
import { waitUntil } from "../../host/util/wait";
import { pageSizeBytes } from "../../host/native/libc";
import { rejectsWith } from "../support/expect";
import { temporaryDirectory, temporaryFile } from "../support/temporary";
import { LONG_MS, timerBoard } from "../support/timer-board";

const test = suite("UIO interrupts");

/** The module itself, for a test to put something in place of its functions. */
const fs = require("node:fs") as typeof import("node:fs");

/** For an interrupt that must not come: long enough for the board to look many times. */
const NONE_MS = 30;

test("the board: an interrupt comes once, and again after it was acknowledged and enabled", async () => {
  const { interrupt, fire, acknowledge, stop } = timerBoard();
  assert.is(interrupt.wait(NONE_MS), undefined);
  fire();
  assert.is(interrupt.wait(LONG_MS), 1);
  assert.is(interrupt.wait(NONE_MS), undefined);
  for (let count = 2; count < 6; count++) {
    acknowledge();
    interrupt.enable(true);
    assert.is(interrupt.wait(NONE_MS), undefined);
    fire();
    assert.is(interrupt.wait(LONG_MS), count);
  }
  await stop();
});

test("the board: none comes while it is disabled; what is still up when it is enabled does", async () => {
  const { interrupt, fire, stop } = timerBoard();
  interrupt.enable(false);
  fire();
  assert.is(interrupt.wait(NONE_MS), undefined);
  interrupt.enable(true);
  assert.is(interrupt.wait(LONG_MS), 1);
  await stop();
});

test("the board: enabled without being acknowledged, it comes again at once", async () => {
  const { interrupt, fire, stop } = timerBoard();
  fire();
  for (let count = 1; count <= 5; count++) {
    assert.is(interrupt.wait(LONG_MS), count);
    interrupt.enable(true);
  }
  await stop();
});

test("the board: interrupts from before a device was opened are not news, those since then are", async () => {
  const { interrupt, open, fire, acknowledge, stop } = timerBoard();
  fire();
  assert.is(interrupt.wait(LONG_MS), 1);
  const late = open().device.interrupt();
  assert.is(late.wait(NONE_MS), undefined);
  const later = open().device;
  acknowledge();
  interrupt.enable(true);
  fire();
  assert.is(late.wait(LONG_MS), 2);
  // Nobody had asked it for its interrupt when that came.
  assert.is(later.interrupt().wait(LONG_MS), 2);
  await stop();
});

test("the board: the attribute event follows, and the count goes on when the board is built again", async () => {
  const sysroot = join(temporaryDirectory(), "board");
  const first = timerBoard({ sysroot });
  const event = () => readFileSync(join(sysroot, "sys/class/uio/uio0/event"), "utf8");
  assert.is(event(), "0\n");
  first.fire();
  first.interrupt.wait(LONG_MS);
  assert.ok(waitUntil(() => event() === "1\n", LONG_MS));
  await first.stop();
  const second = timerBoard({ sysroot });
  second.fire();
  assert.is(second.interrupt.wait(LONG_MS), 2);
  assert.ok(waitUntil(() => event() === "2\n", LONG_MS));
  await second.stop();
});

test("the board: a device without an interrupt says so, and its file stays as long as it is", async () => {
  const board = timerBoard();
  board.fpga.remove();
  const firmware = "/lib/firmware/xilinx/axi_proxy/axi_proxy";
  board.fpga.program(`${firmware}.bit.bin`, `${firmware}.dtbo`);
  const device = openUioWindow(board.sysroot, awaitUioDevice(board.sysroot, "AxiProxy", "hp", LONG_MS));
  const interrupt = device.interrupt();
  const { message } = await rejectsWith("ERR_AXI_NO_INTERRUPT", () => interrupt.wait(LONG_MS));
  assert.match(message, "AxiProxy:hp");
  await rejectsWith("ERR_AXI_NO_INTERRUPT", () => interrupt.enable(true));
  assert.is(fstatSync(device.fd).size, pageSizeBytes);
  closeSync(device.fd);
  await board.stop();
});

test("the board: a wait ends when the device is removed", async () => {
  const { fpga, interrupt, sysroot, stop } = timerBoard();
  fpga.remove();
  assert.ok(waitUntil(() => !sysroot.exists("/dev/uio0"), LONG_MS));
  await rejectsWith("ERR_AXI_NO_INTERRUPT", () => interrupt.wait(LONG_MS));
  await stop();
});

test("a wait ends at its deadline, looks at least once, and can be ended from within", async () => {
  const { interrupt, fire, acknowledge, stop } = timerBoard();
  for (const timeoutMs of [0, -1, -2147483648, 1, 40]) {
    const started = performance.now();
    assert.is(interrupt.wait(timeoutMs), undefined);
    assert.ok(performance.now() - started >= timeoutMs);
  }
  fire();
  assert.ok(waitUntil(() => interrupt.wait(0) === 1, LONG_MS));
  acknowledge();
  let checks = 0;
  const enough = new Error("enough");
  const check = () => {
    if (++checks === 20) throw enough;
  };
  try {
    interrupt.wait(LONG_MS, check);
    assert.unreachable();
  } catch (error) {
    assert.is(error, enough);
  }
  assert.is(checks, 20);
  await stop();
});

/**
 * A kernel's UIO device, as far as a test can be one: reads of the descriptor are answered as `uio_read` does, whatever
 * the position, and the descriptor is readable when there is news, since it is a pipe's.
 */
function kernelDevice(irqControl: "works" | "ENOSYS" | "EIO" | "EINVAL" = "works") {
  const path = join(temporaryDirectory(), "uio0");
  assert.is(spawnSync("mkfifo", [path]).status, 0);
  const fd = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
  const state = { event: 7, seen: 7, enabled: true, reads: 0, removed: false };
  const original = { readSync: fs.readSync, writeSync: fs.writeSync };
  const failure = (code: string) => Object.assign(new Error(code), { code });
  const patched = fs as { readSync: unknown; writeSync: unknown };
  patched.readSync = (from: number, buffer: Int32Array, ...rest: [number, number, number]) => {
    if (from !== fd) return original.readSync(from, buffer, ...rest);
    state.reads++;
    assert.is(rest[1], 4);
    if (state.removed) throw failure("EIO");
    if (state.event === state.seen) throw failure("EAGAIN");
    original.readSync(fd, new Uint8Array(1));
    buffer[0] = state.seen = state.event;
    return 4;
  };
  patched.writeSync = (to: number, buffer: Int32Array, ...rest: [number, number, number]) => {
    if (to !== fd) return original.writeSync(to, buffer, ...rest);
    assert.is(rest[1], 4);
    if (irqControl !== "works") throw failure(irqControl);
    state.enabled = buffer[0] !== 0;
    return 4;
  };
  const fire = () => {
    state.event = (state.event + 1) | 0;
    original.writeSync(fd, new Uint8Array(1));
  };
  const close = () => {
    Object.assign(fs, original);
    closeSync(fd);
  };
  const interrupt = new UioInterrupt({
    deviceName: "Thing",
    fd,
    interruptPosition: 4096,
    isPlainFile: false,
    interruptsAtOpen: undefined,
  });
  return { state, interrupt, fire, close };
}

test("a kernel's device: what was not seen is news, and every wait is one read of it", () => {
  const { state, interrupt, fire, close } = kernelDevice();
  assert.is(interrupt.wait(0), undefined);
  fire();
  assert.is(interrupt.wait(LONG_MS), 8);
  assert.is(interrupt.wait(0), undefined);
  state.event = state.seen = 0x7fffffff;
  fire();
  assert.is(interrupt.wait(LONG_MS), -0x80000000);
  interrupt.enable(false);
  assert.not(state.enabled);
  interrupt.enable(true);
  assert.ok(state.enabled);
  close();
});

test("a kernel's device: a wait sleeps in the kernel, and not longer than it can be stopped after", () => {
  const { state, interrupt, close } = kernelDevice();
  let checks = 0;
  assert.is(
    interrupt.wait(400, () => checks++),
    undefined,
  );
  // Slices of 20 ms, or fewer and longer ones where the cores are busy. Without any there would be two checks, and of a
  // file that is looked at all the time thousands of reads.
  assert.ok(checks >= 3 && checks <= 22, `${checks} checks`);
  assert.ok(state.reads <= 22, `${state.reads} reads`);
  close();
});

test("a kernel's device that was removed, or never had an interrupt, says so", async () => {
  const { state, interrupt, close } = kernelDevice("EIO");
  state.removed = true;
  try {
    await rejectsWith("ERR_AXI_NO_INTERRUPT", () => interrupt.wait(LONG_MS));
    await rejectsWith("ERR_AXI_NO_INTERRUPT", () => interrupt.enable(true));
  } finally {
    close();
  }
  const newer = kernelDevice("EINVAL");
  try {
    await rejectsWith("ERR_AXI_NO_INTERRUPT", () => newer.interrupt.enable(true));
  } finally {
    newer.close();
  }
});

test("a driver without irqcontrol is named as the reason", async () => {
  const { interrupt, close } = kernelDevice("ENOSYS");
  try {
    const { message } = await rejectsWith("ERR_AXI_NO_INTERRUPT", () => interrupt.enable(true));
    assert.match(message, /Cannot enable the interrupt of Thing: its driver .*irqcontrol/);
  } finally {
    close();
  }
});

test("a count that changes while it is copied is looked at again", () => {
  const path = temporaryFile("uio0", Buffer.alloc(2 * pageSizeBytes));
  const fd = openSync(path, "r+");
  const interrupt = new UioInterrupt({
    deviceName: "Thing",
    fd,
    interruptPosition: pageSizeBytes,
    isPlainFile: true,
    interruptsAtOpen: 0xff,
  });
  const counts = [0x1ff, 0x100, 0x100];
  const patched = fs as { readSync: unknown };
  const original = fs.readSync;
  patched.readSync = (_fd: number, buffer: Int32Array) => {
    buffer[0] = counts.shift() ?? 0x100;
    return 4;
  };
  try {
    assert.is(interrupt.wait(0), 0x100);
    assert.is(interrupt.wait(0), undefined);
  } finally {
    patched.readSync = original;
    closeSync(fd);
  }
});

test("a file is read and written at its own places, and does not grow", () => {
  const path = temporaryFile("uio0", Buffer.alloc(2 * pageSizeBytes, 0xee));
  const fd = openSync(path, "r+");
  const interrupt = new UioInterrupt({
    deviceName: "Thing",
    fd,
    interruptPosition: pageSizeBytes,
    isPlainFile: true,
    interruptsAtOpen: 0,
  });
  interrupt.enable(true);
  writeSync(fd, new Int32Array([9]), 0, 4, pageSizeBytes);
  assert.is(interrupt.wait(0), 9);
  const expected = Buffer.alloc(2 * pageSizeBytes, 0xee);
  expected.writeInt32LE(9, pageSizeBytes);
  expected.writeInt32LE(1, pageSizeBytes + 4);
  assert.equal(readFileSync(path), expected);
  closeSync(fd);
});

test.run();
