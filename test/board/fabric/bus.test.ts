import { closeSync, openSync, statSync, writeSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { VirtualBoard } from "../../../host/board/board";
import { BufferMemory } from "../../../host/board/memory/buffer-memory";
import { BoardFiles } from "../../../host/board/directory/files";
import { MemoryBus } from "../../../host/board/fabric/memory-bus";
import { createPagemap } from "../../../host/board/memory/page-frames";
import { SharedMemoryTable } from "../../../host/board/memory/shared-memory-table";
import { TableMemory } from "../../../host/board/memory/table-memory";
import { BoardUDmaBuf } from "../../../host/board/kernel/devices/u-dma-buf";
import { LinearMemory } from "../../../host/memory/linear-memory";
import { Pagemap } from "../../../host/memory/pagemap";
import { pageSizeBytes } from "../../../host/native/libc";
import { temporaryDirectory, temporaryFile } from "../../support/temporary";

const test = suite("bus");

/** The bus of a board whose devices reach what is in a table, and its buffer if it has one. */
function tableBus(sharedTable: SharedMemoryTable, pagemapPath: string, buffer?: BoardUDmaBuf): MemoryBus {
  const table = new SharedMemoryTable(sharedTable.buffer);
  const owners = [...(buffer ? [new BufferMemory(buffer)] : []), new TableMemory(table, pagemapPath)];
  return new MemoryBus(owners, (body) => table.whileUnchanged(body));
}

/** A memory of two WebAssembly pages that is shared with a bus, and its physical addresses. */
function system() {
  const path = join(temporaryDirectory(), "pagemap");
  const frames = createPagemap(path);
  const table = new SharedMemoryTable();
  const bus = tableBus(table, path);
  const memory = new LinearMemory({ initial: 2 });
  memory.bytes.fill(0x11);
  frames.assign(memory.range);
  table.share(memory.range);
  const pagemap = new Pagemap(path);
  const physical = (guestPtr: number) =>
    pagemap.frameOf(memory.baseAddress + BigInt(guestPtr)) * pageSizeBytes + (guestPtr % pageSizeBytes);
  return { bus, frames, table, memory, physical };
}

test("moves exactly the bytes of a transfer, at every offset and length of a line", () => {
  const { bus, memory, physical } = system();
  for (let offset = 0; offset < 64; offset += 7) {
    for (let length = 1; length <= 64; length += 9) {
      memory.bytes.fill(0x11);
      const start = pageSizeBytes + 256 + offset;
      assert.is(bus.write(physical(start), new Uint8Array(length).fill(0xaa)), "OKAY");
      const changed = memory.bytes.reduce((count, byte) => count + (byte === 0x11 ? 0 : 1), 0);
      assert.is(changed, length);
      assert.ok(memory.bytes.subarray(start, start + length).every((byte) => byte === 0xaa));
      const back = new Uint8Array(length);
      assert.is(bus.read(physical(start), back), "OKAY");
      assert.ok(back.every((byte) => byte === 0xaa));
    }
  }
});

test("answers DECERR where nobody is, and SLVERR for a burst across 4 KiB; both change nothing", () => {
  const { bus, memory, physical } = system();
  const data = new Uint8Array(64).fill(0xaa);
  assert.is(bus.write(2 ** 40 - 64, data), "DECERR");
  assert.is(bus.read(2 ** 52, data), "DECERR");
  assert.is(bus.write(0, data), "DECERR");
  assert.is(bus.write(physical(4096 - 32), data), "SLVERR");
  assert.ok(memory.bytes.every((byte) => byte === 0x11));
});

/** The pages of a memory by physical address, as in a page table, whatever they are in truth. */
function arranged(frames: readonly number[]) {
  const memory = new LinearMemory({ initial: 1 });
  memory.bytes.fill(0x11);
  const path = temporaryFile("pagemap", "");
  const fd = openSync(path, "r+");
  const firstPage = Number(memory.baseAddress / BigInt(pageSizeBytes));
  const setFrame = (page: number, frame: number) => {
    const entry = new BigUint64Array([frame === 0 ? 0n : (1n << 63n) | BigInt(frame)]);
    writeSync(fd, entry, 0, 8, (firstPage + page) * 8);
  };
  frames.forEach((frame, page) => setFrame(page, frame));
  const table = new SharedMemoryTable();
  table.share(memory.range);
  const bus = tableBus(table, path);
  return { bus, memory, setFrame, table, close: () => closeSync(fd) };
}

test("many bursts at once reach each page where it is, as one burst after the other would", () => {
  // In physical memory 100, 101, 102, 103 follow each other; here two of them do, and lie the other way round.
  const { bus, memory, close } = arranged([102, 103, 100, 101]);
  const data = new Uint8Array(3 * pageSizeBytes).map((_, at) => (at / 64) % 251);
  const start = 100 * pageSizeBytes + 128;
  assert.equal(bus.writeBursts(start, data, 64), [
    { physicalAddress: start, lengthBytes: data.length, response: "OKAY" },
  ]);
  const expected = new Uint8Array(4 * pageSizeBytes).fill(0x11);
  data.forEach((byte, at) => {
    const page = [2, 3, 0, 1][Math.floor((128 + at) / pageSizeBytes)] ?? 0;
    expected[page * pageSizeBytes + ((128 + at) % pageSizeBytes)] = byte;
  });
  assert.equal(memory.bytes.slice(0, 4 * pageSizeBytes), expected);
  const back = new Uint8Array(data.length);
  assert.is(bus.readBursts(start, back, 64)[0]?.response, "OKAY");
  assert.equal(back, data);
  close();
});

test("bursts that nobody answers are told apart from those that arrive, and change nothing", () => {
  const { bus, memory, close } = arranged([100, 0, 101, 103]);
  const data = new Uint8Array(5 * pageSizeBytes).fill(0xaa);
  const start = 100 * pageSizeBytes;
  const expected = [
    { physicalAddress: start, lengthBytes: 2 * pageSizeBytes, response: "OKAY" },
    { physicalAddress: start + 2 * pageSizeBytes, lengthBytes: pageSizeBytes, response: "DECERR" },
    { physicalAddress: start + 3 * pageSizeBytes, lengthBytes: pageSizeBytes, response: "OKAY" },
    { physicalAddress: start + 4 * pageSizeBytes, lengthBytes: pageSizeBytes, response: "DECERR" },
  ];
  assert.equal(bus.writeBursts(start, data, 64), expected);
  assert.ok(memory.bytes.subarray(pageSizeBytes, 2 * pageSizeBytes).every((byte) => byte === 0x11));
  assert.ok(memory.bytes.subarray(4 * pageSizeBytes).every((byte) => byte === 0x11));
  const back = new Uint8Array(data.length).fill(0x55);
  assert.equal(bus.readBursts(start, back, 64), expected);
  assert.ok(back.subarray(2 * pageSizeBytes, 3 * pageSizeBytes).every((byte) => byte === 0x55));
  close();
});

test("of bursts that are not aligned, those that cross 4 KiB fail, and only those", () => {
  const { bus, memory, close } = arranged([100, 101, 102]);
  const start = 100 * pageSizeBytes + 16;
  const bursts = (2 * 4096) / 64;
  const runs = bus.writeBursts(start, new Uint8Array(bursts * 64).fill(0xaa), 64);
  const single = Array.from({ length: bursts }, (_, index) => {
    return ((16 + index * 64) % 4096) + 64 > 4096 ? "SLVERR" : "OKAY";
  });
  assert.equal(
    runs.flatMap(({ lengthBytes, response }) => Array.from({ length: lengthBytes / 64 }, () => response)),
    single,
  );
  memory.bytes.subarray(0, 3 * 4096).forEach((byte, at) => {
    const burst = Math.floor((at - 16) / 64);
    assert.is(byte, single[burst] === "OKAY" ? 0xaa : 0x11, `byte ${at}`);
  });
  close();
});

test("a page that moves is not written to by bursts either", () => {
  const { bus, memory, setFrame, close } = arranged([100, 101]);
  const data = new Uint8Array(2 * pageSizeBytes).fill(0xaa);
  bus.writeBursts(100 * pageSizeBytes, data, 64);
  memory.bytes.fill(0x11);
  setFrame(1, 555);
  assert.equal(
    bus.writeBursts(100 * pageSizeBytes, data, 64).map(({ response }) => response),
    ["OKAY", "DECERR"],
  );
  assert.ok(memory.bytes.subarray(pageSizeBytes).every((byte) => byte === 0x11));
  close();
});

test("the board's buffer ends where it ends, and its file does not grow", () => {
  const board = new VirtualBoard();
  const files = new BoardFiles(board.sysroot);
  const buffer = new BoardUDmaBuf(files);
  const table = new SharedMemoryTable();
  const bus = tableBus(table, files.path("proc/self/pagemap"), buffer);
  const end = buffer.physicalAddress + buffer.lengthBytes;
  assert.equal(bus.writeBursts(end - 8192, new Uint8Array(16384).fill(0xaa), 64), [
    { physicalAddress: end - 8192, lengthBytes: 8192, response: "OKAY" },
    { physicalAddress: end, lengthBytes: 8192, response: "DECERR" },
  ]);
  assert.is(bus.write(end - 32, new Uint8Array(64)), "SLVERR");
  const line = new Uint8Array(64);
  assert.is(bus.read(end - 64, line), "OKAY");
  assert.ok(line.every((byte) => byte === 0xaa));
  assert.is(statSync(files.path("dev/axi:udmabuf@0x0")).size, buffer.lengthBytes);
  bus.close();
  buffer.close();
  return board.stop();
});

test("a page that has moved is not written to", () => {
  const memory = new LinearMemory({ initial: 1 });
  const path = temporaryFile("pagemap", "");
  const fd = openSync(path, "r+");
  const setFrame = (frame: bigint) => {
    const entry = new BigUint64Array([(1n << 63n) | frame]);
    writeSync(fd, entry, 0, 8, Number(memory.baseAddress / BigInt(pageSizeBytes)) * 8);
  };
  const table = new SharedMemoryTable();
  table.share(memory.range);
  const bus = tableBus(table, path);
  const data = new Uint8Array(64).fill(0xaa);
  setFrame(100n);
  assert.is(bus.write(100 * pageSizeBytes, data), "OKAY");
  memory.bytes.fill(0);
  setFrame(101n);
  assert.is(bus.write(100 * pageSizeBytes, data), "DECERR");
  assert.ok(memory.bytes.every((byte) => byte === 0));
  assert.is(bus.write(101 * pageSizeBytes, data), "OKAY");
  closeSync(fd);
});

test("memory that was withdrawn is out of reach", () => {
  const { bus, frames, table, memory, physical } = system();
  const address = physical(4096);
  assert.is(bus.write(address, new Uint8Array(64)), "OKAY");
  table.withdraw(memory.baseAddress);
  frames.release(memory.range);
  assert.is(bus.write(address, new Uint8Array(64).fill(0xaa)), "DECERR");
  assert.is(memory.bytes[4096], 0);
});

test("memory that has grown is reachable when it is shared again", () => {
  const { bus, frames, table, memory, physical } = system();
  memory.memory.grow(2);
  memory.bytes.fill(0x22, 3 * 65536);
  frames.assign(memory.range);
  table.share(memory.range);
  assert.is(bus.write(physical(3 * 65536 + 64), new Uint8Array(64).fill(0xaa)), "OKAY");
  assert.is(memory.bytes[3 * 65536 + 64], 0xaa);
  assert.is(memory.bytes[3 * 65536 + 128], 0x22);
});

test("a lock that a stopped script left behind does not stop the next one", () => {
  const { bus, table, memory, physical } = system();
  new Int32Array(table.buffer)[0] = 1;
  table.share(memory.range);
  assert.is(bus.write(physical(0), new Uint8Array(64)), "OKAY");
});

test.run();
