import { suite } from "uvu";
import * as assert from "uvu/assert";
import { ScatterGatherList } from "../../host/memory/scatter-gather";
import { pageSizeBytes } from "../../host/native/libc";
import { DmaDevice, REGISTER, START, testDescription } from "../support/dma-device";
import { rejectsWith } from "../support/expect";

const test = suite("idle channels");
const PAGE = 5 * pageSizeBytes;
const [READY, DONE] = [1, 2];
const BUSY = [{ deviceName: "TestDma:one", state: "busy" as const }];

type Engine = Record<string, unknown>;

/** The test device, with another engine. */
function deviceWith(engine: Engine, changes: Record<string, unknown> = {}): DmaDevice {
  const dma = {
    address: { low: "ADDR_LO", high: "ADDR_HI", bits: 40 },
    length: { register: "LENGTH.COUNT", unitBytes: 16 },
    ...{ alignmentBytes: 16, burstBytes: 256 },
    transfers: [
      { name: "write", direction: "writes", start: "CONTROL.WRITE" },
      { name: "read", direction: "reads", start: "CONTROL.READ" },
    ],
    ...engine,
  };
  const device = new DmaDevice(testDescription({ dma, idle: [{ "STATUS.READY": 1 }], ...changes }));
  const page = new ScatterGatherList(
    { virtualAddress: 0n, lengthBytes: pageSizeBytes },
    Uint32Array.from([0, PAGE / pageSizeBytes, 0]),
  );
  device.gate.granted.grant(page, "both");
  return device;
}

function isIdle({ gate }: DmaDevice): boolean {
  return gate.activeDevices().length === 0;
}

test("without a word of how soon it is at work, a device that looks idle after a start counts as at work", async () => {
  const device = deviceWith({});
  device.start(START.write, PAGE, 1);
  device.take();
  assert.equal(device.gate.activeDevices(), BUSY);
  const error = await rejectsWith("ERR_AXI_DMA_REFUSED", () => device.write(REGISTER.ADDR_LO, PAGE + 64));
  assert.match(error.message, /has not shown since that it has begun or ended it.*"busyWithinUs"/);
});

test("… until a look of the gate has seen it at work", () => {
  const device = deviceWith({});
  device.start(START.write, PAGE, 1);
  device.set(REGISTER.STATUS, 0);
  assert.equal(device.gate.activeDevices(), BUSY);
  device.set(REGISTER.STATUS, READY);
  assert.ok(isIdle(device));
});

for (const [what, look] of [
  ["read", (device: DmaDevice) => device.read(REGISTER.STATUS)],
  ["poll", (device: DmaDevice) => device.gate.exports.poll32(device.window, REGISTER.STATUS, READY, 0, 10)],
] as const) {
  test(`… or a ${what} of the script's`, () => {
    const device = deviceWith({});
    device.start(START.write, PAGE, 1);
    device.set(REGISTER.STATUS, 0);
    look(device);
    device.set(REGISTER.STATUS, READY);
    assert.ok(isIdle(device));
  });
}

test("a start asks again where nothing says how soon the device is at work", async () => {
  const device = deviceWith({});
  device.start(START.write, PAGE, 1);
  device.set(REGISTER.STATUS, 0);
  assert.equal(device.gate.activeDevices(), BUSY);
  device.set(REGISTER.STATUS, READY);
  assert.ok(isIdle(device));
  device.set(REGISTER.STATUS, 0);
  const error = await rejectsWith("ERR_AXI_DMA_REFUSED", () => device.write(REGISTER.CONTROL, START.write));
  assert.match(error.message, /may be under way/);
});

test("what the register of the start shows is no sign of work: it may be the start itself", () => {
  const device = deviceWith({}, { idle: [{ "CONTROL.OTHER": 0, "CONTROL.WRITE": 0 }] });
  device.start(START.write | 0x100, PAGE, 1);
  assert.equal(device.gate.activeDevices(), BUSY);
  device.take();
  assert.equal(device.gate.activeDevices(), BUSY);
  device.set(REGISTER.CONTROL, 0x100);
  assert.equal(device.gate.activeDevices(), BUSY, "the start is gone, so the device says that");
  device.take();
  assert.ok(isIdle(device));
});

const WITH_DONE = {
  transfers: [{ name: "write", direction: "writes", start: "CONTROL.WRITE", done: { "STATUS.DONE": 1 } }],
};

test("a transfer that is shown as done since its start has ended", () => {
  const device = deviceWith(WITH_DONE);
  device.start(START.write, PAGE, 1);
  device.take();
  assert.equal(device.gate.activeDevices(), BUSY);
  device.set(REGISTER.STATUS, READY | DONE);
  assert.ok(isIdle(device));
});

test("a done of the transfer before does not count", () => {
  const device = deviceWith(WITH_DONE);
  device.set(REGISTER.STATUS, READY | DONE);
  device.start(START.write, PAGE, 1);
  device.take();
  assert.equal(device.gate.activeDevices(), BUSY);
  device.set(REGISTER.STATUS, READY);
  assert.equal(device.gate.activeDevices(), BUSY);
  device.set(REGISTER.STATUS, READY | DONE);
  assert.ok(isIdle(device));
});

test("a done that only the script has read counts, and is not lost when the script clears it", () => {
  const device = deviceWith(WITH_DONE);
  device.start(START.write, PAGE, 1);
  device.take();
  device.set(REGISTER.STATUS, READY | DONE);
  device.read(REGISTER.STATUS);
  device.set(REGISTER.STATUS, READY);
  assert.ok(isIdle(device));
  device.write(REGISTER.CONTROL, START.write);
  device.take();
  device.set(REGISTER.STATUS, READY | DONE);
  device.write(REGISTER.CONTROL, 0x100);
  device.set(REGISTER.STATUS, READY);
  assert.ok(isIdle(device));
});

test("a device that is prompt is believed once it has taken the start", () => {
  const device = deviceWith({ busyWithinUs: 0 });
  device.start(START.write, PAGE, 1);
  assert.equal(device.gate.activeDevices(), BUSY);
  device.take();
  assert.ok(isIdle(device));
});

test("the time in which it may show that it is at work is waited for", () => {
  const device = deviceWith({ busyWithinUs: 10 });
  device.start(START.write, PAGE, 1);
  device.take();
  assert.ok(isIdle(device));
  device.write(REGISTER.CONTROL, START.write);
  device.take();
  device.set(REGISTER.STATUS, 0);
  assert.equal(device.gate.activeDevices(), BUSY);
});

test("a start that the device has not taken is not taken back", async () => {
  const device = deviceWith({ busyWithinUs: 0 });
  device.start(START.write, PAGE, 1);
  const error = await rejectsWith("ERR_AXI_DMA_REFUSED", () => device.write(REGISTER.CONTROL, 0));
  assert.match(error.message, /has not shown/);
  assert.is(device.word(REGISTER.CONTROL), START.write);
});

test("other bits of the start register are written once the start is taken", () => {
  const device = deviceWith({ busyWithinUs: 0 });
  device.start(START.write, PAGE, 1);
  device.take();
  device.set(REGISTER.STATUS, 0);
  device.write(REGISTER.CONTROL, 0x100);
  assert.is(device.word(REGISTER.CONTROL), 0x100);
  assert.equal(device.gate.activeDevices(), BUSY);
});

test("a start register that shows nothing but pulses is read and written without a wait", () => {
  const device = deviceWith({ busyWithinUs: 0 });
  const looked = Atomics.wait;
  Atomics.wait = () => {
    throw new Error("it waits");
  };
  try {
    for (let round = 0; round < 3; round++) {
      device.start(START.write, PAGE, 1);
      device.take();
      device.set(REGISTER.STATUS, 0);
      device.write(REGISTER.CONTROL, 0x100);
      assert.equal(device.gate.activeDevices(), BUSY);
      device.set(REGISTER.STATUS, READY);
      assert.ok(isIdle(device));
    }
  } finally {
    Atomics.wait = looked;
  }
});

test("what a script writes into a register that shows the state is not believed at once", () => {
  const device = deviceWith({ busyWithinUs: 0 }, { idle: [{ "CONTROL.OTHER": 0 }] });
  device.start(START.write, PAGE, 1);
  device.set(REGISTER.CONTROL, 0x100);
  assert.equal(device.gate.activeDevices(), BUSY);
  device.write(REGISTER.CONTROL, 0);
  // The device puts back what it shows: here, at the first look after the write.
  const looked = Atomics.wait;
  Atomics.wait = ((...parameters: Parameters<typeof looked>) => {
    device.set(REGISTER.CONTROL, 0x100);
    return looked(...parameters);
  }) as typeof looked;
  try {
    assert.equal(device.gate.activeDevices(), BUSY);
  } finally {
    Atomics.wait = looked;
  }
  device.take();
  assert.ok(isIdle(device));
});

test("several transfers at one start are refused where nothing would show that all have begun", async () => {
  const device = deviceWith({});
  const error = await rejectsWith("ERR_AXI_DMA_REFUSED", () => device.start(START.write | START.read, PAGE, 1));
  assert.match(error.message, /several transfers at a time/);
  assert.is(device.word(REGISTER.CONTROL), 0);
});

test("… and pass where the description says how soon the device is at work", () => {
  const device = deviceWith({ busyWithinUs: 0 });
  device.start(START.write | START.read, PAGE, 1);
  device.take();
  assert.ok(isIdle(device));
});

/** Two channels: `DOORBELL` starts the one, `LENGTH` the other, each with an address and a bit of STATUS of its own. */
const CHANNELS = {
  address: undefined,
  length: undefined,
  transfers: [
    {
      ...{ name: "send", direction: "reads", start: "DOORBELL" },
      ...{ address: { low: "ADDR_LO", bits: 32 }, length: { register: "DOORBELL", unitBytes: 1 } },
      ...{ idle: [{ "STATUS.READY": 1 }] },
    },
    {
      ...{ name: "receive", direction: "writes", start: "LENGTH" },
      ...{ address: { low: "ADDR_HI", bits: 32 }, length: { register: "LENGTH", unitBytes: 1 } },
      ...{ idle: [{ "STATUS.DONE": 1 }] },
    },
  ],
};
const IDLE_BOTH = READY | DONE;

test("channels are started beside each other, and each is busy by itself", async () => {
  const device = deviceWith(CHANNELS, { idle: [] });
  device.set(REGISTER.STATUS, IDLE_BOTH);
  device.write(REGISTER.ADDR_HI, PAGE);
  device.write(REGISTER.LENGTH, 64);
  device.set(REGISTER.STATUS, READY);
  device.write(REGISTER.ADDR_LO, PAGE + 64);
  device.write(REGISTER.DOORBELL, 64);
  device.set(REGISTER.STATUS, 0);
  assert.equal(device.gate.activeDevices(), BUSY);
  device.set(REGISTER.STATUS, READY);
  assert.equal(device.gate.activeDevices(), BUSY);
  device.write(REGISTER.ADDR_LO, PAGE);
  device.set(REGISTER.STATUS, IDLE_BOTH);
  assert.ok(isIdle(device));
  device.write(REGISTER.DOORBELL, 64);
  device.set(REGISTER.STATUS, READY);
  const error = await rejectsWith("ERR_AXI_DMA_REFUSED", () => device.write(REGISTER.LENGTH, 64));
  assert.match(error.message, /may be under way/);
});

test("a start gives the device nothing of a transfer that it does not start", () => {
  const device = deviceWith(CHANNELS, { idle: [] });
  device.set(REGISTER.STATUS, IDLE_BOTH);
  device.write(REGISTER.ADDR_HI, 0x7e005000);
  device.write(REGISTER.ADDR_LO, PAGE);
  device.write(REGISTER.DOORBELL, 64);
  assert.is(device.word(REGISTER.ADDR_LO), PAGE);
  assert.is(device.word(REGISTER.ADDR_HI), 0);
  assert.is(device.read(REGISTER.ADDR_HI), 0x7e005000);
});

test("any write of a register that starts as a whole is a start, one of 0 too", async () => {
  const doorbell = { length: { bytes: 64 }, transfers: [{ name: "fill", direction: "writes", start: "DOORBELL" }] };
  for (const value of [0, 1, 0xffffffff]) {
    const device = deviceWith(doorbell);
    device.write(REGISTER.ADDR_LO, PAGE);
    device.write(REGISTER.DOORBELL, value);
    assert.is(device.word(REGISTER.ADDR_LO), PAGE);
    assert.equal(device.gate.activeDevices(), BUSY);
    const other = deviceWith(doorbell);
    other.write(REGISTER.ADDR_LO, 0x1000);
    await rejectsWith("ERR_AXI_DMA_REFUSED", () => other.write(REGISTER.DOORBELL, value));
    assert.is(other.word(REGISTER.ADDR_LO), 0);
  }
});

test("the upper half of an address is a start with the value 0, too", async () => {
  const upper = { length: { bytes: 64 }, transfers: [{ name: "fill", direction: "writes", start: "ADDR_HI" }] };
  const device = deviceWith(upper);
  device.write(REGISTER.ADDR_LO, PAGE);
  device.write(REGISTER.ADDR_HI, 0);
  assert.is(device.word(REGISTER.ADDR_LO), PAGE);
  const other = deviceWith(upper);
  other.write(REGISTER.ADDR_LO, 0x1000);
  const error = await rejectsWith("ERR_AXI_DMA_REFUSED", () => other.write(REGISTER.ADDR_HI, 0));
  assert.match(error.message, /not all memory/);
  assert.is(other.word(REGISTER.ADDR_LO), 0);
});

test("a length that holds units minus one is checked as the device takes it", async () => {
  const engine = { length: { register: "LENGTH.COUNT", unitBytes: 1, encoding: "units-minus-one" }, busyWithinUs: 0 };
  const device = deviceWith(engine);
  device.start(START.write, PAGE, pageSizeBytes - 1);
  assert.is(device.word(REGISTER.LENGTH), pageSizeBytes - 1);
  device.take();
  device.start(START.write, PAGE + pageSizeBytes - 16, 0);
  device.take();
  const error = await rejectsWith("ERR_AXI_DMA_REFUSED", () => device.start(START.write, PAGE, pageSizeBytes));
  assert.match(error.message, /4097 bytes at physical address/);
});

test("a parameter reads as it was written until its transfer has ended, and then as the device has it", () => {
  const device = deviceWith({ busyWithinUs: 0 });
  device.start(START.write, PAGE, 4);
  device.set(REGISTER.LENGTH, 2);
  assert.is(device.read(REGISTER.LENGTH), 4, "the start is not taken");
  device.take();
  device.set(REGISTER.STATUS, 0);
  assert.is(device.read(REGISTER.LENGTH), 4, "it is at work");
  device.set(REGISTER.STATUS, READY);
  assert.is(device.read(REGISTER.LENGTH), 2);
  assert.is(device.gate.exports.poll32(device.window, REGISTER.LENGTH, 0xff, 2, 10), 0);
  device.write(REGISTER.LENGTH, 8);
  device.set(REGISTER.LENGTH, 3);
  assert.is(device.read(REGISTER.LENGTH), 8, "it was written since");
});

test("what was read of the device is what the next start is checked with and gives", async () => {
  const device = deviceWith({ busyWithinUs: 0 });
  device.start(START.write, PAGE, 4);
  device.take();
  device.set(REGISTER.ADDR_LO, PAGE + pageSizeBytes);
  assert.is(device.read(REGISTER.ADDR_LO), PAGE + pageSizeBytes);
  await rejectsWith("ERR_AXI_DMA_REFUSED", () => device.write(REGISTER.CONTROL, START.write));
});

test("a device whose transfers are not checked is idle when it was seen at work, or has been quiet for a while", () => {
  const device = deviceWith({}, { dma: "unchecked" });
  device.write(REGISTER.ADDR_LO, 0x1000);
  assert.is(device.word(REGISTER.ADDR_LO), 0x1000, "nothing is held back");
  const looked = Atomics.wait;
  let looks = 0;
  Atomics.wait = ((...parameters: Parameters<typeof looked>) => {
    if (++looks === 3) device.set(REGISTER.STATUS, 0);
    return looked(...parameters);
  }) as typeof looked;
  try {
    assert.equal(device.gate.activeDevices(), BUSY, "it begins late");
    assert.is(looks, 3);
  } finally {
    Atomics.wait = looked;
  }
  device.set(REGISTER.STATUS, READY);
  assert.ok(isIdle(device));
  device.write(REGISTER.DOORBELL, 1);
  assert.ok(isIdle(device), "quiet for long enough");
});

test.run();
