import { closeSync, openSync } from "node:fs";
import * as assert from "uvu/assert";
import { LinearMemory } from "../../host/memory/linear-memory";
import { Pagemap } from "../../host/memory/pagemap";
import { Pins } from "../../host/memory/pins";
import { adviseMemory, MADV_DONTNEED, pageSizeBytes } from "../../host/native/libc";
import { overlayFile } from "../../host/native/memory-overlay";
import type { UserOrder, UserState } from "./board-user";

// The process that `board-user.ts` starts: it has memory, and perhaps a device file, and does as it is told.

const PATTERN = 0x5a;
const [, , how, device] = process.argv;
const memory = new LinearMemory({ initial: 1, maximum: 1 });
memory.bytes.fill(PATTERN);
const pins = new Pins(memory);
const pin = pins.pin(0, memory.bytes.byteLength);

const registers = new WebAssembly.Memory({ initial: 1, maximum: 1 });
if (device !== undefined && how !== "opens later") {
  const fd = openSync(device, "r+");
  if (how === "maps") {
    overlayFile(registers, 0, pageSizeBytes, fd, 0);
    closeSync(fd);
  }
}

function report(): void {
  const pagemap = new Pagemap("/proc/self/pagemap");
  const frames = pagemap.framesOf(memory.baseAddress, memory.bytes.byteLength / pageSizeBytes);
  pagemap.close();
  const changed = [...memory.bytes.entries()].filter(([, byte]) => byte !== PATTERN);
  // What is not used any more is unmapped some time.
  assert.is(registers.buffer.byteLength, 65536);
  const state: UserState = { pages: frames.map((frame) => (frame ?? 0) * pageSizeBytes), changed };
  process.send?.(state);
}

process.on("message", (order: UserOrder) => {
  if (order === "replace first page") {
    pin.release();
    adviseMemory(Number(memory.baseAddress), pageSizeBytes, MADV_DONTNEED);
    memory.bytes.fill(PATTERN, 0, pageSizeBytes);
  }
  if (order === "open the device") openSync(device ?? "", "r+");
  report();
});
report();
