import { suite } from "uvu";
import * as assert from "uvu/assert";
import { AxiTimerModel } from "../../../host/board/cores/axi-timer";

const test = suite("AXI Timer model");

const TCSR = 0x00;
const TLR = 0x04;
const TCR = 0x08;
const SECOND = 0x10;
const UDT = 1 << 1;
const MDT = 1 << 0;
const ARHT = 1 << 4;
const LOAD = 1 << 5;
const ENIT = 1 << 6;
const ENT = 1 << 7;
const TINT = 1 << 8;
const STORED = 0xff;

/** A timer whose clock stands still but for `pass`. */
function timer() {
  const registers = new Int32Array(1024);
  const clock = { cycles: 5e9 };
  const model = new AxiTimerModel(registers, () => clock.cycles / 100_000);
  const read = (offset: number) => (registers[offset / 4] ?? 0) >>> 0;
  const store = (offset: number, value: number) => {
    registers[offset / 4] = value;
  };
  const write = (offset: number, value: number) => {
    store(offset, value);
    model.poll();
    model.settle();
  };
  const pass = (cycles: number) => {
    clock.cycles += cycles;
    const active = model.poll();
    model.settle();
    return active;
  };
  const status = (base = 0) => read(base + TCSR) & (STORED | TINT);
  return { registers, model, read, store, write, pass, status };
}

test("reads 0 everywhere after reset, and keeps what may be written", () => {
  const { registers, model, read } = timer();
  assert.ok(registers.every((value) => value === 0));
  registers.fill(-1);
  model.poll();
  model.settle();
  assert.is(read(TLR), 0xffffffff);
  assert.is(read(SECOND + TLR), 0xffffffff);
  // LOAD is among the bits, so that the counter shows what is loaded.
  assert.is(read(TCR), 0xffffffff);
  assert.is(read(TCSR), STORED);
  for (const offset of [0x0c, 0x1c, 0x20, 0x3fc, 0xffc]) assert.is(read(offset), 0);
});

test("counts down from TLR at 100 MHz", () => {
  const { model, read, write, pass } = timer();
  write(TLR, 1000);
  write(TCSR, LOAD);
  assert.is(read(TCR), 1000);
  assert.not(model.underWay);
  pass(50);
  assert.is(read(TCR), 1000);
  write(TCSR, UDT | ENT);
  assert.ok(model.underWay);
  pass(1);
  assert.is(read(TCR), 999);
  pass(900);
  assert.is(read(TCR), 99);
  write(TCSR, UDT);
  pass(1000);
  assert.is(read(TCR), 99);
});

test("sets TINT after TLR + 2 cycles, again and again with ARHT", () => {
  const { model, read, write, pass, status } = timer();
  write(TLR, 98);
  write(TCSR, LOAD);
  write(TCSR, UDT | ARHT | ENIT | ENT);
  assert.not(pass(99));
  assert.is(status() & TINT, 0);
  assert.not(model.interrupt);
  assert.ok(pass(1));
  assert.is(status() & TINT, TINT);
  assert.ok(model.interrupt);
  assert.is(read(TCR), 98);
  write(TCSR, UDT | ARHT | ENIT | ENT | TINT);
  assert.is(status(), UDT | ARHT | ENIT | ENT);
  assert.not(pass(99));
  assert.ok(pass(1));
  // Of many that were missed one is left, and the phase is kept.
  write(TCSR, UDT | ARHT | ENIT | ENT | TINT);
  assert.ok(pass(100 * 7 + 30));
  assert.is(read(TCR), 68);
  write(TCSR, UDT | ARHT | ENIT | ENT | TINT);
  assert.not(pass(69));
  assert.ok(pass(1));
});

test("without ARHT the counter stops when it has rolled over, until it is loaded", () => {
  const { model, read, write, pass, status } = timer();
  write(TLR, 10);
  write(TCSR, LOAD);
  write(TCSR, UDT | ENIT | ENT);
  assert.ok(pass(12));
  assert.is(read(TCR), 0xffffffff);
  assert.not(model.underWay);
  write(TCSR, UDT | ENIT | ENT | TINT);
  assert.not(pass(1e6));
  assert.is(status() & TINT, 0);
  write(TCSR, LOAD);
  write(TCSR, UDT | ENIT | ENT);
  assert.ok(pass(12));
});

test("counts up to the interrupt, too", () => {
  const { read, write, pass } = timer();
  write(TLR, 0xfffffff0);
  write(TCSR, LOAD);
  write(TCSR, ARHT | ENT);
  pass(15);
  assert.is(read(TCR), 0xffffffff);
  assert.not(pass(1));
  assert.is(read(TCR), 0);
  assert.ok(pass(1));
  assert.is(read(TCR), 0xfffffff0);
});

test("in capture mode it counts and rolls over without a word", () => {
  const { read, write, pass, status } = timer();
  write(TLR, 0xfffffff0);
  write(TCSR, LOAD);
  write(TCSR, MDT | ENT | ENIT);
  assert.not(pass(32));
  assert.is(read(TCR), 16);
  assert.is(status() & TINT, 0);
});

test("the interrupt line is up while TINT and ENIT of either timer are", () => {
  const { model, write, pass, status } = timer();
  write(SECOND + TLR, 10);
  write(SECOND + TCSR, LOAD);
  write(SECOND + TCSR, UDT | ENT);
  pass(12);
  assert.is(status(SECOND) & TINT, TINT);
  assert.not(model.interrupt);
  write(SECOND + TCSR, UDT | ENIT | ENT);
  assert.ok(model.interrupt);
  assert.is(status(), 0);
  write(SECOND + TCSR, UDT | ENIT | ENT | TINT);
  assert.not(model.interrupt);
});

test("a write of 1 clears TINT even if it changes no other bit, a write of 0 does not", () => {
  const { write, pass, status, read } = timer();
  const running = UDT | ARHT | ENIT | ENT;
  write(TLR, 10);
  write(TCSR, LOAD);
  write(TCSR, running);
  pass(12);
  assert.is(status(), running | TINT);
  write(TCSR, running);
  assert.is(status(), running | TINT);
  write(TCSR, running | TINT);
  assert.is(read(TCSR), running);
});

test("a write that comes while TINT is being set is not lost", () => {
  const { model, registers, write, pass } = timer();
  write(TLR, 10);
  write(TCSR, LOAD);
  write(TCSR, UDT | ARHT | ENIT | ENT);
  // Between the model's look at the register and its answer.
  const { compareExchange } = Atomics;
  let once = true;
  Atomics.compareExchange = ((array: Int32Array, index: number, expected: number, value: number) => {
    if (once && array === registers && index === 0) {
      once = false;
      registers[0] = UDT;
    }
    return compareExchange(array, index, expected, value);
  }) as typeof compareExchange;
  try {
    pass(12);
  } finally {
    Atomics.compareExchange = compareExchange;
  }
  assert.not(once);
  assert.not(model.underWay);
  assert.is((registers[0] ?? 0) & STORED, UDT);
});

test("LOAD that is overtaken by ENT is made good where TLR was changed, or the counter was at its end", () => {
  const { read, store, write, pass } = timer();
  store(TLR, 500);
  store(TCSR, LOAD);
  write(TCSR, UDT | ENT);
  pass(100);
  assert.is(read(TCR), 400);
  // Stopped and started, it goes on.
  write(TCSR, UDT);
  write(TCSR, UDT | ENT);
  pass(100);
  assert.is(read(TCR), 300);
  pass(1000);
  write(TCSR, TINT);
  store(TCSR, LOAD);
  write(TCSR, UDT | ENT);
  pass(100);
  assert.is(read(TCR), 400);
});

test.run();
