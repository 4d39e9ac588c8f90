import { readFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { RuntimeOptions } from "../../host/index";
import { tryPinMechanisms } from "../../host/memory/pins";
import { axiscript } from "../support/cli";
import { rejectsWith } from "../support/expect";
import { NR_HUGE_PAGES, reserveHugePages } from "../support/huge-pages";
import { assertNothingKept, settledResources } from "../support/resources";
import { canDropSysAdmin, testWhere, WITHOUT_SYS_ADMIN } from "../support/rights";
import { runText, WITH_PROXY } from "../support/run-script";
import { temporaryDirectory, temporaryFile } from "../support/temporary";
import { addUioDevice } from "../support/uio-device";

const test = suite("DmaBuffer");

const IMPORTS = `
import { AxiProxy, Backing, Cache, CacheLineArray, Contiguous, DmaBuffer, hex, list, translate, UioDevice, VirtualToPhysical, virtualAddressOf } from "axiscript/assembly";`;
const WITH_BUFFERS = `${WITH_PROXY.replace(/import [^;]*;/, IMPORTS.replace("hex,", "FpgaManager, hex,"))}
const proxy = new AxiProxy(device);
proxy.configAxi(15, 2, 1);
`;

/** The tests need 32 MiB of them. */
const HUGE_PAGES = 16;
const NO_HUGE_PAGES = `there are no huge pages: echo ${HUGE_PAGES} > ${NR_HUGE_PAGES}`;
const reserve = reserveHugePages(HUGE_PAGES);
const hugePages = reserve.available;
test.after(() => {
  reserve.release();
});
const transparent = /\[(always|madvise)\]/.test(readFileSync("/sys/kernel/mm/transparent_hugepage/enabled", "utf8"));

const KINDS = [
  ["Pages", true, ""],
  ["TransparentHugePages", transparent, "transparent huge pages are off"],
  ["Hugetlb", hugePages, NO_HUGE_PAGES],
  ["UDmaBuf", true, ""],
] as const;

for (const [backing, available, missing] of KINDS) {
  const where = testWhere(test, available, missing);

  where(`${backing}: its segments are its bytes, and no more of it is granted than its last line`, async () => {
    const sizes = backing === "Pages" ? [1, 64, 100, 4097, 100_000] : [100, 100_000, 1 << 20, (2 << 20) + 65];
    const { stdout } = await runText(
      `${WITH_BUFFERS}
for (let i = 1; i < process.argv.length; i++) {
  const length = I32.parseInt(process.argv[i]);
  const buffer = DmaBuffer.alloc(length, { backing: Backing.${backing} });
  let total: u64 = 0;
  const segments = buffer.segments;
  for (let s = 0; s < segments.length; s++) total += segments[s].lengthBytes;
  console.log(total.toString());
  const last = segments[segments.length - 1];
  // The whole of the last line is the buffer's.
  proxy.write((last.physicalAddress + last.lengthBytes - 1) & ~63, [5, 6, 7, 8]);
  buffer.free();
}
`,
      {},
      { args: sizes.map(String) },
    );
    assert.is(stdout, sizes.map((size) => `${size}\n`).join(""));
    const beyond = () =>
      runText(`${WITH_BUFFERS}
const buffer = DmaBuffer.alloc(100, { backing: Backing.${backing} });
const last = buffer.segments[0];
proxy.write((last.physicalAddress + last.lengthBytes + 63) & ~63, [5, 6, 7, 8]);
`);
    const { message } = await rejectsWith("ERR_AXI_DMA_REFUSED", beyond);
    assert.match(message, /are not all memory that this script was granted/);
  });

  where(`${backing}: begins as zeros on lines of its own, and the device and the script see the same`, async () => {
    const { stdout } = await runText(`${WITH_BUFFERS}
for (let length = 1; length < 200000; length = length * 3 + 61) {
  const before = heap.alloc(16);
  const buffer = DmaBuffer.alloc(length, { backing: Backing.${backing} });
  const after = heap.alloc(16);
  assert(buffer.backing == Backing.${backing});
  assert(buffer.lengthBytes == length && buffer.dataStart % 64 == 0);
  const end = (buffer.dataStart + length + 63) & ~63;
  assert(before + 16 <= buffer.dataStart || before >= end);
  assert(after >= end || after + 16 <= buffer.dataStart);
  let total: u64 = 0;
  const segments = buffer.segments;
  for (let i = 0; i < length; i++) assert(buffer.u8[i] == 0);
  buffer.u8.fill(0xa5);
  for (let i = 0; i < segments.length; i++) {
    total += segments[i].lengthBytes;
    if (segments[i].lengthBytes < 128) continue;
    // The second line of each segment: the device writes it, then reads it.
    const at = <i32>(total - segments[i].lengthBytes) + 64;
    if (at + 64 > length) continue;
    proxy.write(segments[i].physicalAddress + 64, [1, 2, 3, i]);
    assert(list(proxy.read(segments[i].physicalAddress + 64).words) == "[1, 2, 3, " + i.toString() + "]");
    for (let j = 0; j < 64; j++) {
      assert(buffer.u8[at + j] == <u8>(j == 0 ? 1 : j == 4 ? 2 : j == 8 ? 3 : j == 12 ? i & 255 : j == 13 ? i >> 8 : 0));
    }
    assert(buffer.u8[at - 1] == 0xa5 && (at + 64 == length || buffer.u8[at + 64] == 0xa5));
  }
  assert(total >= <u64>length);
  buffer.verify();
  buffer.syncForDevice();
  buffer.syncForCpu();
  buffer.free();
  heap.free(before);
  heap.free(after);
}
console.log("fine");`);
    assert.is(stdout, "fine\n");
  });

  where(`${backing}: 10,000 buffers leave nothing behind`, async () => {
    const source = (count: number) => `${WITH_BUFFERS}
for (let i = 0; i < ${count}; i++) DmaBuffer.alloc(1 + (i * 4001) % 20000, { backing: Backing.${backing} }).free();
console.log(memory.size().toString());`;
    await runText(source(1));
    const before = await settledResources();
    const { stdout } = await runText(source(10_000));
    assert.ok(Number(stdout) < 200, stdout);
    await assertNothingKept(before);
  });

  where(`${backing}: the host is asked for the segments once`, async () => {
    const { stdout } = await runText(`${WITH_BUFFERS}
const buffer = DmaBuffer.alloc(100000, { backing: Backing.${backing} });
assert(buffer.segments == buffer.segments);
console.log("fine");`);
    assert.is(stdout, "fine\n");
  });

  where(`${backing}: growth and collection change nothing`, async () => {
    const { stdout } = await runText(`${WITH_BUFFERS}
const buffer = DmaBuffer.alloc(100000, { backing: Backing.${backing} });
buffer.u8.fill(7);
const before = buffer.segments;
memory.grow(0);
for (let i = 0; i < 20; i++) { memory.grow(7); new StaticArray<u8>(100000).fill(1); __collect(); }
buffer.verify();
const now = translate(buffer.dataStart, 100000);
assert(now.length == before.length);
for (let i = 0; i < now.length; i++) assert(now[i].physicalAddress == before[i].physicalAddress);
for (let i = 0; i < 100000; i++) assert(buffer.u8[i] == 7);
proxy.write(now[0].physicalAddress, [1, 2, 3, 4]);
assert(buffer.i32[3] == 4 && buffer.u8[64] == 7);
console.log("fine");`);
    assert.is(stdout, "fine\n");
  });
}

testWhere(
  test,
  hugePages,
  NO_HUGE_PAGES,
)("contiguous: blocks of 2 MiB where there are huge pages", async () => {
  const { stdout } = await runText(`${WITH_BUFFERS}
const buffer = DmaBuffer.alloc(4 << 20, { contiguous: true });
const segments = buffer.segments;
assert(segments.length <= 2);
for (let i = 0; i < segments.length; i++) assert(segments[i].physicalAddress % (2 << 20) == 0);
console.log(buffer.backing.toString());`);
  assert.is(stdout, "2\n");
});

test("contiguous: one segment from the u-dma-buf, which has 32 MiB", async () => {
  const { stdout } = await runText(`${WITH_BUFFERS}
const buffer = DmaBuffer.alloc(32 << 20, { contiguous: Contiguous.Single });
assert(buffer.segments.length == 1 && buffer.segments[0].lengthBytes == 32 << 20);
assert(buffer.physicalAddress == buffer.segments[0].physicalAddress);
proxy.write(buffer.physicalAddress + (32 << 20) - 64, [1, 2, 3, 4]);
console.log(list([buffer.i32[(8 << 20) - 17], buffer.i32[(8 << 20) - 16], buffer.i32[(8 << 20) - 13]]));`);
  assert.is(stdout, "[0, 1, 4]\n");
});

test("alignment: of the physical address, and more than a page only where pages follow each other", async () => {
  const { stdout } = await runText(`${WITH_BUFFERS}
for (let alignment = 1; alignment <= 4096; alignment *= 2) {
  const buffer = DmaBuffer.alloc(100, { alignment });
  assert(buffer.segments[0].physicalAddress % alignment == 0);
}
DmaBuffer.alloc(100, { backing: Backing.UDmaBuf });
const buffer = DmaBuffer.alloc(100, { backing: Backing.UDmaBuf, alignment: 1 << 20 });
assert(buffer.physicalAddress % (1 << 20) == 0);
console.log("fine");`);
  assert.is(stdout, "fine\n");
});

test("views: i32, u8, f32, f64 and any other type over the same bytes, aligned for SIMD", async () => {
  const { stdout } = await runText(`${WITH_BUFFERS}
const buffer = DmaBuffer.alloc(64);
buffer.f64[1] = 1.5;
buffer.f32[0] = 2.5;
buffer.view<u16>()[31] = 0xffff;
console.log([buffer.i32.length, buffer.u8.length, buffer.f64.length, buffer.i32[15], buffer.i32[0]].toString());
console.log(buffer.f64[1].toString() + " " + (buffer.i32.dataStart % 64).toString() + " " + unchecked(buffer.u8[62]).toString());`);
  assert.is(stdout, "16,64,8,-65536,1075838976\n1.5 0 255\n");
});

test("views: SIMD loads and stores from dataStart on", async () => {
  const { stdout } = await runText(`${WITH_BUFFERS}
const xs = DmaBuffer.alloc(64).f32.fill(1.5);
for (let at: usize = 0; at < 64; at += 16) {
  const start = xs.dataStart + at;
  v128.store(start, f32x4.mul(v128.load(start), f32x4.splat(<f32>at)));
}
console.log(xs.toString());`);
  assert.is(
    stdout,
    `[${[0, 24, 48, 72].flatMap((value) => Array.from({ length: 4 }, () => `${value}.0`)).join(", ")}]\n`,
  );
});

for (const [what, code, statement] of [
  ["a length of 0", "ERR_AXI_BAD_ARGUMENT", "DmaBuffer.alloc(0)"],
  ["a negative length", "ERR_AXI_BAD_ARGUMENT", "DmaBuffer.alloc(-1)"],
  ["an alignment of 0", "ERR_AXI_BAD_ARGUMENT", "DmaBuffer.alloc(64, { alignment: 0 })"],
  ["an alignment that is no power of two", "ERR_AXI_BAD_ARGUMENT", "DmaBuffer.alloc(64, { alignment: 96 })"],
  ["an unknown backing", "ERR_AXI_BAD_ARGUMENT", "DmaBuffer.alloc(64, { backing: 9 })"],
  ["an unknown contiguity", "ERR_AXI_BAD_ARGUMENT", "DmaBuffer.alloc(64, { contiguous: 3 })"],
  ["an unknown cache mode", "ERR_AXI_BAD_ARGUMENT", "DmaBuffer.alloc(64, { cache: 3 })"],
  ["uncached pages", "ERR_AXI_BAD_ARGUMENT", "DmaBuffer.alloc(64, { cache: 1, backing: Backing.Pages })"],
  ["pages aligned to 1 GiB", "ERR_AXI_NOT_CONTIGUOUS", "DmaBuffer.alloc(64, { alignment: 1 << 30 })"],
  ["more than the memory can grow", "ERR_AXI_OUT_OF_MEMORY", "memory.grow(40000); DmaBuffer.alloc(0x7fffffff)"],
  [
    "more than the u-dma-buf has",
    "ERR_AXI_NO_U_DMA_BUF",
    "DmaBuffer.alloc((32 << 20) + 1, { backing: Backing.UDmaBuf })",
  ],
  ["more huge pages than there are", "ERR_AXI_NO_HUGE_PAGES", "DmaBuffer.alloc(1 << 30, { backing: Backing.Hugetlb })"],
  ["33 MiB in one segment", "ERR_AXI_NO_U_DMA_BUF", "DmaBuffer.alloc(33 << 20, { contiguous: Contiguous.Single })"],
  ["an empty array", "ERR_AXI_BAD_ARGUMENT", "DmaBuffer.of(new StaticArray<i32>(0))"],
  ["freeing twice", "ERR_AXI_REGION_FREED", "const b = DmaBuffer.alloc(64); b.free(); b.free()"],
  ["segments after free", "ERR_AXI_REGION_FREED", "const b = DmaBuffer.alloc(64); b.free(); b.segments"],
  ["the address after free", "ERR_AXI_REGION_FREED", "const b = DmaBuffer.alloc(64); b.free(); b.physicalAddress"],
  [
    "the virtual address after free",
    "ERR_AXI_REGION_FREED",
    "const b = DmaBuffer.alloc(64); b.free(); virtualAddressOf(b)",
  ],
  ["a view after free", "ERR_AXI_REGION_FREED", "const b = DmaBuffer.alloc(64); b.free(); b.i32"],
  [
    "a store through an old view",
    "ERR_AXI_ABORT",
    "const b = DmaBuffer.alloc(64); const v = b.i32; b.free(); v[0] = 1",
  ],
  ["a store behind the end", "ERR_AXI_ABORT", "DmaBuffer.alloc(64).i32[16] = 1"],
  ["one address of many segments", "ERR_AXI_NOT_CONTIGUOUS", "DmaBuffer.alloc(1 << 20).physicalAddress"],
  ["translating nothing", "ERR_AXI_BAD_ARGUMENT", "translate(64, 0)"],
  ["translating past the end", "ERR_AXI_BAD_POINTER", "translate((<usize>memory.size() << 16) - 8, 16)"],
  ["translating with a huge length", "ERR_AXI_BAD_POINTER", "translate(64, 0xffffffff)"],
  ["translating from outside", "ERR_AXI_BAD_POINTER", "translate(0xffffff00, 64)"],
] as const) {
  test(`refuses ${what}`, async () => {
    await rejectsWith(code, () => runText(`${WITH_BUFFERS}${statement};`));
  });
}

test("what cannot be had is taken from ordinary pages where the script says so, and that is told", async () => {
  const notes: string[] = [];
  const source = `${WITH_BUFFERS}
DmaBuffer.alloc(32 << 20, { backing: Backing.UDmaBuf });
const buffer = DmaBuffer.alloc(1 << 20, { backing: Backing.UDmaBuf, fallback: true });
console.log(buffer.backing.toString());`;
  const { stdout } = await runText(source, {}, { onNote: (note) => notes.push(note) });
  assert.is(stdout, "0\n");
  assert.match(notes.join("\n"), /1048576 bytes could not be had as asked for .* in \d+ segments/);
});

test("an array that was lent stays where it is and what it is, when the script drops it", async () => {
  const { stdout } = await runText(`${WITH_BUFFERS}
function lend(kind: i32): u64 {
  if (kind == 0) { const a = new StaticArray<u8>(300); a.fill(0x11); return virtualAddressOf(a); }
  if (kind == 1) { const a = new Uint8Array(300); a.fill(0x11); return virtualAddressOf(a); }
  if (kind == 2) { const a = new ArrayBuffer(300); memory.fill(changetype<usize>(a), 0x11, 300); return virtualAddressOf(a); }
  if (kind == 3) { const a = new Array<u8>(300); a.fill(0x11); const v = virtualAddressOf(a); for (let i = 0; i < 9999; i++) a.push(0x22); return v; }
  const a = new StaticArray<u8>(300); a.fill(0x11); const b = DmaBuffer.of(a); return virtualAddressOf(b);
}
const base = virtualAddressOf<usize>(0);
for (let kind = 0; kind < 5; kind++) {
  const lent: u64[] = [];
  for (let i = 0; i < 50; i++) lent.push(lend(kind));
  for (let round = 0; round < 3; round++) {
    __collect();
    for (let i = 0; i < 500; i++) new StaticArray<u8>(300).fill(0xee);
  }
  for (let i = 0; i < 50; i++) for (let j: usize = 0; j < 300; j++) assert(load<u8>(<usize>(lent[i] - base) + j) == 0x11);
}
console.log("fine");`);
  assert.is(stdout, "fine\n");
});

test("an array that was lent twice stays until the second is taken back", async () => {
  const { stdout } = await runText(`${WITH_BUFFERS}
function lend(): u64 {
  const a = new StaticArray<u8>(300);
  a.fill(0x11);
  const address = virtualAddressOf(a);
  DmaBuffer.of(a).free();
  return address;
}
const base = virtualAddressOf<usize>(0);
const lent: u64[] = [];
for (let i = 0; i < 50; i++) lent.push(lend());
for (let round = 0; round < 3; round++) {
  __collect();
  for (let i = 0; i < 500; i++) new StaticArray<u8>(300).fill(0xee);
}
for (let i = 0; i < 50; i++) for (let j: usize = 0; j < 300; j++) assert(load<u8>(<usize>(lent[i] - base) + j) == 0x11);
console.log("fine");`);
  assert.is(stdout, "fine\n");
});

for (const mechanism of ["io_uring", "hugetlb", "mlock"] as const) {
  testWhere(
    test,
    hugePages && tryPinMechanisms().some((state) => state.mechanism === mechanism && state.unavailable === undefined),
    hugePages ? "this user may not" : NO_HUGE_PAGES,
  )(`--pin ${mechanism}: the address of a buffer of huge pages is asked for, and its memory used again`, async () => {
    const { stdout } = await runText(
      `${WITH_BUFFERS}
for (let i = 0; i < 3; i++) {
  const buffer = DmaBuffer.alloc(4096, { backing: Backing.Hugetlb });
  const paddr = new VirtualToPhysical().getPhysicalAddress(virtualAddressOf(buffer));
  assert(paddr == buffer.physicalAddress && translate(buffer.dataStart, 64)[0].physicalAddress == paddr);
  proxy.write(paddr, [1, 2, 3, i]);
  assert(buffer.i32[3] == i);
  buffer.free();
}
console.log("fine");`,
      { pinMechanism: mechanism },
    );
    assert.is(stdout, "fine\n");
  });
}

test("an array that was lent is free again after free()", async () => {
  const { stdout } = await runText(`${WITH_BUFFERS}
for (let i = 0; i < 20000; i++) DmaBuffer.of(new StaticArray<u8>(5000)).free();
console.log((memory.size() < 100).toString());`);
  assert.is(stdout, "true\n");
});

const LENT = `${WITH_BUFFERS}
const tried: StaticArray<u8>[] = [];
let block = new StaticArray<u8>(300);
while (changetype<usize>(block) % 64 == 0) {
  tried.push(block);
  heap.alloc(16);
  block = new StaticArray<u8>(300);
}
const start = changetype<usize>(block);
const line = (start + 63) & ~63;
const vtp = new VirtualToPhysical();
`;

test("a device writes to the lines that an array has to itself", async () => {
  const { stdout } = await runText(`${LENT}
const paddr = vtp.getPhysicalAddress(virtualAddressOf(block)) + (line - start);
proxy.write(paddr, [1, 2, 3, 4]);
console.log(block[<i32>(line - start)].toString());
const lent = DmaBuffer.of(block);
proxy.write(lent.segments[0].physicalAddress + (line - start), [5, 2, 3, 4]);
console.log(block[<i32>(line - start)].toString());`);
  assert.is(stdout, "1\n5\n");
});

for (const [what, setUp] of [
  ["first", "const paddr = vtp.getPhysicalAddress(virtualAddressOf(block)) & ~63;"],
  [
    "last",
    "virtualAddressOf(block); const paddr = vtp.getPhysicalAddress(virtualAddressOf<usize>(start + 299)) & ~63;",
  ],
  ["first, of a lent array,", "const paddr = DmaBuffer.of(block).segments[0].physicalAddress & ~63;"],
  [
    "only, of a short array,",
    "const paddr = vtp.getPhysicalAddress(virtualAddressOf(StaticArray.fromArray<i32>([1, 2, 3]))) & ~63;",
  ],
] as const) {
  test(`a device does not write to an array's ${what} line, which holds other objects`, async () => {
    const source = `${LENT}${setUp}\nproxy.read(paddr);\nproxy.write(paddr, [1, 2, 3, 4]);`;
    const { message } = await rejectsWith("ERR_AXI_SHARED_CACHE_LINE", () => runText(source));
    assert.match(message, "CacheLineArray");
  });
}

const BUSY = `${WITH_BUFFERS}
const buffer = DmaBuffer.alloc(4096);
buffer.i32[0] = 1;
device.write32(0x40, <u32>buffer.physicalAddress);
device.write32(0x44, <u32>(buffer.physicalAddress >> 32));
device.write32(0x14, 1);
`;
const NEVER_DONE: RuntimeOptions = { faults: { hpc: "never-done" } };

test("a buffer is not freed while a device is at work, and its memory is kept when the script ends", async () => {
  const notes: string[] = [];
  const run = () => runText(`${BUSY}buffer.free();`, NEVER_DONE, { onNote: (note) => notes.push(note) });
  const { message } = await rejectsWith("ERR_AXI_DEVICE_BUSY", run);
  assert.match(message, "AxiProxy:hpc");
  assert.match(notes.join("\n"), "kept 4096 bytes pinned until this process ends: AxiProxy:hpc is still at work");
});

test("memory is kept where a device does not say when it is idle, and nothing else uses it", async () => {
  const notes: string[] = [];
  const sysroot = temporaryDirectory();
  // A board on which no overlay is applied takes devices for left-overs.
  await runText(WITH_PROXY, { sysroot });
  addUioDevice(sysroot, "uio9", { name: "Thing" });
  const source = `import { DmaBuffer, UioDevice } from "axiscript/assembly";
const device = UioDevice.open("Thing");
const buffer = DmaBuffer.alloc(4096);
const where = buffer.dataStart;
device.write32(0x20, 0);
buffer.free();
for (let i = 0; i < 100; i++) assert(DmaBuffer.alloc(4096).dataStart != where);
console.log("fine");`;
  const { stdout } = await runText(source, { sysroot }, { onNote: (note) => notes.push(note) });
  assert.is(stdout, "fine\n");
  assert.match(notes.join("\n"), /kept \d+ bytes .*Thing does not say when it is idle/);
});

test("a device that was only read cannot have been given an address: nothing is kept", async () => {
  const notes: string[] = [];
  const source = `${WITH_PROXY.replace("import {", "import { DmaBuffer,")}
const buffer = DmaBuffer.alloc(4096);
device.read32(0);
buffer.free();`;
  await runText(source, {}, { onNote: (note) => notes.push(note) });
  assert.is(notes.filter((note) => note.startsWith("kept")).length, 0);
});

for (const [what, code, ending] of [
  ["a trap in the middle of transfers", "ERR_AXI_TRAP", "if (i == 20) unreachable();"],
  ["a time limit", "ERR_AXI_TIMEOUT", "if (i == 20) while (true) {}"],
] as const) {
  test(`${what} leaves no descriptor, no pin and no mapping`, async () => {
    const source = `${WITH_BUFFERS}
const buffers: DmaBuffer[] = [];
for (let i = 0; i < 30; i++) {
  buffers.push(DmaBuffer.alloc(100000, { backing: i % 2 ? Backing.UDmaBuf : ${hugePages ? "Backing.Hugetlb" : "Backing.Pages"}, fallback: true }));
  proxy.write(buffers[i].segments[0].physicalAddress, [1, 2, 3, 4]);
  ${ending}
}`;
    await rejectsWith(code, () => runText(source, {}, { timeoutMs: 2000 }));
    const before = await settledResources();
    await rejectsWith(code, () => runText(source, {}, { timeoutMs: 2000 }));
    await assertNothingKept(before);
  });
}

test("Ctrl-C gives everything back", async () => {
  const source = `${WITH_BUFFERS}
const buffer = DmaBuffer.alloc(4 << 20, { contiguous: true, fallback: true });
console.log("running");
while (true) proxy.write(buffer.segments[0].physicalAddress, [1, 2, 3, 4]);`;
  let sent = false;
  const result = await axiscript(["run", "--board=virtual", temporaryFile("script.ts", source)], {
    onOutput: (stdout, child) => {
      if (sent || !stdout.includes("running")) return;
      sent = true;
      child.kill("SIGINT");
    },
  });
  assert.is(result.status, 130, result.stderr);
  assert.equal(result.leftBehind, []);
});

const EVERY_KIND = `${WITH_BUFFERS}
memory.grow(64); // past what blocks of huge pages cannot cover
for (let backing = 0; backing < 4; backing++) {
  const buffer = DmaBuffer.alloc(3 << 20, { backing, fallback: true });
  if (backing > 0 && buffer.backing == backing) assert(buffer.segments.length <= 2);
  const at = buffer.segments[buffer.segments.length - 1].physicalAddress;
  proxy.write(at, [backing, 2, 3, 4]);
  assert(proxy.read(at).words[0] == backing);
  buffer.verify();
  buffer.free();
}
console.log("fine");`;

testWhere(
  test,
  canDropSysAdmin() || process.getuid?.() !== 0,
  "setpriv cannot take CAP_SYS_ADMIN away here",
)(
  "without the right to see page frame numbers every kind of buffer works, and what is not guaranteed is said",
  async () => {
    const through = process.getuid?.() === 0 ? WITHOUT_SYS_ADMIN : [];
    const args = ["run", "--board=virtual", temporaryFile("script.ts", EVERY_KIND)];
    const { stdout, stderr, status } = await axiscript(args, { through });
    assert.is(status, 0, stderr);
    assert.is(stdout, "fine\n");
    assert.match(stderr, "physical addresses are the virtual board's own");
    assert.match(stderr, "cannot be verified here");
  },
);

for (const mechanism of ["io_uring", "af_xdp", "hugetlb", "mlock"] as const) {
  const available =
    mechanism === "io_uring" ||
    mechanism === "mlock" ||
    (mechanism === "hugetlb" ? hugePages : process.getuid?.() === 0);
  testWhere(
    test,
    available,
    mechanism === "hugetlb" ? NO_HUGE_PAGES : "this user may not",
  )(`--pin ${mechanism}: every kind of buffer works`, async () => {
    const args = ["run", "--board=virtual", "--pin", mechanism, temporaryFile("script.ts", EVERY_KIND)];
    const { stdout, stderr, status } = await axiscript(args);
    assert.is(status, 0, stderr);
    assert.is(stdout, "fine\n");
    assert.is(stderr.includes("best effort"), mechanism === "mlock", stderr);
  });
}

testWhere(
  test,
  process.getuid?.() === 0,
  "limits are not tried as an ordinary user",
)("a limit on locked memory is an error that says what to raise", async () => {
  const through = ["prlimit", "--memlock=65536:65536", "setpriv", "--bounding-set=-ipc_lock", "--inh-caps=-ipc_lock"];
  const script = temporaryFile("script.ts", `${WITH_BUFFERS}DmaBuffer.alloc(1 << 20);`);
  // Node 26 locks memory itself, and then another mechanism may be the first that works.
  const { stderr, status } = await axiscript(["run", "--board=virtual", "--pin=io_uring", script], {
    through,
  });
  assert.is(status, 1, stderr);
  assert.match(stderr, /ERR_AXI_PIN: Cannot pin \d+ bytes .*limit on locked memory.*ulimit -l/);
});

test.run();
