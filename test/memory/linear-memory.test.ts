import { suite } from "uvu";
import * as assert from "uvu/assert";
import { LinearMemory } from "../../host/memory/linear-memory";
import { addressOf } from "../../host/native/libc";
import { rejectsWith } from "../support/expect";

const test = suite("linear memory");

test("growth keeps the base address and shows the new bytes", () => {
  const memory = new LinearMemory({ initial: 1 });
  const { baseAddress } = memory;
  memory.bytes[7] = 42;
  memory.memory.grow(100);
  assert.is(memory.range.lengthBytes, 101 * 65536);
  assert.is(memory.bytes[7], 42);
  assert.is(memory.baseAddress, baseAddress);
  assert.is(new LinearMemory({ initial: 1 }).baseAddress === baseAddress, false);
});

test("a memory that begins empty has a base address once it has grown", () => {
  const memory = new LinearMemory({ initial: 0, maximum: 4 });
  assert.is(memory.baseAddress, 0n);
  memory.memory.grow(2);
  memory.bytes[65536] = 42;
  assert.is(memory.baseAddress, BigInt(addressOf(memory.bytes)));
  assert.is(memory.guestPointerOf(memory.baseAddress + 65536n), 65536);
});

test("gives no view of bytes outside", async () => {
  const memory = new LinearMemory({ initial: 1 });
  assert.is(memory.view(65536, 0).length, 0);
  assert.is(memory.view(0, 65536).length, 65536);
  for (const [pointer, length] of [
    [65536, 1],
    [65535, 2],
    [0, 65537],
    [-1, 1],
    [0, -1],
    [0xfffffff0, 0x20],
    [0, 2 ** 32],
    [0, 2 ** 32 + 1],
  ] as const) {
    await rejectsWith("ERR_AXI_BAD_POINTER", () => memory.view(pointer, length));
  }
});

test("knows its own addresses from others", async () => {
  const memory = new LinearMemory({ initial: 1 });
  assert.is(memory.guestPointerOf(memory.baseAddress), 0);
  assert.is(memory.guestPointerOf(memory.baseAddress + 65535n), 65535);
  for (const address of [0n, memory.baseAddress - 1n, memory.baseAddress + 65536n, (1n << 64n) - 1n]) {
    const { message } = await rejectsWith("ERR_AXI_PAGE_NOT_PRESENT", () => memory.guestPointerOf(address));
    assert.match(message, "not present");
  }
});

test("a size that the system cannot provide is an error", async () => {
  await rejectsWith("ERR_AXI_OUT_OF_MEMORY", () => new LinearMemory({ initial: 70000 }));
});

test.run();
