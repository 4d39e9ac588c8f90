import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Bus } from "../../../host/board/fabric/bus";
import type { DeviceModel, DeviceModelContext } from "../../../host/board/cores/device-model";
import { UserBus } from "../../../host/board/fabric/user-bus";
import { UserCore } from "../../../host/board/cores/user-core";

const test = suite("cores with a model of the user's own");

/** Offsets of the registers of most models here. */
const [STATUS, CONTROL, VALUE, FIXED] = [0, 4, 8, 12];
const REGISTER_BYTES = 16;
const FIXED_VALUE = 0xf1bed000;

/** A model with these registers, CONTROL among them, that writes down what it is told. */
class Recorder implements DeviceModel {
  readonly registers = new Map([
    [STATUS, 0],
    [VALUE, 0],
    [FIXED, FIXED_VALUE],
  ]);
  readonly writes: [offset: number, value: number][] = [];
  readonly steps: number[] = [];
  busy = false;
  interrupt = false;

  regRead(offset: number): number {
    return this.registers.get(offset) ?? 0;
  }

  regWrite(offset: number, value: number): void {
    this.writes.push([offset, value]);
    if (offset === VALUE) this.registers.set(VALUE, value);
  }

  advance(cycles: number): void {
    this.steps.push(cycles);
  }
}

const NO_BUS = new UserBus(undefined);

/** A core whose clock stands still but for `pass`; 4 KiB of registers, of which the model knows 16 bytes. */
function coreOf<Model extends DeviceModel>(create: (context: DeviceModelContext) => Model) {
  const shared = new Int32Array(new SharedArrayBuffer(4096)).fill(0x5eed);
  const clock = { cycles: 5e9 };
  const lines: string[] = [];
  const log = (line: string) => lines.push(line);
  let model: Model | undefined;
  const core = new UserCore(shared, {
    path: __filename,
    name: "test@a0100000",
    description: {
      ...{ kind: "test", uioName: "Test", registerBytes: REGISTER_BYTES, handshake: [STATUS, CONTROL] },
      cores: [{ address: 0xa0100000 }],
      create: (context) => (model = create(context)),
    },
    context: { core: { address: 0xa0100000 }, bus: NO_BUS, log },
    log,
    now: () => clock.cycles / 100_000,
  });
  const read = (offset: number) => (shared[offset / 4] ?? 0) >>> 0;
  const store = (offset: number, value: number) => {
    shared[offset / 4] = value;
  };
  const pass = (cycles: number) => {
    clock.cycles += cycles;
    return core.poll();
  };
  return { core, model: model as Model, shared, lines, clock, read, store, pass };
}

const recorded = () => coreOf(() => new Recorder());

test("shows what the model's registers read, and 0 where it has none, whatever was there before", () => {
  const { shared } = recorded();
  assert.equal([...shared.slice(0, 5)], [0, 0, 0, FIXED_VALUE | 0, 0]);
  assert.ok(shared.slice(4).every((value) => value === 0));
});

test("software's write reaches the model once, as an unsigned number", () => {
  const { core, model, store, read } = recorded();
  assert.not(core.poll());
  assert.equal(model.writes, []);
  store(VALUE, 0xfedcba98);
  assert.ok(core.poll());
  assert.not(core.poll());
  assert.equal(model.writes, [[VALUE, 0xfedcba98]]);
  assert.is(read(VALUE), 0xfedcba98);
});

test("what software cannot write is put back, in the model's registers and beyond them", () => {
  const { core, model, store, read } = recorded();
  store(FIXED, 1);
  store(0x10, 2);
  store(0xffc, 3);
  core.poll();
  core.settle();
  assert.equal(model.writes, [[FIXED, 1]]);
  assert.equal([FIXED, 0x10, 0xffc].map(read), [FIXED_VALUE, 0, 0]);
});

test("a pulse is gone after a write, and can be written again", () => {
  const { core, model, store, read } = recorded();
  for (let times = 1; times <= 3; times++) {
    store(CONTROL, 1);
    core.poll();
    assert.is(read(CONTROL), 0);
    assert.is(model.writes.length, times);
  }
});

test("registers of the handshake are handed over after all others, and in their order", () => {
  const { core, model, store } = recorded();
  store(CONTROL, 1);
  store(STATUS, 2);
  store(FIXED, 3);
  store(VALUE, 4);
  core.poll();
  assert.equal(model.writes, [
    [VALUE, 4],
    [FIXED, 3],
    [STATUS, 2],
    [CONTROL, 1],
  ]);
});

test("what software wrote before a start is there with it, and a start that comes later waits its turn", () => {
  const { core, model, store } = recorded();
  const regWrite = model.regWrite.bind(model);
  model.regWrite = (offset, value) => {
    regWrite(offset, value);
    // Software goes on while the board looks.
    if (offset === VALUE && value === 1) store(CONTROL, 1);
  };
  store(VALUE, 1);
  core.poll();
  assert.equal(model.writes, [[VALUE, 1]]);
  core.poll();
  assert.equal(model.writes.slice(1), [[CONTROL, 1]]);
});

test("registers of the handshake are shown after all others: who sees them change sees what goes with it", () => {
  const shown: number[] = [];
  const { core, store } = coreOf(() => {
    const model = new Recorder();
    const regRead = model.regRead.bind(model);
    model.regRead = (offset) => {
      shown.push(offset);
      return regRead(offset);
    };
    return model;
  });
  shown.length = 0;
  store(CONTROL, 1);
  core.poll();
  assert.equal(shown, [VALUE, FIXED, STATUS, CONTROL]);
});

test("a write that comes while the board shows another value is not lost", () => {
  const { core, model, store, read } = recorded();
  const regRead = model.regRead.bind(model);
  let writes = 1;
  model.regRead = (offset) => {
    if (offset === VALUE && writes-- > 0) store(VALUE, 7);
    return regRead(offset);
  };
  // What the model has come to by itself meanwhile.
  model.registers.set(VALUE, 5);
  store(CONTROL, 1);
  core.poll();
  assert.is(read(VALUE), 7);
  core.poll();
  assert.equal(model.writes.at(-1), [VALUE, 7]);
});

test("time passes in bounded steps while the model is busy, and from then on", () => {
  const { core, model, store, pass } = recorded();
  pass(1_000_000);
  assert.equal(model.steps, []);
  assert.not(core.underWay);
  model.regWrite = () => {
    model.busy = true;
  };
  store(CONTROL, 1);
  pass(500);
  assert.ok(core.underWay);
  assert.equal(model.steps, [1000], "between a command and the answer to it");
  pass(1);
  assert.equal(model.steps, [1000], "which the clock has to reach first");
  pass(25_999);
  assert.equal(model.steps, [1000, 10_000, 10_000, 5000]);
  model.advance = (cycles) => {
    model.steps.push(cycles);
    model.busy = false;
  };
  assert.ok(pass(50_000));
  assert.equal(model.steps.slice(4), [10_000]);
  assert.not(core.underWay);
  assert.not(pass(50_000));
  assert.is(model.steps.length, 5);
});

test("a core whose BUSY rises late shows it when its start is gone", () => {
  const { core, model, store, read } = recorded();
  model.regWrite = () => {
    model.busy = true;
  };
  model.advance = (cycles) => {
    if (cycles >= 100) model.registers.set(STATUS, 1);
  };
  store(CONTROL, 1);
  core.poll();
  assert.is(read(CONTROL), 0);
  assert.is(read(STATUS), 1);
});

test("time passes for a model that does not say whether it is busy, and keeps no board awake", () => {
  const steps: number[] = [];
  const { core, pass } = coreOf(() => ({
    regRead: () => steps.length,
    regWrite: () => {},
    advance: (cycles: number) => steps.push(cycles),
  }));
  assert.not(pass(100));
  assert.equal(steps, [100]);
  assert.not(core.underWay);
});

test("a board that was stopped for long does not make up for all of it", () => {
  const { model, pass } = coreOf(() => Object.assign(new Recorder(), { busy: true }));
  pass(1e12);
  assert.is(
    model.steps.reduce((sum, cycles) => sum + cycles, 0),
    1e7,
  );
});

test("a model that is slower than its clock lets the board turn to other things", () => {
  const { model, clock, pass } = coreOf(() => Object.assign(new Recorder(), { busy: true }));
  model.advance = (cycles) => {
    model.steps.push(cycles);
    clock.cycles += 60_000;
  };
  assert.ok(pass(1_000_000));
  assert.is(model.steps.length, 2);
});

test("the model's interrupt is the core's line", () => {
  const { core, model, store } = recorded();
  assert.not(core.interrupt);
  model.regWrite = (_, value) => {
    model.interrupt = value === 1;
  };
  store(CONTROL, 1);
  core.poll();
  assert.ok(core.interrupt);
  store(CONTROL, 2);
  core.poll();
  assert.not(core.interrupt);
});

const FAILURES: Readonly<Record<string, (model: Recorder) => void>> = {
  regWrite: (model) => {
    model.regWrite = () => {
      throw new RangeError("enough");
    };
  },
  regRead: (model) => {
    model.regRead = () => {
      throw new RangeError("enough");
    };
  },
  advance: (model) => {
    model.busy = true;
    model.advance = () => {
      throw new RangeError("enough");
    };
  },
  busy: (model) => {
    Object.defineProperty(model, "busy", {
      get: () => {
        throw new RangeError("enough");
      },
    });
  },
};

for (const [what, breakModel] of Object.entries(FAILURES)) {
  test(`what ${what} throws ends the core: it says so once, and reads as it did`, () => {
    const { core, model, lines, store, read, pass } = recorded();
    store(VALUE, 77);
    core.poll();
    model.interrupt = true;
    breakModel(model);
    store(CONTROL, 1);
    pass(10);
    pass(10);
    core.settle();
    assert.is(lines.length, 1);
    assert.match(
      lines[0] ?? "",
      /^ERR_AXI_MODEL: core test@a0100000 is dead: RangeError: enough at .*user-core\.test\.js:\d+/,
    );
    const before = model.writes.length;
    store(VALUE, 1);
    store(FIXED, 1);
    store(0x40, 1);
    pass(10);
    core.settle();
    assert.is(model.writes.length, before);
    assert.equal([VALUE, FIXED, 0x40].map(read), [77, FIXED_VALUE, 0]);
    assert.not(core.interrupt);
    assert.not(core.underWay);
  });
}

test("a write that a model did not survive is taken back", () => {
  const { core, model, read, store } = recorded();
  FAILURES["regWrite"]?.(model);
  store(CONTROL, 1);
  core.poll();
  core.settle();
  assert.is(read(CONTROL), 0);
});

test("a register that reads no number ends the core", () => {
  const { core, model, lines, store } = recorded();
  model.regRead = (() => undefined) as unknown as Recorder["regRead"];
  store(VALUE, 1);
  core.poll();
  assert.match(lines.join(), /regRead\(0x8\) gave undefined, and should give a number/);
});

test("a create that throws, or gives no model, leaves a dead core whose registers read 0", () => {
  const creates: [() => unknown, RegExp][] = [
    [
      () => {
        throw new Error("not today");
      },
      /is dead: Error: not today/,
    ],
    [() => undefined, /is dead: TypeError: create\(\) gave no model/],
    [() => ({ regRead: () => 0 }), /create\(\) gave no model/],
    [() => ({ regRead: () => 0, regWrite: () => {}, advance: 1 }), /create\(\) gave no model/],
  ];
  for (const [create, says] of creates) {
    const { core, lines, shared } = coreOf(create as () => DeviceModel);
    assert.match(lines.join(), says);
    shared[0] = 1;
    assert.not(core.poll());
    core.settle();
    assert.ok(shared.every((value) => value === 0));
  }
});

test("the bus gives the memory's answers, and refuses what is no burst", () => {
  const seen: string[] = [];
  const memory: Bus = {
    read: (address, into) => {
      seen.push(`read ${address} ${into.length}`);
      return "SLVERR";
    },
    write: (address, data) => {
      seen.push(`write ${address} ${data.length}`);
      return "DECERR";
    },
  };
  const bus = new UserBus(memory);
  assert.is(bus.read(4096, new Uint8Array(64)), "SLVERR");
  assert.is(bus.write(8, Buffer.alloc(4)), "DECERR");
  const wrong = [
    [16n, new Uint8Array(1)],
    [-1, new Uint8Array(1)],
    [0.5, new Uint8Array(1)],
    [0, new Int32Array(1)],
    [0, new Uint8Array(0)],
  ] as [number, Uint8Array][];
  for (const [address, bytes] of wrong) {
    assert.throws(() => bus.read(address, bytes), /physical address|burst is/);
    assert.throws(() => bus.write(address, bytes), /physical address|burst is/);
  }
  assert.equal(seen, ["read 4096 64", "write 8 4"]);
  assert.throws(() => NO_BUS.read(0, new Uint8Array(1)), /names no "port"/);
});

test.run();
