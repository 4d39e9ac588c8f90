import { openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { VirtualBoard } from "../../host/board/board";
import { FpgaManager } from "../../host/linux/fpga-manager";
import { Sysroot } from "../../host/linux/sysroot";
import { AxiscriptError } from "../../host/util/errors";
import { pageSizeBytes } from "../../host/native/libc";
import { BusRecord, type RecordedTransfer } from "../support/bus-record";
import { type GrantedRange, GrantedRanges, segmentsFrom } from "../support/granted-ranges";
import { firmwareOf, HostInstance } from "../support/host-instance";
import { Random, scaled } from "../support/random";
import { temporaryDirectory } from "../support/temporary";

const test = suite("random writes to the registers of devices that reach memory");

const LIVES = scaled(250);
const STEPS_OF_A_LIFE = 300;
const SCRATCH_BYTES = 65536;
const MEMORY_PAGES = 16;
/** From here on lies a piece of a u-dma-buf, in one piece: transfers to it may take a while. */
const BUFFER_PTR = 8 * 65536;
const BUFFER_BYTES = 6 * 65536;
const PATTERN = 0xa5;
const LINE_BYTES = 64;
const [STATUS, CONTROL, ADDR_LO, ADDR_HI, LENGTH] = [0x10, 0x14, 0x40, 0x44, 0x30];
const DONE_CLEAR = 0x100;
const IDLE_DEADLINE_MS = 20_000;
const DIRECTIONS = [
  { name: "write", start: 1, ready: 1 << 8, done: 1 << 0 },
  { name: "read", start: 2, ready: 1 << 9, done: 1 << 1 },
] as const;

/** What the documentation of an IP says, for the test to know it by itself. */
interface Ip {
  readonly design: string;
  readonly name: string;
  /** What the record calls the core on port `hp`. */
  readonly markingCore: string;
  readonly held: readonly number[];
  readonly writable: readonly number[];
  readonly readOnly: readonly number[];
  readonly readsElsewhere: boolean;
  /** Whether a core that is done takes the next transfer only after DONE_CLEAR. */
  readonly staysDone: boolean;
  /** Bytes of a transfer. */
  readonly lengthBytes: (held: ReadonlyMap<number, number>) => number;
}

const IPS: readonly Ip[] = [
  {
    ...{ design: "axi_proxy", name: "AxiProxy", markingCore: "axi-proxy@a0000000" },
    ...{ readsElsewhere: true, staysDone: false },
    held: [ADDR_LO, ADDR_HI, 0x60, 0x64, 0x68, 0x6c],
    writable: [0x0c, 0x20],
    readOnly: [0x00, 0x04, STATUS, 0x24, 0xa0, 0xa4, 0xa8, 0xac],
    lengthBytes: () => 64,
  },
  {
    ...{ design: "axi_traffic_gen", name: "AxiTrafficGen", markingCore: "axi-traffic-gen@a0040000" },
    ...{ readsElsewhere: false, staysDone: true },
    held: [ADDR_LO, ADDR_HI, LENGTH],
    writable: [0x0c, 0x20],
    readOnly: [0x00, 0x04, 0x08, STATUS, 0x50, 0x54, 0x58],
    lengthBytes: (held) => (held.get(LENGTH) ?? 0) * 64,
  },
];

/** What came of the starts. */
interface Counts {
  passed: number;
  refused: number;
  busy: number;
  denied: number;
  recorded: number;
}

/** A script that writes what it likes, with a record of its own of what must come of it. */
class Life {
  readonly granted = new GrantedRanges();
  readonly #ip: Ip;
  readonly #random: Random;
  readonly #host: HostInstance;
  readonly #window: number;
  readonly #registers: () => Buffer;
  readonly #held = new Map<number, number>();
  readonly #counts: Counts;
  readonly #record: BusRecord;
  #ended = false;

  constructor(
    ip: Ip,
    random: Random,
    host: HostInstance,
    registersOf: (port: "hpc" | "acp") => Buffer,
    record: BusRecord,
    counts: Counts,
  ) {
    this.#ip = ip;
    this.#random = random;
    this.#host = host;
    this.#record = record;
    this.#counts = counts;
    host.memory.bytes.fill(PATTERN);
    const port = random.pick(["hpc", "acp"] as const);
    this.#registers = () => registersOf(port);
    this.#window = host.open(ip.name, port);
    assert.ok(this.#window >= 0, `open gave ${this.#window}`);
    for (const offset of ip.held) this.#held.set(offset, this.#read(offset));
  }

  /** Lives until the gate refuses something. */
  live(): void {
    if (this.#random.oneIn(2)) this.#grantBuffer();
    for (let grants = 1 + this.#random.below(4); grants > 0; grants--) this.#grant();
    for (let step = 0; step < STEPS_OF_A_LIFE && !this.#ended; step++) this.#step();
    this.#host.gate.bringToRest(IDLE_DEADLINE_MS);
    this.#checkRecord();
    this.#checkMemory();
  }

  #step(): void {
    const random = this.#random;
    const kind = random.below(20);
    if (kind < 8) this.#aim();
    else if (kind < 12) this.#start();
    else if (kind === 12) this.#grant();
    else if (kind === 13) this.#free();
    else if (kind === 14) this.#restrict();
    else if (kind === 15) this.#readAnything();
    else if (kind === 16 && random.oneIn(20)) this.#writeAnything();
    else this.#writeUseful();
  }

  #read(offset: number): number {
    return this.#host.gate.exports.read32(this.#window, offset) >>> 0;
  }

  #write(offset: number, value: number): void {
    this.#host.gate.exports.write32(this.#window, offset, value);
  }

  /** Writes an address: of something granted as a rule, or beside it, or of anything. */
  #aim(): void {
    const random = this.#random;
    const segments = this.granted.live.flatMap((range) => range.segments);
    let address = random.int32() >>> 0;
    if (segments.length > 0 && !random.oneIn(30)) {
      const { start, end } = random.pick(segments);
      const inside = start + LINE_BYTES * random.below(Math.ceil((end - start) / LINE_BYTES));
      const beside = [
        start - LINE_BYTES,
        end,
        end - LINE_BYTES,
        start - pageSizeBytes,
        end + pageSizeBytes,
        inside + 4,
      ];
      address = random.oneIn(12) ? random.pick(beside) : inside - (inside % LINE_BYTES);
    }
    const high = Math.floor(address / 2 ** 32) | (random.oneIn(80) ? 1 << random.below(32) : 0);
    this.#hold(ADDR_HI, high);
    this.#hold(ADDR_LO, address % 2 ** 32);
    if (this.#held.has(LENGTH)) {
      const usual = random.pick([1, 1, 1, 2, 3, 4, 64, 3000]);
      this.#hold(LENGTH, random.oneIn(30) ? random.pick([0, -1, 0x80000000, 0x3ffffff, 0x4000000, 2 ** 24]) : usual);
    }
  }

  #hold(offset: number, value: number): void {
    this.#awaitIdle();
    this.#write(offset, value);
    this.#held.set(offset, value >>> 0);
    assert.is(this.#read(offset), value >>> 0);
  }

  /** @param isAgain at once after another: then it may be under way */
  #start(isAgain = false): void {
    const random = this.#random;
    if (!isAgain && this.#ip.staysDone && !random.oneIn(8)) this.#clearDone();
    const possible = DIRECTIONS.filter(({ name }) => this.#mayTransfer(name)).map(({ start }) => start);
    const isWise = !random.oneIn(20);
    if (isWise && possible.length === 0) return;
    const bits = isWise ? random.pick(possible) : random.pick([1, 2, 3]);
    const value = bits | (random.oneIn(3) ? random.int32() & ~3 : 0);
    const isPatient = !isAgain && !random.oneIn(6);
    if (isPatient) this.#awaitIdle();
    const allowed = DIRECTIONS.filter(({ start }) => value & start).every(({ name }) => this.#mayTransfer(name));
    const before = this.#registers();
    const outcome = this.#try(() => this.#write(CONTROL, value));
    if (outcome === undefined) {
      assert.ok(allowed, `a start went through that must not: ${this.#describe(value)}`);
      this.#counts.passed++;
      if (!isAgain && random.oneIn(8)) this.#start(true);
      return;
    }
    assert.is(outcome.code, "ERR_AXI_DMA_REFUSED");
    const isBusy = /may be under way|has not shown since/.test(outcome.message);
    assert.ok(isBusy ? !isPatient : !allowed, `${outcome.message}: ${this.#describe(value)}`);
    this.#counts[isBusy ? "busy" : "refused"]++;
    if (isBusy) return;
    const after = this.#registers();
    for (const offset of this.#ip.held) {
      assert.is(after.readUInt32LE(offset), before.readUInt32LE(offset), `register ${offset} after a refused start`);
    }
    if (isPatient) assert.is(after.readUInt32LE(CONTROL) & 3, 0, "CONTROL after a refused start");
  }

  /** Whether a transfer of what is held is one of granted memory. */
  #mayTransfer(direction: "read" | "write"): boolean {
    const high = this.#held.get(ADDR_HI) ?? 0;
    const start = high * 2 ** 32 + (this.#held.get(ADDR_LO) ?? 0);
    const length = this.#ip.lengthBytes(this.#held);
    if (high > 0xff || length === 0 || start % LINE_BYTES !== 0 || start + length > 2 ** 40) return false;
    return this.granted.covers(direction, start, start + length);
  }

  #writeUseful(): void {
    const offset = this.#random.pick([...this.#ip.writable, ...this.#ip.held]);
    if (this.#held.has(offset)) {
      if (offset >= 0x60) this.#hold(offset, this.#random.int32());
    } else this.#write(offset, this.#random.int32());
  }

  /** An access anywhere: what is refused ends this life. */
  #writeAnything(): void {
    const { held, writable, readOnly } = this.#ip;
    const offset = this.#anyOffset();
    if (held.includes(offset) || offset === CONTROL) return;
    const before = this.#registers();
    const denied = this.#try(() => this.#write(offset, this.#random.int32()));
    assert.is(denied === undefined, writable.includes(offset), `a write at ${offset}`);
    if (denied) assert.is(denied.code, "ERR_AXI_GATE");
    if (denied && readOnly.includes(offset) && offset < 0x10) {
      assert.is(this.#registers().readUInt32LE(offset), before.readUInt32LE(offset));
    }
  }

  #readAnything(): void {
    const { held, writable, readOnly, readsElsewhere } = this.#ip;
    const offset = this.#random.oneIn(40) ? this.#anyOffset() : this.#random.pick([...held, ...writable, ...readOnly]);
    const isRegister = [...held, ...writable, ...readOnly, CONTROL].includes(offset);
    const isInside = offset >= 0 && offset < 0x1000 && offset % 4 === 0;
    const denied = this.#try(() => this.#read(offset));
    assert.is(denied === undefined, isRegister || (isInside && readsElsewhere), `a read at ${offset}`);
  }

  #anyOffset(): number {
    const random = this.#random;
    // Registers that a window may repeat are among these: of 10 bits, 0x414 is CONTROL.
    return random.pick([4 * random.below(64), 0x400 + 4 * random.below(64), 4 * random.below(1024), random.int32(), 2]);
  }

  /** What an access was refused with; then this life is over. */
  #try(access: () => unknown): AxiscriptError | undefined {
    try {
      access();
      return undefined;
    } catch (error) {
      if (!(error instanceof AxiscriptError)) throw error;
      this.#ended = true;
      this.#counts.denied++;
      return error;
    }
  }

  #grant(): void {
    const random = this.#random;
    const room = BUFFER_PTR - SCRATCH_BYTES;
    const guestPtr = SCRATCH_BYTES + random.pick([64, 4096, 8]) * random.below(room / 4096);
    const lengthBytes = Math.min(
      random.pick([64, 128, 4096, 8192, 1 + random.below(10000)]),
      SCRATCH_BYTES + room - guestPtr,
    );
    if (random.oneIn(3)) {
      const segments = segmentsFrom(this.#host, 0, "translate", guestPtr, lengthBytes);
      this.granted.add({ guestPtr, lengthBytes, use: "both", segments });
      return;
    }
    const region = this.#host.mem("region_create", guestPtr, lengthBytes, 0, 1, 0);
    assert.ok(region > 0, `region_create gave ${region}`);
    const segments = segmentsFrom(this.#host, 0, "region_segments", region);
    this.granted.add({ guestPtr, lengthBytes, use: "both", segments, region });
  }

  #grantBuffer(): void {
    const region = this.#host.mem("region_create", BUFFER_PTR, BUFFER_BYTES, 3, 1, 0);
    assert.ok(region > 0, `region_create gave ${region}`);
    const segments = segmentsFrom(this.#host, 0, "region_segments", region);
    this.granted.add({ guestPtr: BUFFER_PTR, lengthBytes: BUFFER_BYTES, use: "both", segments, region });
  }

  #anyRegion(): (GrantedRange & { readonly region: number }) | undefined {
    const regions = this.granted.live.flatMap((range) => (range.region === undefined ? [] : [range]));
    return regions.length > 0 ? (this.#random.pick(regions) as GrantedRange & { readonly region: number }) : undefined;
  }

  #free(): void {
    const range = this.#anyRegion();
    if (!range) return;
    const result = this.#host.mem("region_free", range.region);
    if (result === -16) return;
    assert.is(result, 0);
    // What was under way before was allowed then.
    this.#checkRecord();
    this.granted.remove(range);
  }

  #restrict(): void {
    const range = this.#anyRegion();
    if (!range) return;
    this.#awaitIdle();
    this.#checkRecord();
    const use = this.#random.below(3);
    assert.is(this.#host.mem("region_restrict", range.region, use), 0);
    this.granted.remove(range);
    this.granted.add({ ...range, use: (["both", "reads", "writes"] as const)[use] ?? "both" });
  }

  #clearDone(): void {
    this.#awaitIdle();
    this.#write(CONTROL, DONE_CLEAR);
    const both = DIRECTIONS[0].ready | DIRECTIONS[1].ready;
    assert.is(this.#host.gate.exports.poll32(this.#window, STATUS, both, both, IDLE_DEADLINE_MS), 0);
  }

  #awaitIdle(): void {
    const deadline = performance.now() + IDLE_DEADLINE_MS;
    for (;;) {
      const control = this.#read(CONTROL);
      const status = this.#read(STATUS);
      const isIdle = DIRECTIONS.every(({ ready, done }) => status & (ready | (this.#ip.staysDone ? done : 0)));
      if ((control & 3) === 0 && isIdle) return;
      assert.ok(performance.now() < deadline, `the device is at work: ${status.toString(16)}`);
    }
  }

  /** Everything on the bus since the last look lies in memory that was granted for it. */
  #checkRecord(): void {
    for (const transfer of this.#record.take()) this.#checkTransfer(transfer);
  }

  #checkTransfer({ direction, physicalAddress, lengthBytes, response, core }: RecordedTransfer): void {
    this.#counts.recorded++;
    const range = `${direction} of ${lengthBytes} bytes at ${physicalAddress.toString(16)} by ${core}`;
    assert.ok(this.granted.covers(direction, physicalAddress, physicalAddress + lengthBytes), `${range}: not granted`);
    assert.is(response, "OKAY", range);
  }

  /** Nothing of the script's own memory has changed that was not granted to be written. */
  #checkMemory(): void {
    const expected = Buffer.alloc(this.#host.memory.bytes.byteLength, PATTERN);
    const found = this.#host.memory.bytes;
    for (const { guestPtr, lengthBytes } of [
      { guestPtr: 0, lengthBytes: SCRATCH_BYTES },
      ...this.granted.everWritable,
    ]) {
      expected.set(found.subarray(guestPtr, guestPtr + lengthBytes), guestPtr);
    }
    assert.is(Buffer.compare(found, expected), 0, "memory that was not granted has changed");
  }

  #describe(control: number): string {
    const held = [...this.#held].map(([offset, value]) => `${offset.toString(16)}: ${value.toString(16)}`).join(", ");
    return `CONTROL ${control.toString(16)}, held ${held}, granted ${JSON.stringify(this.granted.live)}`;
  }
}

for (const [index, ip] of IPS.entries()) {
  test(`${ip.name}: starts go through exactly for granted memory, and nothing else is on the bus`, async () => {
    const random = new Random(index);
    const stream = openSync("/dev/null", "r+");
    const path = join(temporaryDirectory(), "record.jsonl");
    const board = new VirtualBoard({ record: path });
    new FpgaManager(new Sysroot(board.sysroot)).program(...firmwareOf(ip.design));
    const ids = { hpc: "uio1", acp: "uio2" };
    const registersOf = (port: keyof typeof ids) =>
      readFileSync(join(board.sysroot, "dev", ids[port])).subarray(0, 0x100);
    const record = new BusRecord(board, path, ip.name, ip.markingCore, stream);
    const bystander = new HostInstance(board, { stream });
    bystander.memory.bytes.fill(PATTERN);
    bystander.deviceMemory.translate(0, bystander.memory.bytes.byteLength);
    const untouched = Buffer.from(bystander.memory.bytes);
    const counts: Counts = { passed: 0, refused: 0, busy: 0, denied: 0, recorded: 0 };
    try {
      for (let life = 0; life < LIVES; life++) {
        const host = new HostInstance(board, { stream, pages: MEMORY_PAGES, maximum: MEMORY_PAGES });
        try {
          new Life(ip, random, host, registersOf, record, counts).live();
        } catch (error) {
          const reason = error instanceof Error ? (error.stack ?? error.message) : String(error);
          throw new Error(`life ${life}, ${random.seed}: ${reason}`, { cause: error });
        } finally {
          host.close();
        }
      }
      assert.is(Buffer.compare(bystander.memory.bytes, untouched), 0, "memory of another script has changed");
      const most = Object.values(counts).map((count) => count >= LIVES / 50);
      assert.ok(most.every(Boolean), `too few of something: ${JSON.stringify(counts)}`);
    } finally {
      bystander.close();
      record.close();
      await board.stop();
    }
  });
}

test.run();
