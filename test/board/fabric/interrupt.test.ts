import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Fabric, type FabricDevice } from "../../../host/board/fabric/fabric";
import { BoardInterrupt } from "../../../host/board/fabric/interrupt";
import type { BurstBus } from "../../../host/board/fabric/bus";

const test = suite("interrupts of the board");

const NOTHING = -1;
/** TINT, and the mark of a value that the timer shows with it. */
const TINT_AS_SHOWN = 0x80000100 | 0;

function interrupt() {
  const page = new Int32Array(1024);
  return { page, line: new BoardInterrupt(page) };
}

test("an interrupt is enabled at first, counts, and masks itself until it is enabled again", () => {
  const { page, line } = interrupt();
  assert.ok(line.handle());
  assert.not(line.handle());
  assert.is(line.count, 1);
  page[1] = 1;
  assert.ok(line.takeControl());
  assert.is(page[1], NOTHING);
  assert.not(line.takeControl());
  assert.ok(line.handle());
  assert.is(line.count, 2);
  page[1] = 1;
  line.takeControl();
  page[1] = 0;
  line.takeControl();
  assert.not(line.handle());
});

test("a write of which bytes are still to come is left alone", () => {
  const { page, line } = interrupt();
  for (const partial of [0xffffff01, 0xffff0001, 0xff000001, 0xffffff00, 0xffff0000, 0xff000000]) {
    page[1] = partial | 0;
    assert.not(line.takeControl());
    assert.is(page[1], partial | 0);
  }
  page[1] = 0x00000001;
  assert.ok(line.takeControl());
});

test("the count of an earlier board goes on", () => {
  const page = new Int32Array(1024);
  page[0] = 41;
  const line = new BoardInterrupt(page);
  line.handle();
  assert.is(line.count, 42);
});

/** A fabric with a timer whose interrupt is due at once when it is started. */
function timerFabric(wiredTo: number | undefined) {
  const never = (): never => {
    throw new Error("the timer does not use the bus");
  };
  const bus: BurstBus = { read: never, write: never, readBursts: never, writeBursts: never };
  const fabric = new Fabric({ bus, faults: {}, random: () => 0, record: undefined });
  fabric.configure({ name: "t", cores: [{ kind: "axi-timer", address: 0xa0080000, interrupt: 89 }] });
  const { page, line } = interrupt();
  const registers = new Int32Array(1024);
  const node: FabricDevice = {
    device: { nodeName: "AxiTimer@a0080000", interrupt: wiredTo },
    maps: [{ range: { address: 0xa0080000 }, registers }],
    interrupt: line,
  };
  fabric.connect([node]);
  const shown = () => new DataView(registers.buffer).getInt32(0, true);
  /** Starts the timer and waits until TINT is set. */
  const fire = () => {
    registers[1] = 0;
    registers[0] = 0x1d2;
    const deadline = performance.now() + 10_000;
    while ((shown() & TINT_AS_SHOWN) !== TINT_AS_SHOWN && performance.now() < deadline) fabric.poll();
    assert.is(shown() & TINT_AS_SHOWN, TINT_AS_SHOWN);
  };
  return { fabric, node, page, line, registers, fire };
}

test("a line that stays up interrupts once for each time that it is enabled", () => {
  const { fabric, page, line, fire } = timerFabric(89);
  fire();
  for (let i = 0; i < 10; i++) fabric.poll();
  assert.is(line.count, 1);
  page[1] = 1;
  fabric.poll();
  assert.is(line.count, 2);
});

test("acknowledged, then enabled, both since the board looked: nothing comes", () => {
  const { fabric, page, line, registers, fire } = timerFabric(89);
  fire();
  assert.is(line.count, 1);
  // Stopped and acknowledged by one write, which the board sees after it has looked at the registers.
  const takeControl = line.takeControl.bind(line);
  let once = true;
  line.takeControl = () => {
    if (once) {
      once = false;
      registers[0] = 0x140;
      page[1] = 1;
    }
    return takeControl();
  };
  fabric.poll();
  assert.not(once);
  assert.is(line.count, 1);
});

test("an interrupt that the device tree wires to another number never comes", () => {
  for (const wiredTo of [88, undefined]) {
    const { line, fire } = timerFabric(wiredTo);
    fire();
    assert.is(line.count, 0);
  }
});

test("a device that was removed gets no more interrupts, though the core goes on; one that comes again does", () => {
  const { fabric, node, line, fire } = timerFabric(89);
  fabric.connect([]);
  fire();
  assert.is(line.count, 0);
  fabric.connect([node]);
  fabric.poll();
  assert.is(line.count, 1);
});

test.run();
