import { openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { VirtualBoard } from "../../host/board/board";
import { FpgaManager } from "../../host/linux/fpga-manager";
import { Sysroot } from "../../host/linux/sysroot";
import { AxiscriptError } from "../../host/util/errors";
import { hugePageBytes } from "../../host/memory/huge-pages";
import { pageSizeBytes } from "../../host/native/libc";
import { BusRecord } from "../support/bus-record";
import { foreignMemory } from "../support/foreign-memory";
import { type PhysicalRange, segmentsFrom } from "../support/granted-ranges";
import { firmwareOf, HostInstance } from "../support/host-instance";
import { reserveHugePages } from "../support/huge-pages";
import { seesPageFrames, testWhere } from "../support/rights";
import { BESIDE_A_RANGE, ELSEWHERE, FAR_TOO_LONG, OUT_OF_A_RANGE, takeAim } from "../support/stray-aims";
import { temporaryDirectory } from "../support/temporary";

const test = suite("transfers beside granted memory");

const LINE_BYTES = 64;
const PATTERN = 0xa5;
/** Where functions write segments. */
const SCRATCH_PTR = 0;
const DATA_PTR = 65536;
const [STATUS, CONTROL, ADDR_LO, ADDR_HI, LENGTH] = [0x10, 0x14, 0x40, 0x44, 0x30];
const STARTS = { write: 1, read: 2 } as const;
const DONE = { write: 1, read: 2 } as const;
const HELD = [ADDR_LO, ADDR_HI, LENGTH, 0x60, 0x64, 0x68, 0x6c];
const DEADLINE_MS = 20_000;
const BACKING = { pages: 0, hugetlb: 2, uDmaBuf: 3 } as const;
type Direction = keyof typeof STARTS;

/** What a script asks a device to do. */
interface Aim {
  readonly what: string;
  readonly address: number | bigint;
  /** Of the AXI Traffic Generator; a transfer of the AXI Proxy is one line. */
  readonly lines?: number;
}

/** A board with one kind of device, and its record. */
class Range {
  readonly board: VirtualBoard;
  readonly device: string;
  readonly record: BusRecord;
  readonly stream = openSync("/dev/null", "r+");
  readonly #hosts: HostInstance[] = [];

  constructor(device: "AxiProxy" | "AxiTrafficGen") {
    const record = join(temporaryDirectory(), "record.jsonl");
    this.device = device;
    this.board = new VirtualBoard({ record });
    const isProxy = device === "AxiProxy";
    const fpga = new FpgaManager(new Sysroot(this.board.sysroot));
    fpga.program(...firmwareOf(isProxy ? "axi_proxy" : "axi_traffic_gen"));
    const core = isProxy ? "axi-proxy@a0000000" : "axi-traffic-gen@a0040000";
    this.record = new BusRecord(this.board, record, device, core, this.stream);
  }

  /** A script of its own: its memory has the pattern. */
  script(pages = 4): HostInstance {
    const host = new HostInstance(this.board, { stream: this.stream, pages, maximum: 256 });
    host.memory.bytes.fill(PATTERN);
    this.#hosts.push(host);
    return host;
  }

  async close(): Promise<void> {
    for (const host of this.#hosts) host.close();
    this.record.close();
    await this.board.stop();
  }

  /** What becomes of a start: the code of a refusal, or what the bus has on record, over and done. */
  start(host: HostInstance, direction: Direction, { address, lines = 1, what }: Aim): string | PhysicalRange[] {
    const window = host.open(this.device, "hpc");
    assert.ok(window >= 0, `${what}: open gave ${window}`);
    const { read32, write32, poll32 } = host.gate.exports;
    const before = this.#registers();
    try {
      write32(window, ADDR_LO, Number(BigInt.asIntN(32, BigInt(address))));
      write32(window, ADDR_HI, Number(BigInt.asIntN(32, BigInt(address) >> 32n)));
      if (this.device === "AxiTrafficGen") write32(window, LENGTH, lines);
      write32(window, CONTROL, STARTS[direction]);
    } catch (error) {
      if (!(error instanceof AxiscriptError)) throw error;
      const after = this.#registers();
      for (const offset of [...HELD, CONTROL, STATUS]) {
        assert.is(after.readUInt32LE(offset), before.readUInt32LE(offset), `${what}: register ${offset}`);
      }
      // A script ends there, and its devices are free for others.
      host.close();
      return error.code;
    }
    assert.is(poll32(window, STATUS, DONE[direction], DONE[direction], DEADLINE_MS), 0, what);
    write32(window, CONTROL, 0x100);
    assert.is(poll32(window, STATUS, 0x303, 0x300, DEADLINE_MS), 0, what);
    assert.is(poll32(window, CONTROL, -1, 0, DEADLINE_MS), 0, what);
    assert.is(read32(window, CONTROL), 0);
    host.uio("close", window);
    return this.record.take().map(({ physicalAddress, lengthBytes }) => {
      return { start: physicalAddress, end: physicalAddress + lengthBytes };
    });
  }

  /** Everything is refused that is aimed at, in both directions, and nothing of it is on the bus. */
  checkRefused(prepare: (host: HostInstance) => void, aims: readonly Aim[], directions: readonly Direction[]): void {
    for (const aim of aims) {
      for (const direction of directions) {
        const host = this.script();
        prepare(host);
        assert.is(this.start(host, direction, aim), "ERR_AXI_DMA_REFUSED", `${direction} of ${aim.what}`);
      }
    }
    assert.equal(this.record.take(), []);
  }

  #registers(): Buffer {
    return readFileSync(join(this.board.sysroot, "dev/uio1")).subarray(0, 0x100);
  }
}

/** Everything that touches a granted range from outside, or sticks out of it. */
function neighbours(segments: readonly PhysicalRange[], mayHaveMany: boolean): Aim[] {
  const isInside = (address: number) => segments.some(({ start, end }) => start <= address && address < end);
  const strays = [...BESIDE_A_RANGE, ...(mayHaveMany ? OUT_OF_A_RANGE : [])];
  return segments.flatMap((segment, index) => {
    const where = `segment ${index} (${segment.start.toString(16)} to ${segment.end.toString(16)})`;
    const aims = strays.map((stray) => ({ ...takeAim(stray, segment), what: `${stray.what} ${where}` }));
    // What lies beside one segment may be another one of the same range.
    return aims.filter(({ address, lines }) => {
      const all = Array.from({ length: Math.min(lines, 2 ** 16) }, (_, line) => Number(address) + line * LINE_BYTES);
      return Number(address) % LINE_BYTES !== 0 || !all.every(isInside);
    });
  });
}

/** Memory that is nobody's, or not memory. */
function elsewhere(granted: number, mayHaveMany: boolean): Aim[] {
  const strays = [...ELSEWHERE, ...(mayHaveMany ? FAR_TOO_LONG : [])];
  return [
    ...strays.map((stray) => ({ ...takeAim(stray, { start: granted, end: granted }), what: stray.what })),
    { what: "its own registers", address: 0xa0010000 },
    { what: "the registers of the core beside it", address: 0xa0020000 },
    { what: "the control register of the generator beside it", address: 0xa0060000 },
  ];
}

const GRANTS: readonly [what: string, guestPtr: number, lengthBytes: number][] = [
  ["one line", DATA_PTR + 10 * LINE_BYTES, LINE_BYTES],
  ["three lines", DATA_PTR + 3 * LINE_BYTES, 3 * LINE_BYTES],
  ["the last line of a page", DATA_PTR + pageSizeBytes - LINE_BYTES, LINE_BYTES],
  ["a page", DATA_PTR + pageSizeBytes, pageSizeBytes],
  ["several pages", DATA_PTR + 2 * pageSizeBytes, 5 * pageSizeBytes],
  ["several pages, the outer ones in part", DATA_PTR + 7 * LINE_BYTES, 4 * pageSizeBytes],
];

function createRegion(host: HostInstance, guestPtr: number, lengthBytes: number, backing: number): PhysicalRange[] {
  const region = host.mem("region_create", guestPtr, lengthBytes, backing, 1, 0);
  assert.ok(region > 0, `region_create gave ${region}`);
  return segmentsFrom(host, SCRATCH_PTR, "region_segments", region);
}

for (const device of ["AxiProxy", "AxiTrafficGen"] as const) {
  const mayHaveMany = device === "AxiTrafficGen";

  test(`${device}: what touches a granted range, or sticks out of it, is refused; the range itself is not`, async () => {
    const range = new Range(device);
    for (const [what, guestPtr, lengthBytes] of GRANTS) {
      // Pages lie elsewhere in each script's memory: aims are made for each anew.
      const count = neighbours(createRegion(range.script(), guestPtr, lengthBytes, BACKING.pages), mayHaveMany).length;
      for (let index = 0; index < count; index++) {
        for (const direction of ["write", "read"] as const) {
          const host = range.script();
          const segments = createRegion(host, guestPtr, lengthBytes, BACKING.pages);
          const aim = neighbours(segments, mayHaveMany)[index];
          if (!aim) continue;
          const isWhole = (address: number) => address % LINE_BYTES === 0;
          assert.ok(segments.every(({ start, end }) => isWhole(start) && isWhole(end)));
          const outcome = range.start(host, direction, aim);
          assert.is(outcome, "ERR_AXI_DMA_REFUSED", `${what}: ${direction} of ${aim.what}`);
        }
      }
      assert.equal(range.record.take(), []);
      const host = range.script();
      const segments = createRegion(host, guestPtr, lengthBytes, BACKING.pages);
      for (const { start, end } of segments) {
        const lines = mayHaveMany ? (end - start) / LINE_BYTES : 1;
        for (const address of mayHaveMany ? [start] : [start, end - LINE_BYTES]) {
          for (const direction of ["write", "read"] as const) {
            const expected = [{ start: address, end: address + lines * LINE_BYTES }];
            assert.equal(range.start(host, direction, { what, address, lines }), expected);
          }
        }
      }
    }
    await range.close();
  });

  test(`${device}: memory that is granted in one direction is not used in the other`, async () => {
    const range = new Range(device);
    for (const [use, refused] of [
      [1, "write"],
      [2, "read"],
    ] as const) {
      const host = range.script();
      const region = host.mem("region_create", DATA_PTR, 256, BACKING.pages, 1, 0);
      assert.is(host.mem("region_restrict", region, use), 0);
      const [segment] = segmentsFrom(host, SCRATCH_PTR, "region_segments", region);
      const address = segment?.start ?? 0;
      const allowed = refused === "write" ? "read" : "write";
      assert.equal(range.start(host, allowed, { what: allowed, address }), [{ start: address, end: address + 64 }]);
      assert.is(range.start(host, refused, { what: refused, address }), "ERR_AXI_DMA_REFUSED");
    }
    assert.equal(range.record.take(), []);
    await range.close();
  });

  test(`${device}: memory that was given back is refused, and so is a page that was never asked for`, async () => {
    const range = new Range(device);
    for (const direction of ["write", "read"] as const) {
      const host = range.script();
      const region = host.mem("region_create", DATA_PTR, pageSizeBytes, BACKING.pages, 1, 0);
      const [segment] = segmentsFrom(host, SCRATCH_PTR, "region_segments", region);
      const address = segment?.start ?? 0;
      assert.equal(range.start(host, direction, { what: "granted", address }), [{ start: address, end: address + 64 }]);
      assert.is(host.mem("region_free", region), 0);
      assert.is(range.start(host, direction, { what: "freed", address }), "ERR_AXI_DMA_REFUSED");
    }
    assert.equal(range.record.take(), []);
    await range.close();
  });

  test(`${device}: addresses that are nobody's, of devices, or of more than 40 bits are refused`, async () => {
    const range = new Range(device);
    const other = createRegion(range.script(), DATA_PTR, pageSizeBytes, BACKING.pages)[0]?.start ?? 0;
    for (let index = 0; index < elsewhere(0, mayHaveMany).length; index++) {
      for (const direction of ["write", "read"] as const) {
        const host = range.script();
        const granted = createRegion(host, DATA_PTR, pageSizeBytes, BACKING.pages)[0]?.start ?? 0;
        const aim = elsewhere(granted, mayHaveMany)[index];
        if (!aim) continue;
        assert.is(range.start(host, direction, aim), "ERR_AXI_DMA_REFUSED", `${direction} of ${aim.what}`);
      }
    }
    assert.ok(other > 0);
    assert.equal(range.record.take(), []);
    await range.close();
  });

  test(`${device}: memory of another script in this process is refused, and does not change`, async () => {
    const range = new Range(device);
    const victim = range.script();
    const segments = createRegion(victim, DATA_PTR, 3 * pageSizeBytes, BACKING.pages);
    const content = () => Buffer.from(victim.memory.bytes.subarray(DATA_PTR));
    const before = content();
    const aims = segments.flatMap(({ start, end }) => [
      { what: "its first line", address: start },
      { what: "its last line", address: end - LINE_BYTES },
    ]);
    const prepare = (host: HostInstance) => createRegion(host, DATA_PTR, pageSizeBytes, BACKING.pages);
    range.checkRefused(prepare, aims, ["write", "read"]);
    // The victim itself may.
    const [own] = aims;
    assert.ok(own && Array.isArray(range.start(victim, "read", own)));
    assert.is(Buffer.compare(content(), before), 0);
    await range.close();
  });

  test(`${device}: of a u-dma-buf, what belongs to nobody or was given back is refused`, async () => {
    const range = new Range(device);
    const piece = (host: HostInstance) => {
      createRegion(host, DATA_PTR, pageSizeBytes, BACKING.uDmaBuf);
      return createRegion(host, DATA_PTR + 2 * pageSizeBytes, pageSizeBytes, BACKING.uDmaBuf);
    };
    const probe = range.script();
    const start = piece(probe)[0]?.start ?? 0;
    probe.close();
    const aims = [
      { what: "the page behind", address: start + pageSizeBytes },
      { what: "the middle of the buffer", address: start + 2 ** 24 },
      { what: "the last line and one behind", address: start + pageSizeBytes - LINE_BYTES, lines: 2 },
    ].filter(({ lines }) => mayHaveMany || lines === undefined);
    range.checkRefused((host) => piece(host), aims, ["write", "read"]);
    range.checkRefused(
      (host) => {
        piece(host);
        assert.is(host.mem("region_free", 2), 0);
      },
      [{ what: "what was given back", address: start }],
      ["write", "read"],
    );
    const host = range.script();
    piece(host);
    const lines = mayHaveMany ? (2 * pageSizeBytes) / LINE_BYTES : 1;
    const aim = { what: "both pieces", address: start - pageSizeBytes, lines };
    assert.equal(range.start(host, "write", aim), [{ start: aim.address, end: aim.address + lines * LINE_BYTES }]);
    await range.close();
  });

  testWhere(
    test,
    seesPageFrames(),
    "page frame numbers cannot be seen",
  )(`${device}: memory of another process is refused, and does not change`, async () => {
    const range = new Range(device);
    const foreign = await foreignMemory();
    const aims = foreign.pages.map((address, index) => ({ what: `page ${index} of another process`, address }));
    const prepare = (host: HostInstance) => createRegion(host, DATA_PTR, 3 * pageSizeBytes, BACKING.pages);
    range.checkRefused(prepare, aims, ["write", "read"]);
    assert.ok(await foreign.close());
    await range.close();
  });

  const huge = reserveHugePages(2);
  testWhere(
    test,
    huge.available,
    "no huge pages can be reserved",
  )(`${device}: what touches a huge page is refused`, async () => {
    const range = new Range(device);
    const blockBytes = hugePageBytes();
    const create = (host: HostInstance) => {
      const skew = Number(host.memory.baseAddress % BigInt(blockBytes));
      const guestPtr = blockBytes - skew;
      return createRegion(host, guestPtr < DATA_PTR ? guestPtr + blockBytes : guestPtr, blockBytes, BACKING.hugetlb);
    };
    const pages = (3 * blockBytes) / 65536;
    const count = neighbours([{ start: blockBytes, end: 2 * blockBytes }], mayHaveMany).length;
    for (let index = 0; index < count; index++) {
      const host = range.script(pages);
      const aim = neighbours(create(host), mayHaveMany)[index];
      if (aim) assert.is(range.start(host, "write", aim), "ERR_AXI_DMA_REFUSED", aim.what);
      host.close();
    }
    assert.equal(range.record.take(), []);
    await range.close();
  });
  test.after(() => {
    huge.release();
  });
}

test.run();
