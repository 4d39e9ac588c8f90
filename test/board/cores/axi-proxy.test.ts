import { suite } from "uvu";
import * as assert from "uvu/assert";
import { AxiProxyModel } from "../../../host/board/cores/axi-proxy";
import type { Bus, Response } from "../../../host/board/fabric/bus";
import { PortTimer, randomNumbers } from "../../../host/board/fabric/port-timing";
import type { Fault } from "../../../host/board/cores/transfer-core";

const test = suite("AXI Proxy model");

const REG = {
  id: 0x00,
  version: 0x04,
  scratch: 0x0c,
  status: 0x10,
  control: 0x14,
  configAxi: 0x20,
  stats: 0x24,
  addrLo: 0x40,
  addrHi: 0x44,
  dataWr: 0x60,
  dataRd: 0xa0,
};

/** Memory that records every transfer. */
class RecordingBus implements Bus {
  readonly transfers: { kind: "read" | "write"; address: number; bytes: Uint8Array }[] = [];
  readonly memory = new Uint8Array(4096).map((_, at) => at % 251);
  response: Response = "OKAY";

  read(address: number, into: Uint8Array): Response {
    this.transfers.push({ kind: "read", address, bytes: Uint8Array.from(into) });
    if (this.response === "OKAY") into.set(this.memory.subarray(address % 4096, (address % 4096) + into.length));
    return this.response;
  }

  write(address: number, bytes: Uint8Array): Response {
    this.transfers.push({ kind: "write", address, bytes: Uint8Array.from(bytes) });
    return this.response;
  }
}

function model(fault?: Fault) {
  const registers = new Int32Array(1024);
  const bus = new RecordingBus();
  const proxy = new AxiProxyModel(registers, bus, new PortTimer("hpc", randomNumbers(1)), fault);
  const read = (offset: number) => (registers[offset / 4] ?? 0) >>> 0;
  const write = (offset: number, value: number) => {
    registers[offset / 4] = value;
    proxy.poll();
    proxy.settle();
  };
  return { registers, bus, proxy, read, write };
}

test("shows the documented values after reset, and 0 elsewhere", () => {
  const { registers, read } = model();
  assert.is(read(REG.id), 0xa8122081);
  assert.is(read(REG.version), 0x00000301);
  assert.is(read(REG.status), 0x300);
  const others = [...registers.keys()].filter((index) => ![REG.id, REG.version, REG.status].includes(index * 4));
  assert.ok(others.every((index) => registers[index] === 0));
});

test("a start that replaces another pulse, which the core is about to take, never looks like an idle core", () => {
  const { registers, bus, proxy, write } = model();
  const START_RD = 2;
  const DONE_CLEAR = 0x100;
  write(REG.control, START_RD);
  const told: number[] = [];
  // Called when the core has found a pulse, and before it is gone.
  proxy.onWrite((offset, value) => {
    if (offset !== REG.control) return;
    told.push(value);
    if (value === DONE_CLEAR) registers[REG.control / 4] = START_RD;
    else assert.is((registers[REG.status / 4] ?? 0) & 0x200, 0, "ready, and about to start");
  });
  registers[REG.control / 4] = DONE_CLEAR;
  proxy.poll();
  assert.equal(told, [DONE_CLEAR, START_RD]);
  assert.is(registers[REG.control / 4], 0);
  assert.is(bus.transfers.length, 2);
});

test("what is written with a start that replaces another pulse is told before that start", () => {
  const { registers, bus, proxy, write } = model();
  write(REG.control, 2);
  const told: [number, number][] = [];
  proxy.onWrite((offset, value) => {
    told.push([offset, value]);
    if (value !== 0x100) return;
    registers[REG.addrLo / 4] = 0x1000;
    registers[REG.dataWr / 4] = 7;
    registers[REG.control / 4] = 1;
  });
  registers[REG.control / 4] = 0x100;
  proxy.poll();
  assert.equal(told, [
    [REG.control, 0x100],
    [REG.addrLo, 0x1000],
    [REG.dataWr, 7],
    [REG.control, 1],
  ]);
  assert.is(bus.transfers[1]?.address, 0x1000);
});

test("pulses without end do not keep the core from everything else", () => {
  const { registers, proxy } = model();
  let pulses = 0;
  proxy.onWrite((offset) => {
    if (offset !== REG.control) return;
    pulses++;
    registers[REG.control / 4] = 0x400 * pulses;
    assert.ok(pulses < 1000, "it goes on and on");
  });
  registers[REG.control / 4] = 0x200;
  assert.ok(proxy.poll());
});

test("keeps what may be written, bit by bit, and puts everything else back", () => {
  const { registers, proxy, read } = model();
  registers.fill(-1);
  registers[REG.control / 4] = 0;
  proxy.settle();
  assert.is(read(REG.id), 0xa8122081);
  assert.is(read(REG.status), 0x300);
  assert.is(read(REG.scratch), 0xffffffff);
  assert.is(read(REG.configAxi), 0x0003070f);
  assert.is(read(REG.addrLo), 0xffffffff);
  assert.is(read(REG.addrHi), 0xffffffff);
  for (let i = 0; i < 4; i++) assert.is(read(REG.dataWr + 4 * i), 0xffffffff);
  for (let i = 0; i < 4; i++) assert.is(read(REG.dataRd + 4 * i), 0);
  for (const offset of [0x08, 0x18, 0x1c, 0x28, 0x3c, 0x48, 0x5c, 0x70, 0x9c, 0xb0, 0x3fc, 0xffc])
    assert.is(read(offset), 0);
});

test("a write sends the four words and 48 zero bytes to the 40-bit address", () => {
  const { bus, read, write } = model();
  for (let i = 0; i < 4; i++) write(REG.dataWr + 4 * i, 0x01020304 * (i + 1));
  write(REG.addrLo, 0x89abcd40);
  write(REG.addrHi, 0xffffff12);
  write(REG.control, 1);
  assert.is(bus.transfers.length, 1);
  const [{ kind, address, bytes }] = bus.transfers as [(typeof bus.transfers)[0]];
  assert.is(kind, "write");
  assert.is(address, 0x1289abcd40);
  assert.equal(
    [...new Uint32Array(bytes.buffer)].slice(0, 4),
    [1, 2, 3, 4].map((factor) => 0x01020304 * factor),
  );
  assert.ok(bytes.length === 64 && bytes.subarray(16).every((byte) => byte === 0));
  assert.is(read(REG.control), 0);
  assert.is(read(REG.status), 0x301);
});

test("a read keeps the first 16 of 64 bytes", () => {
  const { bus, read, write } = model();
  write(REG.addrLo, 0x40);
  write(REG.control, 2);
  assert.is(bus.transfers[0]?.bytes.length, 64);
  const expected = new Uint32Array(bus.memory.slice(0x40, 0x50).buffer);
  assert.equal(
    [0, 1, 2, 3].map((i) => read(REG.dataRd + 4 * i)),
    [...expected],
  );
  assert.is(read(REG.status), 0x302);
});

test("DONE is sticky until DONE_CLEAR, and clears both", () => {
  const { read, write } = model();
  write(REG.control, 2);
  write(REG.control, 1);
  assert.is(read(REG.status), 0x303);
  write(REG.control, 0);
  assert.is(read(REG.status), 0x303);
  write(REG.control, 0x100);
  assert.is(read(REG.status), 0x300);
  assert.is(read(REG.control), 0);
});

test("an error response shows in no register", () => {
  const { bus, read, write } = model();
  bus.response = "DECERR";
  write(REG.control, 2);
  assert.is(read(REG.status), 0x302);
  assert.is(read(REG.dataRd), 0);
});

test("counts the cycles of each direction on its own", () => {
  const { read, write } = model();
  write(REG.control, 2);
  assert.is(read(REG.stats) & 0xffff, 0);
  const readCycles = read(REG.stats) >>> 16;
  assert.ok(readCycles >= 40 && readCycles <= 43);
  write(REG.control, 1);
  assert.is(read(REG.stats) >>> 16, readCycles);
  const writeCycles = read(REG.stats) & 0x3ff;
  assert.ok(writeCycles >= 46 && writeCycles <= 47);
});

test("never-done: READY goes away, DONE does not come, the bus is quiet", () => {
  const { bus, read, write } = model("never-done");
  write(REG.control, 2);
  assert.is(read(REG.status), 0x100);
  write(REG.control, 2);
  assert.is(bus.transfers.length, 0);
});

test("never-ready: a start is not taken", () => {
  const { bus, read, write } = model("never-ready");
  assert.is(read(REG.status), 0);
  write(REG.control, 3);
  assert.is(bus.transfers.length, 0);
});

test.run();
