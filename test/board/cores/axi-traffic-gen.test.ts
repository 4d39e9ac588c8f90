import { suite } from "uvu";
import * as assert from "uvu/assert";
import { AxiTrafficGenModel } from "../../../host/board/cores/axi-traffic-gen";
import type { BurstBus, BurstRun, Response } from "../../../host/board/fabric/bus";
import { ThroughputTimer } from "../../../host/board/fabric/throughput";
import type { Fault } from "../../../host/board/cores/transfer-core";

const test = suite("AXI Traffic Generator model");

const REG = {
  id: 0x00,
  version: 0x04,
  config: 0x08,
  scratch: 0x0c,
  status: 0x10,
  control: 0x14,
  configAxi: 0x20,
  length: 0x30,
  addrLo: 0x40,
  addrHi: 0x44,
  cyclesRead: 0x50,
  cyclesWrite: 0x54,
  matching: 0x58,
};
const START_WR = 1;
const START_RD = 2;
const DONE_CLEAR = 0x100;
const SLICE_BYTES = 256 * 1024;
const MEMORY_BYTES = 1 << 20;

interface Issued {
  readonly kind: "read" | "write";
  readonly address: number;
  readonly lengthBytes: number;
}

/** One mebibyte of memory, again and again, that records what was asked of it. */
class RecordingBus implements BurstBus {
  readonly issued: Issued[] = [];
  readonly memory = new Uint8Array(MEMORY_BYTES);
  /** Answers in place of memory. */
  failing: (address: number) => Response = () => "OKAY";

  read(): Response {
    throw new Error("the generator issues runs of bursts");
  }

  write(): Response {
    throw new Error("the generator issues runs of bursts");
  }

  readBursts(address: number, into: Uint8Array, burstBytes: number): BurstRun[] {
    this.issued.push({ kind: "read", address, lengthBytes: into.length });
    return this.#bursts(address, into.length, burstBytes, (at, from) => {
      into.set(this.memory.subarray(from, from + burstBytes), at);
    });
  }

  writeBursts(address: number, data: Uint8Array, burstBytes: number): BurstRun[] {
    this.issued.push({ kind: "write", address, lengthBytes: data.length });
    return this.#bursts(address, data.length, burstBytes, (at, to) => {
      this.memory.set(data.subarray(at, at + burstBytes), to);
    });
  }

  #bursts(address: number, total: number, burstBytes: number, move: (at: number, place: number) => void): BurstRun[] {
    const runs: BurstRun[] = [];
    for (let at = 0; at < total; at += burstBytes) {
      const response = this.failing(address + at);
      if (response === "OKAY") move(at, (address + at) % MEMORY_BYTES);
      runs.push({ physicalAddress: address + at, lengthBytes: burstBytes, response });
    }
    return runs;
  }
}

function model(fault?: Fault) {
  const registers = new Int32Array(1024);
  const bus = new RecordingBus();
  const clock = { nowMs: 1000 };
  const core = new AxiTrafficGenModel(registers, bus, new ThroughputTimer("hp", () => 0), fault, () => clock.nowMs);
  const read = (offset: number) => (registers[offset / 4] ?? 0) >>> 0;
  const write = (offset: number, value: number) => {
    registers[offset / 4] = value;
    core.poll();
    core.settle();
  };
  /** Polls until nothing is under way; how often. */
  const finish = () => {
    let polls = 0;
    while (core.underWay && polls < 10_000) {
      core.poll();
      polls++;
    }
    return polls;
  };
  const words = () => new Uint32Array(bus.memory.buffer);
  return { registers, bus, clock, core, read, write, finish, words };
}

test("shows the documented values after reset, and 0 elsewhere", () => {
  const { registers, read } = model();
  assert.is(read(REG.id), 0xa8172a9e);
  assert.is(read(REG.version), 0x00000907);
  assert.is(read(REG.config), 0x00000404);
  assert.is(read(REG.status), 0x300);
  const known = [REG.id, REG.version, REG.config, REG.status];
  assert.ok([...registers.keys()].every((index) => known.includes(index * 4) || registers[index] === 0));
});

test("keeps what may be written, bit by bit, and puts everything else back", () => {
  const { registers, core, read } = model();
  registers.fill(-1);
  registers[REG.control / 4] = 0;
  core.settle();
  for (const offset of [REG.scratch, REG.length, REG.addrLo, REG.addrHi]) assert.is(read(offset), 0xffffffff);
  assert.is(read(REG.configAxi), 0x0003070f);
  assert.is(read(REG.config), 0x00000404);
  for (const offset of [REG.cyclesRead, REG.cyclesWrite, REG.matching, 0x24, 0x60, 0xa0, 0xffc])
    assert.is(read(offset), 0);
});

test("a write fills exactly LENGTH bursts with the number of the beat", () => {
  const { bus, read, write, words } = model();
  bus.memory.fill(0xee);
  write(REG.length, 3);
  write(REG.addrLo, 0x1000);
  write(REG.addrHi, 0xffffff12);
  write(REG.control, START_WR);
  assert.equal(bus.issued, [{ kind: "write", address: 0x1200001000, lengthBytes: 192 }]);
  for (let beat = 0; beat < 12; beat++) {
    const at = (0x1000 + beat * 16) / 4;
    assert.equal([...words().subarray(at, at + 4)], [beat, 0, 0, 0]);
  }
  assert.is(words()[(0x1000 - 4) / 4], 0xeeeeeeee);
  assert.is(words()[(0x1000 + 192) / 4], 0xeeeeeeee);
  assert.is(read(REG.cyclesWrite), 44);
  assert.is(read(REG.cyclesRead), 0);
});

test("a read counts the beats that match, in all of their 128 bits", () => {
  const { bus, read, write, words } = model();
  write(REG.length, 4);
  write(REG.control, START_WR);
  write(REG.control, DONE_CLEAR);
  for (const word of [0, 13, 22, 31]) words()[word] = 0xffffffff;
  write(REG.control, START_RD);
  assert.is(read(REG.matching), 16 - 4);
  assert.is(read(REG.cyclesRead), 76);
  assert.equal(bus.issued.at(-1), { kind: "read", address: 0, lengthBytes: 256 });
});

test("a burst that fails brings no beats, matching or not", () => {
  const { bus, read, write } = model();
  write(REG.length, 4);
  write(REG.control, START_WR);
  write(REG.control, DONE_CLEAR);
  // What was not brought is left in the buffer from the write, and would match.
  bus.failing = (address) => (address === 64 ? "DECERR" : "OKAY");
  write(REG.control, START_RD);
  assert.is(read(REG.matching), 12);
});

test("DONE holds the state machine: not ready, and no transfer is taken, until DONE_CLEAR", () => {
  const { bus, read, write } = model();
  write(REG.length, 1);
  write(REG.control, START_WR);
  assert.is(read(REG.status), 0x201);
  write(REG.control, START_WR);
  assert.is(bus.issued.length, 1);
  write(REG.control, START_RD);
  assert.is(read(REG.status), 0x003);
  assert.is(bus.issued.length, 2);
  write(REG.control, 0);
  assert.is(read(REG.status), 0x003);
  write(REG.control, DONE_CLEAR);
  assert.is(read(REG.status), 0x300);
  write(REG.control, START_WR);
  assert.is(bus.issued.length, 3);
});

test("a long transfer goes on piece by piece, and is under way meanwhile", () => {
  const { bus, core, read, write, words } = model();
  const bytes = 3 * SLICE_BYTES + 64;
  write(REG.length, bytes / 64);
  write(REG.control, START_WR);
  assert.is(bus.issued.length, 1);
  assert.is(read(REG.status), 0x200);
  // The address was latched: what is written now counts for the next transfer.
  write(REG.addrLo, 0x40000000);
  write(REG.length, 1);
  while (core.underWay) assert.ok(core.poll());
  assert.is(read(REG.status), 0x201);
  assert.equal(
    bus.issued.map(({ address, lengthBytes }) => [address, lengthBytes]),
    [
      [0, SLICE_BYTES],
      [SLICE_BYTES, SLICE_BYTES],
      [2 * SLICE_BYTES, SLICE_BYTES],
      [3 * SLICE_BYTES, 64],
    ],
  );
  for (let beat = 0; beat < bytes / 16; beat++) assert.is(words()[beat * 4], beat);
  assert.is(words()[bytes / 4], 0);
});

test("both directions at once do not mix", () => {
  const { read, write, finish } = model();
  write(REG.length, (2 * SLICE_BYTES) / 64);
  write(REG.control, START_WR);
  finish();
  write(REG.control, DONE_CLEAR);
  write(REG.control, START_WR | START_RD);
  assert.is(finish(), 1);
  assert.is(read(REG.status), 0x003);
  assert.is(read(REG.matching), (2 * SLICE_BYTES) / 16);
});

test("LENGTH 0 is 2^32 bursts, which the board does not wait for", () => {
  const { bus, core, write } = model();
  write(REG.addrLo, 0x1000);
  write(REG.control, START_WR);
  for (let i = 0; i < 5; i++) core.poll();
  assert.is(bus.issued.length, 6);
  assert.ok(core.underWay);
  assert.ok(bus.issued.every(({ lengthBytes }) => lengthBytes === SLICE_BYTES));
});

test("the address counter has 40 bits and goes on at 0", () => {
  const { bus, write, finish } = model();
  write(REG.addrLo, 0xffffff80);
  write(REG.addrHi, 0xff);
  write(REG.length, 4);
  write(REG.control, START_WR);
  finish();
  assert.equal(
    bus.issued.map(({ address, lengthBytes }) => [address, lengthBytes]),
    [
      [2 ** 40 - 128, 128],
      [0, 128],
    ],
  );
});

test("never-done and never-ready, as with the AXI Proxy", () => {
  const stuck = model("never-done");
  stuck.write(REG.length, 1);
  stuck.write(REG.control, START_RD);
  assert.is(stuck.read(REG.status), 0x100);
  stuck.write(REG.control, DONE_CLEAR);
  assert.is(stuck.read(REG.status), 0x100);
  const unready = model("never-ready");
  unready.write(REG.control, START_WR | START_RD);
  assert.is(unready.read(REG.status), 0);
  assert.is(stuck.bus.issued.length + unready.bus.issued.length, 0);
});

test("slow: nothing moves for 50 ms, and the core is at work meanwhile", () => {
  const { bus, clock, core, read, write } = model("slow");
  write(REG.length, 1);
  write(REG.control, START_WR);
  clock.nowMs += 49;
  assert.not(core.poll());
  assert.is(bus.issued.length, 0);
  assert.is(read(REG.status), 0x200);
  assert.ok(core.underWay);
  clock.nowMs += 1;
  assert.ok(core.poll());
  assert.is(bus.issued.length, 1);
  assert.is(read(REG.status), 0x201);
  assert.not(core.underWay);
});

test.run();
