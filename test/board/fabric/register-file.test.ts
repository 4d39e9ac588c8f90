import { suite } from "uvu";
import * as assert from "uvu/assert";
import { ALL_BITS, RegisterFile } from "../../../host/board/fabric/register-file";

const test = suite("register file");

function registerFile() {
  const shared = new Int32Array(8);
  const registers = new RegisterFile(
    shared,
    new Map([
      [0x04, ALL_BITS],
      [0x08, 0x0000ff00],
    ]),
  );
  return { shared, registers };
}

test("settling keeps the bits that software writes, and puts back every other", () => {
  const { shared, registers } = registerFile();
  registers.set(0x00, 0xdeadbeef);
  shared.fill(-1);
  registers.settle();
  assert.equal(
    [...shared].map((value) => value >>> 0),
    [0xdeadbeef, 0xffffffff, 0xff00, 0, 0, 0, 0, 0],
  );
});

test("numbers are unsigned, whichever way they come", () => {
  const { shared, registers } = registerFile();
  shared[1] = -2;
  assert.is(registers.load(0x04), 0xfffffffe);
  assert.ok(registers.clear(0x04, 0xfffffffe));
  assert.is(shared[1], 0);
  registers.set(0x00, 0x80000000);
  assert.is(registers.get(0x00), 0x80000000);
  assert.is(registers.load(0x00), 0x80000000);
});

test("a value that software has replaced meanwhile is not overwritten", () => {
  const { shared, registers } = registerFile();
  shared[1] = 0x80000001 | 0;
  assert.not(registers.clear(0x04, 0x80000002));
  assert.is(registers.load(0x04), 0x80000001);
  assert.ok(registers.replace(0x04, 0x80000001, 5));
  assert.is(shared[1], 5);
  shared[1] = 7;
  assert.not(registers.replace(0x04, 5, 6));
  assert.is(shared[1], 7);
});

test("what software writes while its register is being restored is not lost", () => {
  const { shared, registers } = registerFile();
  shared[2] = -1;
  const { compareExchange } = Atomics;
  let written = false;
  Atomics.compareExchange = ((array: Int32Array, index: number, expected: number, value: number) => {
    if (array === shared && index === 2) {
      written = true;
      shared[2] = 0x1200;
    }
    return compareExchange(array, index, expected, value);
  }) as typeof compareExchange;
  try {
    registers.settle();
  } finally {
    Atomics.compareExchange = compareExchange;
  }
  assert.ok(written);
  assert.is(shared[2], 0x1200);
});

test.run();
