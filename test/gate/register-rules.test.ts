import { openSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Gate } from "../../host/gate/gate";
import { DmaDevice, newDevice, REGISTER, setRegister, START, testDescription } from "../support/dma-device";
import { ScatterGatherList } from "../../host/memory/scatter-gather";
import { pageSizeBytes } from "../../host/native/libc";
import { rejectsWith } from "../support/expect";

const test = suite("register rules");
const pageOf = (frame: number) =>
  new ScatterGatherList({ virtualAddress: 0n, lengthBytes: pageSizeBytes }, Uint32Array.of(0, frame, 0));
const words = (...values: number[]) => Uint32Array.from(values);

const DENIED: [what: string, access: (device: DmaDevice) => unknown, message: RegExp][] = [
  [
    "a write to a read-only register",
    (device) => device.write(REGISTER.STATUS, 1),
    /Cannot write register STATUS \(offset 0x8\) of device TestDma:one: it is read-only/,
  ],
  [
    "a read of a write-only register",
    (device) => device.read(REGISTER.KEY),
    /Cannot read register KEY .* it is write-only/,
  ],
  [
    "a poll of a write-only register",
    ({ gate, window }) => gate.exports.poll32(window, REGISTER.KEY, 1, 1, 0),
    /KEY .* it is write-only/,
  ],
  [
    "a read where no register is",
    (device) => device.read(REGISTER.GAP),
    /Cannot read register offset 0x34 .* no register there; the nearest are DOORBELL at 0x30 and WIDE at 0x28/,
  ],
  ["a write where no register is", (device) => device.write(REGISTER.GAP, 0), /no register there/],
  ["half a wide register", (device) => device.read(REGISTER.WIDE), /WIDE .* it is 64 bits wide/],
  ["its upper half", (device) => device.write(REGISTER.WIDE + 4, 0), /upper half of WIDE/],
  [
    "64 bits of a register of 32",
    ({ gate, window }) => gate.exports.read64(window, REGISTER.DATA),
    /Cannot read 64 bits of register DATA0 .* it is 32 bits wide/,
  ],
  [
    "64 bits that are not aligned",
    ({ gate, window }) => gate.exports.write64(window, REGISTER.WIDE + 4, 0n),
    /aligned to 8 bytes/,
  ],
  ["a register behind the end", (device) => device.read(512), /registers end at 0x200/],
];
for (const [what, access, message] of DENIED) {
  test(`denies ${what}`, async () => {
    const device = new DmaDevice();
    const before = device.bytes;
    const error = await rejectsWith("ERR_AXI_GATE", () => access(device));
    assert.match(error.message, message);
    assert.equal(device.bytes, before);
    device.gate.closeAll();
  });
}

test("reads and writes what the description allows, at its width", () => {
  const device = new DmaDevice();
  device.write(REGISTER.KEY, 0x55);
  assert.is(device.word(REGISTER.KEY), 0x55);
  device.gate.exports.write64(device.window, REGISTER.WIDE, 0x1122334455667788n);
  assert.is(device.bytes.readBigUInt64LE(REGISTER.WIDE), 0x1122334455667788n);
  assert.is(device.gate.exports.read64(device.window, REGISTER.WIDE), 0x1122334455667788n);
  device.gate.closeAll();
});

test("where other offsets read zeros, they may be read, and not written: registers may repeat there", async () => {
  const description = testDescription({ elsewhere: "reads-zero" });
  const device = new DmaDevice(description);
  assert.is(device.read(REGISTER.GAP), 0);
  const before = device.bytes;
  await rejectsWith("ERR_AXI_GATE", () => device.write(REGISTER.GAP, 0));
  assert.equal(device.bytes, before);
  device.gate.closeAll();
});

test("what the rules were is gone with the window", () => {
  const gate = new Gate();
  const open = (description?: ReturnType<typeof testDescription>) =>
    gate.open({
      deviceName: "Thing",
      fd: openSync(newDevice(), "r+"),
      ...{ fileOffset: 0, startBytes: 0, lengthBytes: 512 },
      ...(description && { description }),
    });
  gate.close(open(testDescription()));
  const plain = open();
  gate.exports.write32(plain, REGISTER.STATUS, 7);
  assert.is(gate.exports.read32(plain, REGISTER.STATUS), 7);
  assert.is(gate.exports.read32(plain, REGISTER.GAP), 0);
  gate.closeAll();
});

test("blocks are copied word by word where the device is memory, and nowhere else", async () => {
  const device = new DmaDevice();
  const { gate, window } = device;
  assert.is(gate.writeBlock(window, REGISTER.BUFFER + 8, words(1, 2, 3)), true);
  assert.equal([...device.bytes.subarray(REGISTER.BUFFER, REGISTER.BUFFER + 24).values()].length, 24);
  const into = new Uint32Array(5);
  assert.is(gate.readBlock(window, REGISTER.BUFFER + 4, into), true);
  assert.equal([...into], [0, 1, 2, 3, 0]);
  assert.is(gate.readBlock(window, REGISTER.ROM, new Uint32Array(16)), true);
  const before = device.bytes;
  for (const refused of [
    () => gate.writeBlock(window, REGISTER.ROM, words(1)),
    () => gate.readBlock(window, REGISTER.BUFFER - 4, new Uint32Array(2)),
    () => gate.readBlock(window, REGISTER.BUFFER, new Uint32Array(33)),
    () => gate.readBlock(window, REGISTER.DATA, new Uint32Array(1)),
    () => gate.writeBlock(window, REGISTER.BUFFER + 2, words(1)),
    () => gate.writeBlock(window, 0xfffffffc, words(1, 2)),
  ]) {
    await rejectsWith("ERR_AXI_BAD_ARGUMENT", refused);
  }
  assert.equal(device.bytes, before);
  assert.is(gate.readBlock(window + 1, REGISTER.BUFFER, into), false);
  gate.closeAll();
});

for (const [register, value, message] of [
  [REGISTER.ID, 0xdeadbeef, /ID \(offset 0x0\) reads 0xdeadbeef, expected 0xd31a0001/],
  [REGISTER.VERSION, 0x00020004, /its version is 2\.0\.4, .* from 2\.1\.0 to below 3\.0\.0/],
  [REGISTER.VERSION, 0x00030000, /its version is 3\.0\.0/],
] as const) {
  test(`a device whose register ${register} reads ${value.toString(16)} is refused, and its window is gone`, async () => {
    const path = newDevice();
    setRegister(path, register, value);
    const gate = new Gate();
    const open = () =>
      gate.open({
        deviceName: "TestDma:one",
        fd: openSync(path, "r+"),
        ...{ fileOffset: 0, startBytes: 0, lengthBytes: 512 },
        description: testDescription(),
      });
    const error = await rejectsWith("ERR_AXI_WRONG_DEVICE", open);
    assert.match(error.message, message);
    await rejectsWith("ERR_AXI_GATE", () => gate.exports.read32(0, 0));
  });
}

test("a window that is smaller than the description is refused", async () => {
  const gate = new Gate();
  const open = () =>
    gate.open({
      deviceName: "TestDma:one",
      fd: openSync(newDevice(), "r+"),
      ...{ fileOffset: 0, startBytes: 0, lengthBytes: 256 },
      description: testDescription(),
    });
  await rejectsWith("ERR_AXI_DESCRIPTION", open);
});

test("a device that was used and is idle is brought to rest, once", () => {
  const device = new DmaDevice();
  device.gate.bringToRest(0);
  assert.is(device.word(REGISTER.CONTROL), 0);
  device.write(REGISTER.KEY, 1);
  device.gate.bringToRest(0);
  assert.is(device.word(REGISTER.CONTROL), 0x100);
  device.gate.closeAll();
});

test("a shared device is started only by who has taken it", async () => {
  const path = newDevice();
  const [one, two] = [0, 1].map(() => new DmaDevice(testDescription(), { path, shared: true })) as [
    DmaDevice,
    DmaDevice,
  ];
  const start = (device: DmaDevice) => {
    device.gate.granted.grant(pageOf(5), "both");
    device.start(START.read, 5 * pageSizeBytes, 1);
  };
  assert.is(one.gate.acquire(one.window, 0), true);
  assert.is(two.gate.acquire(two.window, 20), false);
  assert.is(one.gate.release(one.window), true);
  assert.is(two.gate.acquire(two.window, 0), true);
  assert.is(one.gate.acquire(one.window, 0), false);
  const error = await rejectsWith("ERR_AXI_DMA_REFUSED", () => start(one));
  assert.match(error.message, /not taken it for itself. Call acquire/);
  start(two);
  two.take();
  two.set(REGISTER.STATUS, 0);
  assert.is(two.gate.release(two.window), false, "it is at work");
  two.set(REGISTER.STATUS, 1);
  two.gate.closeAll();
  assert.is(one.gate.acquire(one.window, 0), true, "closing gives it back");
  one.gate.closeAll();
});

test("a register that starts transfers of a shared device is written only by who has taken it", async () => {
  const device = new DmaDevice(testDescription(), { shared: true });
  device.write(REGISTER.KEY, 1);
  const error = await rejectsWith("ERR_AXI_DMA_REFUSED", () => device.write(REGISTER.CONTROL, 0));
  assert.match(error.message, /Call acquire/);
});

test("what others do with a shared device after this script's turn does not keep its memory", () => {
  const device = new DmaDevice(testDescription(), { shared: true });
  device.gate.granted.grant(pageOf(5), "both");
  device.gate.acquire(device.window, 0);
  device.start(START.read, 5 * pageSizeBytes, 1);
  device.take();
  assert.is(device.gate.release(device.window), true);
  device.set(REGISTER.STATUS, 0);
  assert.equal(device.gate.activeDevices(), []);
  device.gate.closeAll();
});

test("an unknown window cannot be taken or given back", () => {
  const gate = new Gate();
  assert.is(gate.acquire(3, 0), undefined);
  assert.is(gate.release(3), undefined);
});

test.run();
