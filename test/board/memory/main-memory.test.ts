import { ftruncateSync, readSync, writeSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { FileMemory } from "../../../host/board/memory/file-memory";
import { MainMemory } from "../../../host/board/memory/main-memory";
import { MemoryBus } from "../../../host/board/fabric/memory-bus";
import { PortMemory } from "../../../host/board/fabric/port-memory";
import { snoops } from "../../../host/board/fabric/port";

import { closeDescriptor, createMemoryFile, MFD_CLOEXEC } from "../../../host/native/libc";

const test = suite("memory behind the caches");

const MEMORY_BYTES = 8 * 4096;
const UNCACHED = 4 * 4096;
/** In the middle of a page's last line, so that ranges cross lines and pages. */
const AT = 4096 - 64;

/** Memory that a processor sees, and what ports see that do not snoop its caches. */
function system() {
  const fd = createMemoryFile("memory", MFD_CLOEXEC);
  ftruncateSync(fd, MEMORY_BYTES);
  const seen = new MemoryBus([new FileMemory(fd, MEMORY_BYTES)]);
  let settled = 0;
  const main = new MainMemory(seen, {
    isCached: (address) => address < UNCACHED,
    settle: () => settled++,
  });
  return {
    ...{ seen, main },
    get settled() {
      return settled;
    },
    /** What the processor stores, and what it loads. */
    store: (address: number, bytes: readonly number[]) =>
      writeSync(fd, Uint8Array.from(bytes), 0, bytes.length, address),
    load: (address: number, lengthBytes: number) => {
      const bytes = new Uint8Array(lengthBytes);
      readSync(fd, bytes, 0, lengthBytes, address);
      return [...bytes];
    },
    /** What a device reads. */
    fetch: (address: number, lengthBytes: number) => {
      const into = new Uint8Array(lengthBytes).fill(0xee);
      assert.is(main.read(address, into), "OKAY");
      return [...into];
    },
    close: () => closeDescriptor(fd),
  };
}

function repeated(value: number, count: number): number[] {
  return new Array<number>(count).fill(value);
}

test("what the processor writes stays in its caches until it is synchronised", () => {
  const { main, store, fetch, close } = system();
  store(AT, repeated(7, 128));
  assert.equal(fetch(AT, 64), repeated(0, 64));
  main.syncForDevice(AT, 64);
  assert.equal(fetch(AT, 64), repeated(7, 64));
  assert.equal(fetch(AT + 64, 64), repeated(0, 64), "the next line was not synchronised");
  store(AT, repeated(8, 64));
  assert.equal(fetch(AT, 64), repeated(7, 64), "stale");
  main.syncForDevice(AT + 60, 8);
  assert.equal(fetch(AT, 64), repeated(8, 64), "a line of which a part was in the range");
  assert.equal(fetch(AT + 64, 64), repeated(7, 64), "both of them");
  close();
});

test("what a device writes is not seen until it is synchronised", () => {
  const { main, store, load, fetch, close } = system();
  store(AT, repeated(7, 64));
  main.syncForDevice(AT, 64);
  assert.is(main.write(AT, Uint8Array.from(repeated(9, 64))), "OKAY");
  assert.equal(load(AT, 64), repeated(7, 64));
  assert.equal(fetch(AT, 64), repeated(9, 64));
  main.syncForCpu(AT, 64);
  assert.equal(load(AT, 64), repeated(9, 64));
  close();
});

test("a line that the processor has not touched is not written back over what a device wrote; one that it has is", () => {
  const { main, store, fetch, close } = system();
  store(AT, repeated(7, 64));
  main.syncForDevice(AT, 64);
  main.write(AT, Uint8Array.from(repeated(9, 64)));
  main.syncForDevice(AT, 64);
  assert.equal(fetch(AT, 64), repeated(9, 64));
  store(AT + 5, [1]);
  main.syncForDevice(AT, 64);
  assert.equal(fetch(AT, 64), [...repeated(7, 5), 1, ...repeated(7, 58)]);
  close();
});

test("synchronised for the processor, a line that it shares with a device loses what it wrote there", () => {
  const { main, store, load, close } = system();
  store(AT, repeated(7, 64));
  main.syncForDevice(AT, 64);
  main.write(AT, Uint8Array.from(repeated(9, 16)));
  store(AT + 32, repeated(5, 16));
  store(AT - 64, repeated(5, 64));
  main.syncForCpu(0, 2 * 4096);
  assert.equal(load(AT, 64), [...repeated(9, 16), ...repeated(7, 48)]);
  assert.equal(load(AT - 64, 64), repeated(5, 64), "where no device wrote nothing is lost");
  close();
});

test("many bursts do the same, over pages and up to where memory ends", () => {
  const { main, store, load, close } = system();
  store(0, repeated(3, UNCACHED));
  const into = new Uint8Array(2 * 4096);
  assert.is(main.readBursts(64, into, 64).length, 1);
  assert.equal([...into], repeated(0, 2 * 4096));
  main.syncForDevice(0, UNCACHED);
  main.readBursts(64, into, 64);
  assert.equal([...into], repeated(3, 2 * 4096));
  main.writeBursts(64, new Uint8Array(2 * 4096).fill(4), 64);
  assert.equal(load(0, UNCACHED), repeated(3, UNCACHED));
  main.syncForCpu(0, UNCACHED);
  assert.equal(load(0, UNCACHED), [...repeated(3, 64), ...repeated(4, 2 * 4096), ...repeated(3, UNCACHED - 64 - 8192)]);
  assert.is(main.read(MEMORY_BYTES, new Uint8Array(64)), "DECERR");
  assert.is(main.write(MEMORY_BYTES, new Uint8Array(64)), "DECERR");
  const end = main.writeBursts(MEMORY_BYTES - 64, new Uint8Array(128), 64);
  assert.equal(
    end.map(({ response }) => response),
    ["OKAY", "DECERR"],
  );
  close();
});

test("memory that is not cached is the same for both", () => {
  const { main, store, load, fetch, close } = system();
  store(UNCACHED, repeated(7, 64));
  assert.equal(fetch(UNCACHED, 64), repeated(7, 64));
  main.write(UNCACHED, Uint8Array.from(repeated(8, 64)));
  assert.equal(load(UNCACHED, 64), repeated(8, 64));
  main.writeBursts(UNCACHED, Uint8Array.from(repeated(9, 128)), 64);
  assert.equal(load(UNCACHED, 128), repeated(9, 128));
  close();
});

test("before each transfer, what was asked for before is done", () => {
  const one = system();
  const data = new Uint8Array(64);
  one.main.read(0, data);
  one.main.write(0, data);
  one.main.readBursts(0, data, 64);
  one.main.writeBursts(0, data, 64);
  assert.is(one.settled, 4);
  one.close();
});

test("a port that snoops sees what the processor sees, and what it writes reaches memory, too", () => {
  const { main, seen, store, load, fetch, close } = system();
  let coherent = true;
  const port = new PortMemory({ seen, main, snoops: () => coherent });
  store(0, repeated(7, 128));
  const into = new Uint8Array(64);
  port.read(0, into);
  assert.equal([...into], repeated(7, 64));
  port.write(0, new Uint8Array(64).fill(8));
  port.writeBursts(64, new Uint8Array(64).fill(9), 64);
  assert.equal(load(0, 128), [...repeated(8, 64), ...repeated(9, 64)]);
  assert.equal(fetch(0, 128), [...repeated(8, 64), ...repeated(9, 64)]);
  coherent = false;
  store(0, repeated(1, 64));
  port.read(0, into);
  assert.equal([...into], repeated(8, 64));
  port.readBursts(0, into, 64);
  assert.equal([...into], repeated(8, 64));
  port.write(0, new Uint8Array(64).fill(2));
  port.writeBursts(64, new Uint8Array(64).fill(2), 64);
  assert.equal(load(0, 128), [...repeated(1, 64), ...repeated(9, 64)]);
  close();
});

test("HP never snoops, ACP always, HPC if the transfer is marked for it", () => {
  for (let cache = 0; cache < 16; cache++) {
    for (let prot = 0; prot < 8; prot++) {
      assert.is(snoops("hp", { cache, prot }), false);
      assert.is(snoops("acp", { cache, prot }), true);
      assert.is(snoops("hpc", { cache, prot }), cache >= 4 && prot === 2, `${cache} ${prot}`);
    }
  }
});

test.run();
