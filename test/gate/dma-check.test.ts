import { suite } from "uvu";
import * as assert from "uvu/assert";
import { randomNumbers } from "../../host/board/fabric/port-timing";
import { ScatterGatherList } from "../../host/memory/scatter-gather";
import type { DeviceUse } from "../../host/memory/device-memory";
import { pageSizeBytes } from "../../host/native/libc";
import { DmaDevice, newDevice, REGISTER, START, testDescription } from "../support/dma-device";
import { rejectsWith } from "../support/expect";

const test = suite("checked transfers");
const FRAME = 5;
const PAGE = FRAME * pageSizeBytes;
const UNIT_BYTES = 16;

/** Pages of these frames, from a byte of the first on. */
function pages(
  frames: readonly number[],
  offsetBytes = 0,
  lengthBytes = frames.length * pageSizeBytes,
): ScatterGatherList {
  const words = frames.flatMap((frame, page) => [page, frame % 2 ** 32, Math.floor(frame / 2 ** 32)]);
  return new ScatterGatherList({ virtualAddress: BigInt(offsetBytes), lengthBytes }, Uint32Array.from(words));
}

/** A device whose scripts were granted `frames`. */
function deviceWith(frames: readonly number[] = [FRAME], use: DeviceUse = "both"): DmaDevice {
  const device = new DmaDevice();
  device.gate.granted.grant(pages(frames), use);
  return device;
}

test("the device gets address, length and data with the start, and reads as they were written before", () => {
  const device = deviceWith();
  const before = device.bytes;
  device.write(REGISTER.ADDR_HI, 0);
  device.write(REGISTER.ADDR_LO, PAGE);
  device.write(REGISTER.LENGTH, 2);
  device.write(REGISTER.DATA, 0x11223344);
  assert.equal(device.bytes, before);
  assert.is(device.read(REGISTER.ADDR_LO), PAGE);
  assert.is(device.read(REGISTER.DATA), 0x11223344);
  device.write(REGISTER.CONTROL, START.write);
  assert.is(device.word(REGISTER.ADDR_LO), PAGE);
  assert.is(device.word(REGISTER.LENGTH), 2);
  assert.is(device.word(REGISTER.DATA), 0x11223344);
  assert.is(device.word(REGISTER.CONTROL), START.write);
  device.gate.closeAll();
});

test("what a device has in its address registers is what a script reads first", () => {
  const path = newDevice();
  const first = new DmaDevice(testDescription(), { path });
  first.gate.granted.grant(pages([FRAME]), "both");
  first.start(START.read, PAGE + 64, 1);
  first.gate.closeAll();
  const second = new DmaDevice(testDescription(), { path });
  assert.is(second.read(REGISTER.ADDR_LO), PAGE + 64);
  second.gate.closeAll();
});

const REFUSED: [what: string, start: number, address: number, units: number, message: RegExp][] = [
  ["the byte before", START.write, PAGE - UNIT_BYTES, 1, /not all memory that this script was granted/],
  ["a range that begins before", START.write, PAGE - 256, 32, /not all memory/],
  ["a range that ends behind", START.write, PAGE + pageSizeBytes - 256, 32, /not all memory/],
  ["the byte behind", START.read, PAGE + pageSizeBytes, 1, /not all memory/],
  ["address 0", START.read, 0, 1, /not all memory/],
  ["the same address 4 GiB higher", START.read, PAGE + 2 ** 32, 1, /not all memory/],
  ["2^40", START.write, 2 ** 40, 1, /its address has 40 bits; current value is 0x10000000000/],
  ["a granted address with bit 40", START.write, 2 ** 40 + PAGE, 1, /40 bits/],
  ["the end of the address space", START.write, 2 ** 40 - UNIT_BYTES, 2, /go beyond the 40 bits/],
  ["length 0", START.write, PAGE, 0, /length is 0/],
  [
    "a length beyond the field",
    START.write,
    PAGE,
    2 ** 20,
    /length register holds fewer bits; current value is 0x100000/,
  ],
  ["a length that would wrap", START.write, PAGE, 0xffffffff, /fewer bits/],
  ["an address that is not aligned", START.write, PAGE + 4, 1, /a multiple of 16; current value is 0x5004/],
];
for (const [what, start, address, units, message] of REFUSED) {
  test(`a start is refused for ${what}, and the device sees nothing of it`, async () => {
    const device = deviceWith();
    const before = device.bytes;
    const error = await rejectsWith("ERR_AXI_DMA_REFUSED", () => device.start(start, address, units));
    assert.match(error.message, message);
    assert.match(error.message, /TestDma:one/);
    assert.equal(device.bytes, before);
    assert.equal(device.gate.activeDevices(), []);
    device.gate.closeAll();
  });
}

test("a burst that crosses a boundary of 4 KiB is refused, even in granted memory; aligned bursts are not", async () => {
  const device = deviceWith([FRAME, FRAME + 1]);
  device.start(START.write, PAGE + pageSizeBytes - 256, 32);
  device.take();
  const before = device.bytes;
  const error = await rejectsWith("ERR_AXI_DMA_REFUSED", () =>
    device.start(START.write, PAGE + pageSizeBytes - 128, 16),
  );
  assert.match(error.message, /cross a boundary of 4 KiB/);
  assert.equal(device.bytes, before);
  device.gate.closeAll();
});

test("a range over two grants that touch passes, and one with a gap between them does not", async () => {
  const units = (3 * pageSizeBytes) / UNIT_BYTES;
  const whole = deviceWith([FRAME, FRAME + 2]);
  whole.gate.granted.grant(pages([FRAME + 1]), "writes");
  whole.start(START.write, PAGE, units);
  whole.gate.closeAll();
  const gap = deviceWith([FRAME, FRAME + 2]);
  await rejectsWith("ERR_AXI_DMA_REFUSED", () => gap.start(START.write, PAGE, units));
  gap.gate.closeAll();
});

test("one start that makes the device read and write is checked for both", async () => {
  const copy = (name: string, direction: string, low: string) => ({
    ...{ name, direction, start: "DOORBELL" },
    address: { low, bits: 32 },
  });
  const description = testDescription({
    dma: {
      length: { register: "DOORBELL", unitBytes: 1 },
      ...{ alignmentBytes: 1, burstBytes: 1 },
      transfers: [copy("from", "reads", "ADDR_LO"), copy("to", "writes", "ADDR_HI")],
    },
  });
  const start = (device: DmaDevice, from: number, to: number) => {
    device.gate.granted.grant(pages([FRAME]), "reads");
    device.gate.granted.grant(pages([FRAME + 2]), "writes");
    device.write(REGISTER.ADDR_LO, from);
    device.write(REGISTER.ADDR_HI, to);
    device.write(REGISTER.DOORBELL, 64);
  };
  const [source, target] = [PAGE, PAGE + 2 * pageSizeBytes];
  const device = new DmaDevice(description);
  start(device, source, target);
  assert.is(device.word(REGISTER.DOORBELL), 64);
  for (const [from, to] of [
    [target, target],
    [source, source],
    [target, source],
  ] as const) {
    const other = new DmaDevice(description);
    await rejectsWith("ERR_AXI_DMA_REFUSED", () => start(other, from, to));
    assert.is(other.word(REGISTER.DOORBELL), 0);
    assert.is(other.word(REGISTER.ADDR_LO), 0);
  }
});

test("the direction counts: memory to be read is not written, and the other way round", async () => {
  for (const [use, allowed, refused] of [
    ["reads", START.read, START.write],
    ["writes", START.write, START.read],
  ] as const) {
    const device = deviceWith([FRAME], use);
    device.start(allowed, PAGE, 1);
    device.take();
    await rejectsWith("ERR_AXI_DMA_REFUSED", () => device.start(refused, PAGE, 1));
    const both = deviceWith([FRAME], use);
    await rejectsWith("ERR_AXI_DMA_REFUSED", () => both.start(START.read | START.write, PAGE, 1));
    assert.is(both.word(REGISTER.CONTROL), 0);
  }
});

test("other bits of a start register are no start", () => {
  const device = new DmaDevice();
  device.write(REGISTER.CONTROL, 0x100);
  assert.is(device.word(REGISTER.CONTROL), 0x100);
  assert.is(device.word(REGISTER.ADDR_LO), 0);
  device.gate.closeAll();
});

test("while a transfer may be under way, nothing of it is changed and nothing else started", async () => {
  for (const use of [
    (device: DmaDevice) => device.write(REGISTER.ADDR_LO, PAGE + 64),
    (device: DmaDevice) => device.write(REGISTER.LENGTH, 1),
    (device: DmaDevice) => device.write(REGISTER.DATA, 1),
    (device: DmaDevice) => device.write(REGISTER.CONTROL, START.read),
  ]) {
    const device = deviceWith();
    device.start(START.write, PAGE, 1);
    device.take();
    device.set(REGISTER.STATUS, 0);
    const before = device.bytes;
    const error = await rejectsWith("ERR_AXI_DMA_REFUSED", () => use(device));
    assert.match(error.message, /a transfer may be under way/);
    assert.equal(device.bytes, before);
    assert.equal(device.gate.activeDevices(), [{ deviceName: "TestDma:one", state: "busy" }]);
    device.set(REGISTER.STATUS, 2);
    assert.equal(device.gate.activeDevices(), []);
    device.gate.closeAll();
  }
});

test("a device that was at work when it was opened is not started", async () => {
  const path = newDevice();
  const device = new DmaDevice(testDescription(), { path });
  device.gate.granted.grant(pages([FRAME]), "both");
  device.set(REGISTER.STATUS, 0);
  await rejectsWith("ERR_AXI_DMA_REFUSED", () => device.start(START.write, PAGE, 1));
  device.gate.closeAll();
});

test("after a refusal the gate is shut, and goes on saying why", async () => {
  const device = deviceWith();
  const first = await rejectsWith("ERR_AXI_DMA_REFUSED", () => device.start(START.write, 0, 1));
  const second = await rejectsWith("ERR_AXI_DMA_REFUSED", () => device.read(REGISTER.ID));
  assert.is(second.message, first.message);
  assert.is(device.gate.refusal?.message, first.message);
  device.gate.closeAll();
});

test("memory that was granted once more is refused only when both grants are gone", async () => {
  const device = deviceWith();
  device.gate.granted.grant(pages([FRAME]), "both");
  device.gate.granted.revoke(pages([FRAME]), "both");
  device.start(START.write, PAGE, 1);
  device.take();
  device.gate.granted.revoke(pages([FRAME]), "both");
  await rejectsWith("ERR_AXI_DMA_REFUSED", () => device.start(START.write, PAGE, 1));
  device.gate.closeAll();
});

test("where transfers went through before, the next passes only as long as that memory is granted", async () => {
  const random = randomNumbers(11);
  const below = (limit: number) => Math.floor(random() * limit);
  const counts = { passed: 0, refused: 0 };
  for (let round = 0; round < 200; round++) {
    const device = new DmaDevice();
    const granted: { frame: number; use: DeviceUse }[] = [];
    for (let step = 0, refused = false; step < 40 && !refused; step++) {
      for (let changes = below(4); changes > 0; changes--) {
        const [gone] = below(2) === 0 ? granted.splice(below(granted.length), 1) : [];
        const fresh = { frame: 1 + 2 * below(8), use: (["both", "reads", "writes"] as const)[below(3)] ?? "both" };
        if (gone) device.gate.granted.revoke(pages([gone.frame]), gone.use);
        else {
          granted.push(fresh);
          device.gate.granted.grant(pages([fresh.frame]), fresh.use);
        }
      }
      // Mostly where it is granted, so that there are many starts before one is refused.
      const { frame, use } = granted[below(granted.length + (below(8) === 0 ? 1 : 0))] ?? { frame: 1, use: "both" };
      const reads = use === "reads" || (use === "both" && below(2) === 0);
      const isGranted = granted.some((each) => each.frame === frame && each.use !== (reads ? "writes" : "reads"));
      const start = () => device.start(reads ? START.read : START.write, frame * pageSizeBytes + 256 * below(16), 16);
      const before = device.bytes;
      if (isGranted) {
        start();
        device.take();
      } else {
        await rejectsWith("ERR_AXI_DMA_REFUSED", start);
        assert.equal(device.bytes, before);
        refused = true;
      }
      counts[isGranted ? "passed" : "refused"]++;
    }
    device.gate.closeAll();
  }
  assert.ok(counts.passed > 500 && counts.refused > 50, JSON.stringify(counts));
});

test("goes through exactly where every byte was granted for it, over random grants and transfers", async () => {
  const random = randomNumbers(5);
  const below = (limit: number) => Math.floor(random() * limit);
  const description = testDescription();
  const counts = { passed: 0, refused: 0 };
  for (let round = 0; round < 600; round++) {
    const device = new DmaDevice(description);
    const allowed = { reads: new Set<number>(), writes: new Set<number>() };
    for (let grants = below(6); grants >= 0; grants--) {
      const use = (["both", "reads", "writes"] as const)[below(3)] ?? "both";
      const [offset, lines] = [64 * below(64), 1 + below(80)];
      const frame = 1 + below(4);
      const lengthBytes = Math.min(64 * lines, pageSizeBytes - offset);
      device.gate.granted.grant(pages([frame], offset, lengthBytes), use);
      for (
        let at = frame * pageSizeBytes + offset;
        at < frame * pageSizeBytes + offset + lengthBytes;
        at += UNIT_BYTES
      ) {
        if (use !== "writes") allowed.reads.add(at);
        if (use !== "reads") allowed.writes.add(at);
      }
    }
    const reads = random() < 0.5;
    const [address, units] = [UNIT_BYTES * below(6 * 256), 1 + below(random() < 0.5 ? 4 : 300)];
    const end = address + units * UNIT_BYTES;
    const granted = reads ? allowed.reads : allowed.writes;
    let expected = address % 256 === 0 || Math.floor(address / 4096) === Math.floor((end - 1) / 4096);
    for (let at = address; at < end; at += UNIT_BYTES) expected &&= granted.has(at);
    const before = device.bytes;
    const start = () => device.start(reads ? START.read : START.write, address, units);
    if (expected) {
      start();
      assert.is(device.word(REGISTER.ADDR_LO), address);
      counts.passed++;
    } else {
      await rejectsWith("ERR_AXI_DMA_REFUSED", start);
      assert.equal(device.bytes, before);
      counts.refused++;
    }
    device.gate.closeAll();
  }
  assert.ok(counts.passed > 20 && counts.refused > 20, JSON.stringify(counts));
});

test.run();
