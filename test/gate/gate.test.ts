import { closeSync, openSync, readFileSync } from "node:fs";
import { Worker } from "node:worker_threads";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Gate } from "../../host/gate/gate";
import { gateModule } from "../../host/gate/gate-module";
import { GATE_MEMORY_PAGES, POLL_TIMED_OUT, WINDOW_COUNT } from "../../host/gate/layout";
import { pageSizeBytes } from "../../host/native/libc";
import { rejectsWith } from "../support/expect";
import { temporaryFile } from "../support/temporary";

const test = suite("gate");

function openWindow(gate: Gate, path: string, lengthBytes: number, startBytes = 0): number {
  return gate.open({ deviceName: "Thing:one", fd: openSync(path, "r+"), fileOffset: 0, startBytes, lengthBytes });
}

function registerFile(): string {
  return temporaryFile("registers", Buffer.alloc(pageSizeBytes, 0xee));
}

test("reads and writes the device's own bytes, and only those", () => {
  const path = registerFile();
  const gate = new Gate();
  const window = openWindow(gate, path, 64);
  gate.exports.write32(window, 8, 0x12345678);
  assert.is(gate.exports.read32(window, 8), 0x12345678);
  const bytes = readFileSync(path);
  assert.is(bytes.readUInt32LE(8), 0x12345678);
  assert.is(bytes.readUInt32LE(4), 0xeeeeeeee);
  assert.is(bytes.readUInt32LE(12), 0xeeeeeeee);
  gate.closeAll();
});

test("starts at the map's offset in its page", () => {
  const path = registerFile();
  const gate = new Gate();
  const window = openWindow(gate, path, 16, 0x100);
  gate.exports.write32(window, 0, 7);
  assert.is(readFileSync(path).readUInt32LE(0x100), 7);
  gate.closeAll();
});

test("refuses every offset outside a window, and unaligned ones, before the device sees them", async () => {
  const path = registerFile();
  const before = readFileSync(path);
  const offsets = [1, 2, 3, 5, 61, 62, 63, 64, 65, 68, 0x1000, 0x7fffffff, -1, -4, 0x80000000, 0xfffffffc];
  const accesses: ((gate: Gate, window: number, offset: number) => unknown)[] = [
    ({ exports }, window, offset) => exports.read32(window, offset),
    ({ exports }, window, offset) => exports.write32(window, offset, 0),
    ({ exports }, window, offset) => exports.poll32(window, offset, 0, 0, 10),
    ({ exports }, window, offset) => exports.read64(window, offset),
    ({ exports }, window, offset) => exports.write64(window, offset, 0n),
  ];
  for (const offset of offsets) {
    for (const access of accesses) {
      const gate = new Gate();
      const window = openWindow(gate, path, 64);
      await rejectsWith("ERR_AXI_GATE", () => access(gate, window, offset));
      gate.closeAll();
    }
  }
  const gate = new Gate();
  const window = openWindow(gate, path, 64);
  for (let offset = 0; offset < 64; offset += 4) gate.exports.read32(window, offset);
  assert.equal(readFileSync(path), before);
  gate.closeAll();
});

test("refuses windows that were never opened", async () => {
  for (const distance of [1, WINDOW_COUNT - 1, WINDOW_COUNT, 2 * WINDOW_COUNT, -1, -256, 0x7fffffff]) {
    const gate = new Gate();
    const other = openWindow(gate, registerFile(), 64) + distance;
    await rejectsWith("ERR_AXI_GATE", () => gate.exports.read32(other, 4));
    gate.closeAll();
  }
});

test("a refusal names device and offset", async () => {
  const gate = new Gate();
  const window = openWindow(gate, registerFile(), 64);
  const { message } = await rejectsWith("ERR_AXI_GATE", () => gate.exports.read32(window, 0x40));
  assert.match(message, "Thing:one");
  assert.match(message, "0x40");
  gate.closeAll();
});

test("windows can be opened and closed without end, and an old number never reaches a new window", async () => {
  const [first, second] = [registerFile(), registerFile()];
  const gate = new Gate();
  const stale = openWindow(gate, first, 64);
  gate.close(stale);
  for (let round = 0; round < 2000; round++) {
    const window = openWindow(gate, second, 64);
    assert.is.not(window, stale);
    gate.exports.write32(window, 0, round);
    gate.close(window);
  }
  await rejectsWith("ERR_AXI_GATE", () => gate.exports.write32(stale, 0, 7));
  assert.is(readFileSync(second).readUInt32LE(0), 1999);
  assert.is(readFileSync(first).readUInt32LE(0), 0xeeeeeeee);
});

test("a closed window is gone, and its number is not given again", async () => {
  const path = registerFile();
  const gate = new Gate();
  const window = openWindow(gate, path, 64);
  assert.ok(gate.close(window));
  assert.not(gate.close(window));
  assert.is.not(openWindow(gate, path, 64), window);
  await rejectsWith("ERR_AXI_GATE", () => gate.exports.write32(window, 0, 1));
  assert.is(readFileSync(path).readUInt32LE(0), 0xeeeeeeee);
  gate.closeAll();
});

test("refuses more than fits, and closes the file it was given", async () => {
  const gate = new Gate();
  const path = temporaryFile("registers", Buffer.alloc(4));
  const fd = openSync(path, "r+");
  const open = () => gate.open({ deviceName: "Big", fd, fileOffset: 0, startBytes: 0, lengthBytes: 2 ** 27 });
  await rejectsWith("ERR_AXI_TOO_MANY_WINDOWS", open);
  assert.throws(() => closeSync(fd), /EBADF/);
});

test("poll32 sees what another thread writes, and gives up in time", async () => {
  const path = registerFile();
  const gate = new Gate();
  const window = openWindow(gate, path, 64);
  gate.exports.write32(window, 0, 0);
  const started = performance.now();
  assert.is(gate.exports.poll32(window, 0, 1, 1, 50), POLL_TIMED_OUT);
  assert.ok(performance.now() - started >= 50);
  const writer = new Worker(
    `const fs = require("node:fs"); const fd = fs.openSync(require("node:worker_threads").workerData, "r+");
     setTimeout(() => { fs.writeSync(fd, Buffer.from([5, 0, 0, 0]), 0, 4, 0); fs.closeSync(fd); }, 20);`,
    { eval: true, workerData: path },
  );
  assert.is(gate.exports.poll32(window, 0, 4, 4, 10_000), 0);
  await writer.terminate();
  gate.closeAll();
});

test("poll32 looks again where the thread was held up past the deadline", () => {
  const path = registerFile();
  const gate = new Gate();
  const window = openWindow(gate, path, 64);
  gate.exports.write32(window, 0, 0);
  const clock = process.hrtime;
  let calls = 0;
  // At the second look at the clock an hour has gone by; the device is done soon after that.
  process.hrtime = Object.assign(() => {
    if (++calls === 4) gate.exports.write32(window, 0, 1);
    const [seconds, nanoseconds] = clock();
    return [seconds + (calls > 1 ? 3600 : 0), nanoseconds] satisfies [number, number];
  }, clock);
  try {
    assert.is(gate.exports.poll32(window, 0, 1, 1, 1000), 0);
  } finally {
    process.hrtime = clock;
  }
  gate.closeAll();
});

test("uses plain loads and stores on x86-64, acquire and release on arm64, and no read-modify-write", () => {
  const atomics = (bytes: Uint8Array) => [...bytes].flatMap((byte, at) => (byte === 0xfe ? [bytes[at + 1]] : []));
  const [load32, load64, store32, store64] = [0x10, 0x11, 0x17, 0x18];
  assert.equal(atomics(gateModule("x64")), []);
  assert.equal(new Set(atomics(gateModule("arm64"))), new Set([load32, load64, store32, store64]));
  for (const architecture of ["x64", "arm64"] as const) new WebAssembly.Module(gateModule(architecture));
});

test("a device to which nothing was written is not active", () => {
  const gate = new Gate();
  const window = openWindow(gate, registerFile(), 64);
  gate.exports.read32(window, 8);
  gate.exports.poll32(window, 8, 0, 0, 0);
  assert.equal(gate.activeDevices(), []);
  gate.exports.write32(window, 8, 0);
  assert.equal(gate.activeDevices(), [{ deviceName: "Thing:one", state: "unknown" }]);
  gate.closeAll();
});

test("a device is idle when all its conditions hold", async () => {
  const path = registerFile();
  const gate = new Gate();
  const window = openWindow(gate, path, 64);
  const { write32 } = gate.exports;
  assert.is(gate.addIdleCondition(window, 0, { mask: 0xff, value: 0 }), true);
  assert.is(gate.addIdleCondition(window, 4, { mask: 0x80000000, value: 0x80000000 }), true);
  const busy = [{ deviceName: "Thing:one", state: "busy" as const }];
  write32(window, 0, 1);
  write32(window, 4, 0x80000001);
  assert.equal(gate.activeDevices(), busy);
  write32(window, 0, 0x100);
  assert.equal(gate.activeDevices(), []);
  write32(window, 4, 1);
  assert.equal(gate.activeDevices(), busy);
  assert.is(gate.addIdleCondition(window + 256, 0, { mask: 1, value: 0 }), false);
  await rejectsWith("ERR_AXI_GATE", () => gate.addIdleCondition(window, 64, { mask: 1, value: 0 }));
  gate.closeAll();
});

test("a window is not closed while its device is at work", async () => {
  const gate = new Gate();
  const window = openWindow(gate, registerFile(), 64);
  gate.addIdleCondition(window, 4, { mask: 1, value: 1 });
  gate.exports.write32(window, 4, 0);
  await rejectsWith("ERR_AXI_DEVICE_BUSY", () => gate.close(window));
  gate.exports.write32(window, 4, 1);
  assert.is(gate.close(window), true);
  assert.equal(gate.activeDevices(), []);
});

test("a device that does not say whether it is at work stays active when its window is closed", () => {
  const gate = new Gate();
  const window = openWindow(gate, registerFile(), 64);
  gate.exports.write32(window, 4, 0);
  gate.close(window);
  assert.equal(gate.activeDevices(), [{ deviceName: "Thing:one", state: "unknown" }]);
  const again = openWindow(gate, registerFile(), 64);
  gate.addIdleCondition(again, 0, { mask: 0xff, value: 0xee });
  assert.equal(gate.activeDevices(), []);
  gate.close(again);
});

test("a gate that has refused something opens nothing more", async () => {
  const gate = new Gate();
  const window = openWindow(gate, registerFile(), 64);
  await rejectsWith("ERR_AXI_GATE", () => gate.exports.read32(window, 64));
  await rejectsWith("ERR_AXI_GATE", () => openWindow(gate, registerFile(), 64));
});

test("its addresses are nobody's memory to V8, and its tables take small pages", () => {
  const bytes = GATE_MEMORY_PAGES * 65536;
  const gate = new Gate();
  assert.ok(process.memoryUsage().external < bytes);
  const mappings = readFileSync("/proc/self/smaps", "utf8").split(/\n(?=[0-9a-f]+-[0-9a-f]+ )/);
  const whole = mappings.filter((text) => Number(/^Size: +(\d+) kB/m.exec(text)?.[1]) * 1024 === bytes);
  const sparse = whole.filter((text) => /^VmFlags:.* nh\b/m.test(text));
  assert.ok(sparse.length > 0, whole.join("\n"));
  gate.closeAll();
});

test.run();
