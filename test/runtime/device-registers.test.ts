import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type DeviceRegisters, openDeviceRegisters, type RegisterReading } from "../../host/index";
import { widgetSysroot } from "../support/described-device";
import { rejectsWith } from "../support/expect";
import { temporaryDirectory } from "../support/temporary";

const test = suite("registers by name");

/** Opens a fresh widget, or the other device, and closes it again. Gives what its registers hold then. */
async function withDevice(
  body: (registers: DeviceRegisters) => unknown,
  words: Readonly<Record<number, number>> = {},
  name = "widget:left",
): Promise<Buffer> {
  const options = widgetSysroot(words);
  const registers = await openDeviceRegisters(name, options);
  try {
    await body(registers);
  } finally {
    await registers.close();
  }
  return readFileSync(join(options.sysroot, name === "mystery" ? "dev/uio1" : "dev/uio0"));
}

function valuesOf(readings: readonly RegisterReading[]): Record<string, bigint | string | undefined> {
  return Object.fromEntries(readings.map(({ register, value, skipped }) => [register.name, value ?? skipped]));
}

test("reads a register, its fields, an array, and 64 bits", async () => {
  const words = { 8: 0x80000110, 36: 0xffffffff, 48: 0x9abcdef0, 52: 0x12345678 };
  await withDevice((registers) => {
    const [control] = registers.read("CONTROL");
    assert.is(control?.value, 0x80000110n);
    const fields = [...(control?.fields ?? [])].map(([field, value]) => `${field.name} ${value}`);
    assert.equal(fields, ["GO 0", "MODE 1", "LOST 1", "BUSY 1"]);
    assert.is(registers.read("CONTROL.MODE")[0]?.value, 0x80000110n);
    assert.equal(valuesOf(registers.read("GAIN")), { GAIN0: 0n, GAIN1: 0xffffffffn, GAIN2: 0n, GAIN3: 0n });
    assert.is(registers.read("GAIN1")[0]?.value, 0xffffffffn);
    assert.is(registers.read("TIME")[0]?.value, 0x123456789abcdef0n);
    assert.is(registers.read("0x24")[0]?.register.name, "GAIN1");
    assert.is(registers.read("0x100")[0]?.value, 0n);
  }, words);
});

test("reading all leaves out what has side effects, and what cannot be read", async () => {
  await withDevice((registers) => {
    const all = valuesOf(registers.read());
    assert.match(String(all["EVENT"]), /takes an event out of the queue/);
    assert.is(all["KEY"], "WO");
    assert.is(all["ID"], 0x57494447n);
    assert.is(Object.keys(all).length, 12);
  });
});

test("what has side effects is read when that is said, and WO never", async () => {
  await withDevice(
    async (registers) => {
      const { message } = await rejectsWith("ERR_AXI_BAD_ARGUMENT", () => registers.read("EVENT"));
      assert.match(message, /EVENT of widget:left \(uio0\): takes an event out of the queue\. --side-effects/);
      assert.is(registers.read("EVENT", { sideEffects: true })[0]?.value, 7n);
      await rejectsWith("ERR_AXI_BAD_ARGUMENT", () => registers.read("KEY", { sideEffects: true }));
    },
    { 12: 7 },
  );
});

/** What is written, what the register holds before and after, and whether it was read. */
const WRITES: readonly (readonly [string, string, number, number, number, boolean])[] = [
  ["ADDRESS", "0x1234_5678", 16, 0, 0x12345678, false],
  ["GAIN2", "12", 40, 0, 12, false],
  ["0x28", "12", 40, 0, 12, false],
  ["0x104", "0b101", 260, 0, 5, false],
  ["KEY", "5", 20, 0xffffffff, 5, false],
  ["CONTROL.MODE", "2", 8, 0x10, 0x20, true],
  ["CONTROL.MODE", "Colour", 8, 0x20, 0x10, true],
  // LOST is set, and is not cleared by the way.
  ["CONTROL.MODE", "Colour", 8, 0x40000100, 0x40000010, true],
  ["CONTROL.LOST", "1", 8, 0x40000120, 0x40000120, true],
  ["CONTROL", "0x20", 8, 0x40000100, 0x20, false],
  // Bits that act are written alone where nothing else keeps a value.
  ["FLAGS.UNDER", "1", 56, 3, 2, false],
];
for (const [name, value, offset, before, after, isRead] of WRITES) {
  test(`${name} = ${value} makes 0x${before.toString(16)} 0x${after.toString(16)}${isRead ? ", after a read" : ""}`, async () => {
    const found = await withDevice(
      (registers) => {
        const writing = registers.write(name, value);
        assert.is(writing.before, isRead ? BigInt(before) : undefined);
        assert.is(writing.written, BigInt(after));
      },
      { [offset]: before },
    );
    assert.is(found.readUInt32LE(offset), after);
  });
}

test("64 bits are written as one", async () => {
  const found = await withDevice((registers) => registers.write("TIME", "0xfedcba9876543210"));
  assert.is(found.readBigUInt64LE(48), 0xfedcba9876543210n);
});

const REFUSALS = [
  ["ID", "1", "ERR_AXI_BAD_ARGUMENT", /it is RO/],
  ["CONTROL.BUSY", "0", "ERR_AXI_BAD_ARGUMENT", /CONTROL\.BUSY .*it is RO/],
  ["CONTROL.MODE", "4", "ERR_AXI_BAD_ARGUMENT", /0 to 0x3, or Grey, Colour/],
  ["CONTROL.MODE", "-1", "ERR_AXI_BAD_ARGUMENT", /0 to 0x3/],
  ["CONTROL.MODE", "grey", "ERR_AXI_BAD_ARGUMENT", /or Grey, Colour/],
  ["ADDRESS", "0x100000000", "ERR_AXI_BAD_ARGUMENT", /0 to 0xffffffff/],
  ["ADDRESS", "", "ERR_AXI_BAD_ARGUMENT", /0 to 0xffffffff/],
  ["KEY.LOW", "1", "ERR_AXI_BAD_ARGUMENT", /HIGH would have to be read first.*Write the whole register/],
  ["CONTORL", "1", "ERR_AXI_NO_SUCH_REGISTER", /Did you mean CONTROL\?/],
  ["XYZZY", "1", "ERR_AXI_NO_SUCH_REGISTER", /Registers: ID, VERSION, .*LUT/],
  ["CONTROL.MODES", "1", "ERR_AXI_NO_SUCH_REGISTER", /has GO, MODE, LOST, BUSY\. Did you mean MODE\?/],
  ["ADDRESS.LOW", "1", "ERR_AXI_NO_SUCH_REGISTER", /has no fields/],
  ["GAIN", "1", "ERR_AXI_NO_SUCH_REGISTER", /Did you mean GAIN0/],
  ["0x18", "1", "ERR_AXI_NO_SUCH_REGISTER", /Widget has none there/],
  ["0x11", "1", "ERR_AXI_NO_SUCH_REGISTER", /multiple of 4/],
  ["CONTROL.GO", "1", "ERR_AXI_NOT_ALLOWED", /starts the transfer "grab".*--allow-unchecked-dma=widget:left allows it/],
  ["CONTROL", "0x31", "ERR_AXI_NOT_ALLOWED", /starts the transfer "grab"/],
  ["0x8", "1", "ERR_AXI_NOT_ALLOWED", /starts the transfer "grab"/],
] as const;
for (const [name, value, code, message] of REFUSALS) {
  test(`${name} = ${value} is refused with ${code}, and nothing is written`, async () => {
    const pattern = Buffer.alloc(4096, 0x5a);
    pattern.writeUInt32LE(0x57494447, 0);
    pattern.writeUInt32LE(0x00010002, 4);
    const options = widgetSysroot();
    writeFileSync(join(options.sysroot, "dev/uio0"), pattern);
    const registers = await openDeviceRegisters("widget", options);
    const error = await rejectsWith(code, () => registers.write(name, value));
    assert.match(error.message, message);
    await registers.close();
    assert.ok(readFileSync(join(options.sysroot, "dev/uio0")).equals(pattern));
  });
}

test("another field of a register that starts transfers keeps a start that is set from being written again", async () => {
  await withDevice(
    async (registers) => {
      const { message } = await rejectsWith("ERR_AXI_NOT_ALLOWED", () => registers.write("CONTROL.MODE", "1"));
      assert.match(message, "0x11");
    },
    { 8: 1 },
  );
});

test("a start is written when unchecked transfers are allowed", async () => {
  const found = await withDevice((registers) => registers.write("CONTROL.GO", "1", { allowUncheckedDma: true }), {
    8: 0x10,
  });
  assert.is(found.readUInt32LE(8), 0x11);
});

test("a device without a description is read by offset when side effects are allowed, and written when transfers are", async () => {
  const found = await withDevice(
    async (registers) => {
      assert.is(registers.description, undefined);
      await rejectsWith("ERR_AXI_NO_SUCH_REGISTER", () => registers.read());
      assert.match(
        (await rejectsWith("ERR_AXI_NO_SUCH_REGISTER", () => registers.read("ID"))).message,
        "--devices DIR",
      );
      assert.match(
        (await rejectsWith("ERR_AXI_BAD_ARGUMENT", () => registers.read("0x10"))).message,
        /nobody has described/,
      );
      assert.is(registers.read("0x10", { sideEffects: true })[0]?.value, 0n);
      assert.match(
        (await rejectsWith("ERR_AXI_NOT_ALLOWED", () => registers.write("0x10", "3"))).message,
        "--allow-unchecked-dma=mystery allows it",
      );
      registers.write("0x10", "3", { allowUncheckedDma: true });
      await rejectsWith("ERR_AXI_GATE", () => registers.read("0x1000", { sideEffects: true }));
    },
    {},
    "mystery",
  );
  assert.is(found.readUInt32LE(16), 3);
});

for (const [what, words] of [
  ["another ID", { 0: 0xdead0000 }],
  ["a version that is too old", { 4: 0x00010001 }],
  ["a version that is too new", { 4: 0x00020000 }],
] as const) {
  test(`a device with ${what} is refused when it is opened, and let go of`, async () => {
    const options = widgetSysroot(words);
    await rejectsWith("ERR_AXI_WRONG_DEVICE", () => openDeviceRegisters("widget", options));
    // The lock is gone: it is refused for what it is, not for who has it.
    await rejectsWith("ERR_AXI_WRONG_DEVICE", () => openDeviceRegisters("widget", options));
  });
}

test("a device that is open is refused with who has it, until it is closed", async () => {
  const options = widgetSysroot();
  const first = await openDeviceRegisters("widget", options);
  const { message } = await rejectsWith("ERR_AXI_DEVICE_IN_USE", () => openDeviceRegisters("uio0", options));
  assert.match(message, `this process (${process.pid})`);
  await first.close();
  await (await openDeviceRegisters("uio0", options)).close();
});

test("a device or directory that does not exist is refused", async () => {
  const options = widgetSysroot();
  await rejectsWith("ERR_AXI_NO_SUCH_DEVICE", () => openDeviceRegisters("widget:right", options));
  for (const sysroot of ["", join(temporaryDirectory(), "nowhere"), join(options.sysroot, "dev/uio0")]) {
    await rejectsWith("ERR_AXI_USAGE", () => openDeviceRegisters("widget", { sysroot }));
  }
});

test.run();
