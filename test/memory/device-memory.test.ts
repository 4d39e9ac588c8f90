import {
  closeSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Sysroot } from "../../host/linux/sysroot";
import type { ActiveDevice } from "../../host/dma/active-device";
import { GrantedMemory } from "../../host/gate/granted-memory";
import { GATE_MEMORY_PAGES } from "../../host/gate/layout";
import { DeviceMemory, type RegionRequest } from "../../host/memory/device-memory";
import { hugePageBytes } from "../../host/memory/huge-pages";
import { LinearMemory } from "../../host/memory/linear-memory";
import { type PinMechanism, tryPinMechanisms } from "../../host/memory/pins";
import { adviseMemory, pageSizeBytes, tryLockFile } from "../../host/native/libc";
import { rejectsWith } from "../support/expect";
import { reserveHugePages } from "../support/huge-pages";
import { resources } from "../support/resources";
import { testWhere } from "../support/rights";
import { temporaryDirectory } from "../support/temporary";

const test = suite("device memory");
const PRESENT = 1n << 63n;
const U_DMA_BUF_PAGES = 16;
const MADV_NOHUGEPAGE = 15;

const hugePages = reserveHugePages(8);
test.after(() => {
  hugePages.release();
});

/** A memory whose pages have frames of the test's choosing, and a u-dma-buf device of 16 pages. */
class Fixture {
  readonly memory: LinearMemory;
  readonly devices: ActiveDevice[] = [];
  readonly granted = new GrantedMemory(new ArrayBuffer(GATE_MEMORY_PAGES * 65536));
  readonly deviceMemory: DeviceMemory;
  readonly #pagemap: number;
  readonly #directory: string;

  constructor(pages = 4, mechanism?: PinMechanism) {
    this.memory = new LinearMemory({ initial: pages, maximum: 2048 });
    const directory = temporaryDirectory();
    mkdirSync(join(directory, "proc/self"), { recursive: true });
    mkdirSync(join(directory, "dev"));
    this.#pagemap = openSync(join(directory, "proc/self/pagemap"), "w+");
    this.#directory = directory;
    this.addDevice("buffer", "0x0000000070000000");
    this.deviceMemory = new DeviceMemory(
      this.memory,
      new Sysroot(directory),
      {
        observer: {
          shareMemory: () => {},
          arrangeMemory: ({ virtualAddress, lengthBytes }, blockBytes) => {
            const guestPtr = Number(virtualAddress - this.memory.baseAddress);
            const first = blockBytes > pageSizeBytes ? 0x100000 : 0x1000;
            this.setFrames(guestPtr, lengthBytes / pageSizeBytes, (index) => first + index);
          },
        },
        grants: this.granted,
        activeDevices: () => this.devices,
      },
      mechanism && { mechanism },
    );
    this.setFrames(0, this.memory.bytes.byteLength / pageSizeBytes, (index) => 100 + 2 * index);
  }

  /** Adds a u-dma-buf device; gives its physical address. Behind its first pages it is a hole. */
  addDevice(name: string, address: string, lengthBytes = U_DMA_BUF_PAGES * pageSizeBytes): string {
    const attributes = join(this.#directory, "sys/class/u-dma-buf", name);
    mkdirSync(attributes, { recursive: true });
    writeFileSync(this.devicePath(name), Buffer.alloc(U_DMA_BUF_PAGES * pageSizeBytes, 0xee));
    truncateSync(this.devicePath(name), lengthBytes);
    for (const [attribute, value] of Object.entries({
      ...{ phys_addr: address, size: lengthBytes, sync_mode: 0, dma_coherent: 1 },
      ...{ sync_offset: 0, sync_size: 0, sync_direction: 0 },
    })) {
      writeFileSync(join(attributes, attribute), `${value}\n`);
    }
    // What was asked for is done when the write returns.
    for (const side of ["cpu", "device"]) {
      rmSync(join(attributes, `sync_for_${side}`), { force: true });
      symlinkSync("/dev/null", join(attributes, `sync_for_${side}`));
    }
    return address;
  }

  devicePath(name: string): string {
    return join(this.#directory, "dev", name);
  }

  /** Changes what an attribute of the first device reads. */
  writeAttribute(attribute: string, value: string): void {
    writeFileSync(join(this.#directory, "sys/class/u-dma-buf/buffer", attribute), `${value}\n`);
  }

  /** From now on nobody heeds what is written to an attribute of the first device. */
  leaveUndone(attribute: string): void {
    rmSync(join(this.#directory, "sys/class/u-dma-buf/buffer", attribute));
    this.writeAttribute(attribute, "0");
  }

  /** Makes it a system that was started with a device tree. */
  addDeviceTree(): void {
    mkdirSync(join(this.#directory, "sys/firmware/devicetree/base"), { recursive: true });
  }

  setFrames(guestPtr: number, count: number, frame: (index: number) => number): void {
    const entries = BigUint64Array.from({ length: count }, (_, index) => PRESENT | BigInt(frame(index)));
    const page = Number(this.memory.baseAddress) / pageSizeBytes + guestPtr / pageSizeBytes;
    writeSync(this.#pagemap, new Uint8Array(entries.buffer), 0, entries.byteLength, page * 8);
  }

  request(part: Partial<RegionRequest>): RegionRequest {
    return { guestPtr: 0, lengthBytes: 64, backing: "pages", cache: "cached", alignment: 64, ...part };
  }

  close(): void {
    this.deviceMemory.close();
    closeSync(this.#pagemap);
  }
}

/** The mappings that make up a linear memory: the first line of each, and its flags. */
function mappingsOf(memory: LinearMemory): string[] {
  const { virtualAddress, lengthBytes } = memory.range;
  return readFileSync("/proc/self/smaps", "utf8")
    .split(/\n(?=[0-9a-f]+-[0-9a-f]+ )/)
    .map((mapping) => mapping.replace(/\n[^]*VmFlags/, " "))
    .filter((line) => {
      const [start = 0n, end = 0n] =
        line
          .split(" ", 1)[0]
          ?.split("-")
          .map((text) => BigInt(`0x${text || 0}`)) ?? [];
      return start < virtualAddress + BigInt(lengthBytes) && end > virtualAddress;
    });
}

test("a physical address is the frame's address plus the offset in the page", () => {
  const fixture = new Fixture();
  fixture.setFrames(0, 2, (index) => [0x1a705, 0x7fffffff][index] ?? 0);
  const { deviceMemory, memory } = fixture;
  const page = BigInt(pageSizeBytes);
  assert.is(deviceMemory.physicalAddressOf(memory.baseAddress + 0x340n), 0x1a705n * page + 0x340n);
  assert.is(deviceMemory.physicalAddressOf(memory.baseAddress + page + 1n), 0x7fffffffn * page + 1n);
  fixture.close();
});

test("a page that moved is noticed, at the next translation, by verify and at the end", async () => {
  const fixture = new Fixture();
  const { deviceMemory, memory } = fixture;
  const region = deviceMemory.create(fixture.request({ guestPtr: pageSizeBytes, lengthBytes: 2 * pageSizeBytes }));
  deviceMemory.physicalAddressOf(memory.baseAddress);
  deviceMemory.verifyAll();
  fixture.setFrames(0, 1, () => 6);
  await rejectsWith("ERR_AXI_PAGE_MOVED", () => deviceMemory.physicalAddressOf(memory.baseAddress));
  await rejectsWith("ERR_AXI_PAGE_MOVED", () => deviceMemory.verifyAll());
  deviceMemory.verify(region);
  fixture.setFrames(2 * pageSizeBytes, 1, () => 7);
  await rejectsWith("ERR_AXI_PAGE_MOVED", () => deviceMemory.verify(region));
  fixture.close();
});

for (const { mechanism, unavailable } of tryPinMechanisms()) {
  testWhere(
    test,
    unavailable === undefined,
    `this system answers ${unavailable}`,
  )(`${mechanism}: pins exactly the pages of a range, keeps their content, and lets go of them`, () => {
    const fixture = new Fixture(64, mechanism);
    const { deviceMemory, memory } = fixture;
    // Of a huge page the kernel counts the whole.
    adviseMemory(Number(memory.baseAddress), memory.bytes.byteLength, MADV_NOHUGEPAGE);
    memory.bytes.forEach((_, at) => {
      memory.bytes[at] = at % 251;
    });
    const lengthBytes = 3 * pageSizeBytes;
    const before = resources();
    // Huge pages cannot hold what lies before the first aligned block.
    const start = mechanism === "hugetlb" ? Number(-memory.baseAddress & BigInt(hugePageBytes() - 1)) : 0;
    const region = deviceMemory.create(
      fixture.request({ guestPtr: start + 2 * pageSizeBytes - 8, lengthBytes: lengthBytes - 16, alignment: 1 }),
    );
    if (mechanism === "io_uring") {
      // The limit is not charged to a process with CAP_IPC_LOCK, but the count is kept.
      assert.is(resources().pinnedKilobytes - before.pinnedKilobytes, (4 * pageSizeBytes) / 1024);
    }
    assert.is(deviceMemory.pinMechanism, mechanism);
    assert.is(deviceMemory.segments(region).totalBytes, lengthBytes - 16);
    assert.ok(memory.bytes.subarray(0, 64 * 65536).every((byte, at) => byte === at % 251));
    assert.is(deviceMemory.free(region), true);
    const after = resources();
    assert.is(after.pinnedKilobytes, before.pinnedKilobytes);
    assert.is(after.descriptors, before.descriptors);
    fixture.close();
  });
}

for (const [mechanism, counter] of [
  ["io_uring", "VmPin"],
  ["mlock", "VmLck"],
] as const) {
  const held = () => Number(new RegExp(`${counter}:\\s+(\\d+)`).exec(readFileSync("/proc/self/status", "utf8"))?.[1]);
  const where = testWhere(
    test,
    tryPinMechanisms().some((state) => state.mechanism === mechanism && state.unavailable === undefined),
    "this system does not allow it",
  );
  where(`${mechanism}: pages of two regions stay until both are freed`, () => {
    const fixture = new Fixture(4, mechanism);
    const { deviceMemory, memory } = fixture;
    adviseMemory(Number(memory.baseAddress), memory.bytes.byteLength, MADV_NOHUGEPAGE);
    const before = held();
    const first = deviceMemory.create(fixture.request({ lengthBytes: 4 * pageSizeBytes }));
    const second = deviceMemory.create(
      fixture.request({ guestPtr: 2 * pageSizeBytes, lengthBytes: 4 * pageSizeBytes }),
    );
    deviceMemory.free(first);
    assert.is(held() - before, (4 * pageSizeBytes) / 1024);
    deviceMemory.free(second);
    assert.is(held(), before);
    fixture.close();
  });
}

for (const request of [
  { lengthBytes: 0 },
  { lengthBytes: 0xffffffff },
  { guestPtr: 4 * 65536, lengthBytes: 1 },
  { guestPtr: 4 * 65536 - 1, lengthBytes: 2 },
  { guestPtr: 0xffffffff, lengthBytes: 0xffffffff },
  { alignment: 0 },
  { alignment: 3 },
  { cache: "uncached" },
  { backing: "u-dma-buf", guestPtr: 4 * 65536 - pageSizeBytes, lengthBytes: pageSizeBytes + 100 },
  { backing: "u-dma-buf", guestPtr: 64, lengthBytes: pageSizeBytes },
] satisfies Partial<RegionRequest>[]) {
  test(`refuses a region with ${JSON.stringify(request)}`, async () => {
    const fixture = new Fixture();
    await rejectsWith(["ERR_AXI_BAD_ARGUMENT", "ERR_AXI_BAD_POINTER"], () =>
      fixture.deviceMemory.create(fixture.request(request)),
    );
    fixture.close();
  });
}

test("refuses an alignment that the pages do not have", async () => {
  const fixture = new Fixture();
  const alignment = 64 * pageSizeBytes;
  await rejectsWith("ERR_AXI_NOT_CONTIGUOUS", () => fixture.deviceMemory.create(fixture.request({ alignment })));
  fixture.close();
});

test("a region is freed once, and not used afterwards", async () => {
  const fixture = new Fixture();
  const { deviceMemory } = fixture;
  const region = deviceMemory.create(fixture.request({}));
  assert.is(deviceMemory.free(region), true);
  for (const use of [
    () => deviceMemory.free(region),
    () => deviceMemory.segments(region),
    () => deviceMemory.verify(region),
    () => deviceMemory.sync(region, "cpu"),
  ]) {
    await rejectsWith("ERR_AXI_NO_SUCH_REGION", use);
  }
  fixture.close();
});

test("a region is not freed while a device is at work", async () => {
  const fixture = new Fixture();
  const region = fixture.deviceMemory.create(fixture.request({}));
  fixture.devices.push({ deviceName: "Thing:one", state: "busy" });
  const error = await rejectsWith("ERR_AXI_DEVICE_BUSY", () => fixture.deviceMemory.free(region));
  assert.match(error.message, "Thing:one");
  fixture.devices.pop();
  assert.is(fixture.deviceMemory.free(region), true);
  fixture.close();
});

test("memory is kept where a device does not say that it is idle, and that is told", () => {
  const before = resources();
  const fixture = new Fixture();
  const { deviceMemory } = fixture;
  fixture.devices.push({ deviceName: "Thing:one", state: "unknown" });
  const region = deviceMemory.create(fixture.request({ lengthBytes: pageSizeBytes }));
  assert.is(deviceMemory.free(region), false);
  assert.equal(deviceMemory.close(), { lengthBytes: pageSizeBytes, devices: fixture.devices });
  if (deviceMemory.pinMechanism === "io_uring") {
    assert.is(resources().pinnedKilobytes, before.pinnedKilobytes + pageSizeBytes / 1024);
  }
});

/** What devices may do at a physical address: `r`, `w`, `rw`, or nothing. */
function usesAt({ granted }: Fixture, address: number): string {
  for (let index = 0; index < granted.length; index++) {
    const { start, end, reads, writes } = granted.at(index);
    if (start <= address && address < end) return (reads > 0 ? "r" : "") + (writes > 0 ? "w" : "");
  }
  return "";
}

test("a device may use what a region holds, and not a byte behind it, until it is freed", () => {
  const fixture = new Fixture();
  const { deviceMemory } = fixture;
  const region = deviceMemory.create(fixture.request({ guestPtr: 128, lengthBytes: 256 }));
  const start = 100 * pageSizeBytes + 128;
  assert.equal(
    [start - 1, start, start + 255, start + 256].map((address) => usesAt(fixture, address)),
    ["", "rw", "rw", ""],
  );
  deviceMemory.restrict(region, "reads");
  assert.is(usesAt(fixture, start), "r");
  deviceMemory.restrict(region, "writes");
  assert.is(usesAt(fixture, start), "w");
  assert.ok(deviceMemory.free(region));
  assert.is(fixture.granted.length, 0);
});

test("a device may use the page of an address, and a translated range, until the run ends", () => {
  const fixture = new Fixture();
  const { deviceMemory, memory } = fixture;
  deviceMemory.physicalAddressOf(memory.baseAddress + 5n);
  const page = 100 * pageSizeBytes;
  assert.equal(
    [page - 1, page, page + pageSizeBytes - 1, page + pageSizeBytes].map((at) => usesAt(fixture, at)),
    ["", "rw", "rw", ""],
  );
  deviceMemory.translate(pageSizeBytes, 64);
  assert.equal(
    [0, 63, 64].map((at) => usesAt(fixture, 102 * pageSizeBytes + at)),
    ["rw", "rw", ""],
  );
  deviceMemory.close();
  assert.is(fixture.granted.length, 0);
});

test("a device may use a u-dma-buf region, and with it what was translated in it is gone", () => {
  const fixture = new Fixture();
  const { deviceMemory } = fixture;
  const request = { backing: "u-dma-buf", lengthBytes: pageSizeBytes, guestPtr: 65536 } as const;
  const region = deviceMemory.create(fixture.request(request));
  deviceMemory.translate(65536, 128);
  assert.is(usesAt(fixture, 0x70000000), "rw");
  assert.ok(deviceMemory.free(region));
  assert.is(fixture.granted.length, 0);
});

test("what could not be made is not granted", async () => {
  const fixture = new Fixture();
  await rejectsWith("ERR_AXI_NOT_CONTIGUOUS", () =>
    fixture.deviceMemory.create(fixture.request({ alignment: 2 ** 30 })),
  );
  assert.is(fixture.granted.length, 0);
});

test("a piece of a u-dma-buf lies where the device says, and holds what is stored", () => {
  const fixture = new Fixture();
  const { deviceMemory, memory } = fixture;
  const lengthBytes = 2 * pageSizeBytes;
  const request = { backing: "u-dma-buf", lengthBytes } as const;
  const first = deviceMemory.create(fixture.request({ ...request, guestPtr: 65536 }));
  const second = deviceMemory.create(fixture.request({ ...request, guestPtr: 2 * 65536 }));
  assert.equal([...deviceMemory.segments(first)], [{ physicalAddress: 0x70000000n, lengthBytes }]);
  assert.is(deviceMemory.segments(second).at(0).physicalAddress, 0x70000000n + BigInt(lengthBytes));
  assert.is(deviceMemory.physicalAddressOf(memory.baseAddress + 65536n + 5n), 0x70000005n);
  assert.is(deviceMemory.translate(65536 + 8, 16).at(0).physicalAddress, 0x70000008n);
  memory.bytes[65536] = 0x55;
  deviceMemory.sync(first, "device");
  deviceMemory.verify(first);
  assert.is(deviceMemory.free(first), true);
  assert.is(memory.bytes[65536], 0);
  const third = deviceMemory.create(fixture.request({ ...request, guestPtr: 65536 }));
  assert.is(deviceMemory.segments(third).at(0).physicalAddress, 0x70000000n);
  assert.is(memory.bytes[65536], 0);
  fixture.close();
});

test("a synchronisation that nobody does is an error", async () => {
  const fixture = new Fixture();
  const { deviceMemory } = fixture;
  const region = deviceMemory.create(
    fixture.request({ backing: "u-dma-buf", lengthBytes: pageSizeBytes, guestPtr: 65536 }),
  );
  fixture.leaveUndone("sync_for_cpu");
  deviceMemory.sync(region, "device");
  const { message } = await rejectsWith("ERR_AXI_DEVICE_ACCESS", () => deviceMemory.sync(region, "cpu"));
  assert.match(message, /sync_for_cpu has not gone back to 0/);
  fixture.close();
});

test("ordinary memory cannot be synchronised where a device tree's buffer is not coherent", async () => {
  for (const { coherent, tree, refused } of [
    { coherent: 0, tree: true, refused: true },
    { coherent: 1, tree: true, refused: process.arch === "arm64" },
    { coherent: 0, tree: false, refused: process.arch === "arm64" },
  ]) {
    const fixture = new Fixture();
    fixture.writeAttribute("dma_coherent", `${coherent}`);
    if (tree) fixture.addDeviceTree();
    const region = fixture.deviceMemory.create(fixture.request({}));
    if (refused) await rejectsWith("ERR_AXI_NOT_SYNCABLE", () => fixture.deviceMemory.sync(region, "device"));
    else fixture.deviceMemory.sync(region, "device");
    fixture.close();
  }
});

test("a u-dma-buf that is full, and one that somebody else uses, are refused", async () => {
  const fixture = new Fixture(32);
  const { deviceMemory } = fixture;
  const request = { backing: "u-dma-buf", lengthBytes: (U_DMA_BUF_PAGES - 1) * pageSizeBytes } as const;
  deviceMemory.create(fixture.request(request));
  const second = { ...request, guestPtr: 16 * 65536 };
  const error = await rejectsWith("ERR_AXI_NO_U_DMA_BUF", () => deviceMemory.create(fixture.request(second)));
  assert.match(error.message, "in use");
  fixture.close();
});

for (const address of ["", "garbage", "0x70000800", "0x0", "0xffffffffffffffffffff"]) {
  test(`a u-dma-buf whose physical address reads "${address}" is refused`, async () => {
    const fixture = new Fixture(32);
    fixture.writeAttribute("phys_addr", address);
    const request = fixture.request({ backing: "u-dma-buf", lengthBytes: pageSizeBytes });
    const { message } = await rejectsWith("ERR_AXI_DEVICE_ACCESS", () => fixture.deviceMemory.create(request));
    assert.match(message, `reads "${address}"`);
    fixture.close();
  });
}

test("of two u-dma-bufs, the one that nobody uses is taken", () => {
  const fixture = new Fixture(32);
  const other = fixture.addDevice("other", "0x0000000090000000");
  const lock = openSync(fixture.devicePath("buffer"), "r");
  assert.ok(tryLockFile(lock));
  const request = fixture.request({ backing: "u-dma-buf", lengthBytes: pageSizeBytes });
  const region = fixture.deviceMemory.create(request);
  assert.is(fixture.deviceMemory.segments(region).at(0).physicalAddress, BigInt(other));
  closeSync(lock);
  fixture.close();
});

test("ranges that a device was given are not covered with other pages, nor covered twice", async () => {
  const fixture = new Fixture();
  const { deviceMemory } = fixture;
  deviceMemory.translate(65536, 8);
  const request = { backing: "u-dma-buf", lengthBytes: pageSizeBytes } as const;
  for (const guestPtr of [65536, 2 * 65536, 2 * 65536]) {
    if (guestPtr > 65536 && deviceMemory.pinMechanism !== "hugetlb") {
      try {
        deviceMemory.create(fixture.request({ ...request, guestPtr }));
        continue;
      } catch {
        // The second time: below.
      }
    }
    await rejectsWith("ERR_AXI_BAD_ARGUMENT", () => deviceMemory.create(fixture.request({ ...request, guestPtr })));
  }
  await rejectsWith("ERR_AXI_BAD_ARGUMENT", () => deviceMemory.translate(2 * 65536 - 8, 16));
  fixture.close();
});

test("growth of the memory changes nothing that a device was given", () => {
  const fixture = new Fixture();
  const { deviceMemory, memory } = fixture;
  const pages = deviceMemory.create(fixture.request({ guestPtr: 0, lengthBytes: 2 * pageSizeBytes }));
  const overlay = deviceMemory.create(
    fixture.request({ backing: "u-dma-buf", guestPtr: 65536, lengthBytes: pageSizeBytes }),
  );
  memory.bytes[65536] = 0x55;
  memory.memory.grow(0);
  memory.memory.grow(100);
  assert.is(memory.bytes[65536], 0x55);
  deviceMemory.verify(pages);
  deviceMemory.verify(overlay);
  assert.is(deviceMemory.translate(65536, 8).at(0).physicalAddress, 0x70000000n);
  fixture.close();
});

testWhere(
  test,
  tryPinMechanisms().some(({ mechanism, unavailable }) => mechanism === "hugetlb" && unavailable === undefined),
  "there are no huge pages",
)("hugetlb: a block gives way to other pages when no device has a part of it, and keeps its content", async () => {
  const fixture = new Fixture(96, "hugetlb");
  const { deviceMemory, memory } = fixture;
  const block = Number(-memory.baseAddress & BigInt(hugePageBytes() - 1));
  const overlay = { backing: "u-dma-buf", guestPtr: block + 65536, lengthBytes: pageSizeBytes } as const;
  memory.bytes[block + 3 * 65536] = 0x55;
  const first = deviceMemory.create(fixture.request({ guestPtr: block }));
  await rejectsWith("ERR_AXI_BAD_ARGUMENT", () => deviceMemory.create(fixture.request(overlay)));
  deviceMemory.free(first);
  const second = deviceMemory.create(fixture.request(overlay));
  assert.is(memory.bytes[block + 3 * 65536], 0x55);
  await rejectsWith("ERR_AXI_PIN", () => deviceMemory.create(fixture.request({ guestPtr: block })));
  memory.bytes[block + 65536] = 0x66;
  deviceMemory.free(second);
  assert.is(memory.bytes[block + 65536], 0);
  deviceMemory.create(fixture.request({ guestPtr: block }));
  assert.is(memory.bytes[block + 3 * 65536], 0x55);
  fixture.close();
});

test("64 MiB of a u-dma-buf are one segment", () => {
  const lengthBytes = 64 * 2 ** 20;
  const fixture = new Fixture(1 + lengthBytes / 65536);
  const { deviceMemory } = fixture;
  fixture.addDevice("buffer", "0x0000000070000000", lengthBytes);
  const region = deviceMemory.create(fixture.request({ backing: "u-dma-buf", guestPtr: 65536, lengthBytes }));
  assert.equal([...deviceMemory.segments(region)], [{ physicalAddress: 0x70000000n, lengthBytes }]);
  fixture.close();
});

test("no mapping is copied into a process that is forked, with overlays and without", () => {
  const fixture = new Fixture(96);
  const { deviceMemory, memory } = fixture;
  const block = Number(-memory.baseAddress & BigInt(hugePageBytes() - 1));
  const backings = hugePages.available ? (["u-dma-buf", "hugetlb"] as const) : (["u-dma-buf"] as const);
  const copied = () => mappingsOf(memory).filter((mapping) => !/:.* dc( |$)/.test(mapping));
  assert.equal(copied(), []);
  for (const backing of backings) {
    const region = deviceMemory.create(
      fixture.request({
        backing,
        guestPtr: block,
        lengthBytes: backing === "hugetlb" ? hugePageBytes() : pageSizeBytes,
      }),
    );
    assert.is(mappingsOf(memory).length > 1, true);
    assert.equal(copied(), []);
    deviceMemory.free(region);
    assert.equal(copied(), []);
  }
  fixture.close();
});

test("10,000 regions of each kind leave no descriptor, no pin and no mapping behind", () => {
  const fixture = new Fixture(96);
  const { deviceMemory } = fixture;
  const make = (backing: RegionRequest["backing"], guestPtr: number, lengthBytes: number) =>
    deviceMemory.free(deviceMemory.create(fixture.request({ backing, guestPtr, lengthBytes })));
  const mappings = mappingsOf(fixture.memory);
  make("u-dma-buf", 65536, pageSizeBytes);
  const { descriptors, pinnedKilobytes } = resources();
  for (let i = 0; i < 10_000; i++) {
    make("pages", 64 * (i % 1000), 8192);
    make("u-dma-buf", 65536 * (1 + (i % 3)), pageSizeBytes * (1 + (i % 8)));
  }
  const live = Array.from({ length: 2000 }, (_, i) => deviceMemory.create(fixture.request({ guestPtr: 64 * i })));
  for (const region of live) deviceMemory.free(region);
  const after = resources();
  assert.is(after.descriptors, descriptors);
  assert.is(after.pinnedKilobytes, pinnedKilobytes);
  assert.equal(mappingsOf(fixture.memory), mappings);
  fixture.close();
});

test.run();
