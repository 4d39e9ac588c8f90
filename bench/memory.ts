import { writeFileSync } from "node:fs";
import { freemem } from "node:os";
import { messageOf } from "../host/util/errors";
import { LinearMemory, WASM_PAGE_BYTES } from "../host/memory/linear-memory";
import { type Pin, Pins } from "../host/memory/pins";
import { pageSizeBytes } from "../host/native/libc";
import { Skip } from "./measure";

/** In which order pages get their frames: the kernel tends to give neighbours, one after the other. */
export type TouchOrder = "ascending" | "scattered";

/**
 * A linear memory whose pages are all present.
 *
 * @throws Skip if the machine has too little memory
 */
export function touchedMemory(lengthBytes: number, order: TouchOrder): LinearMemory {
  if (freemem() < 1.5 * lengthBytes) throw new Skip(`it takes ${1.5 * lengthBytes} bytes of free memory`);
  compactMemory();
  const wasmPages = lengthBytes / WASM_PAGE_BYTES;
  const memory = new LinearMemory({ initial: wasmPages, maximum: wasmPages });
  const pageCount = lengthBytes / pageSizeBytes;
  // Odd, and the number of pages is a power of two: each page comes once.
  const stride = order === "ascending" ? 1 : 7919;
  for (let index = 0; index < pageCount; index++) memory.bytes[((index * stride) % pageCount) * pageSizeBytes] = 1;
  return memory;
}

/**
 * Pins all of a memory, as the host does before it translates: the kernel moves pages that are not pinned at any time,
 * and a page on its way is not present.
 *
 * @throws Skip if the limits of the process forbid it
 */
export function pinned(memory: LinearMemory): Pin {
  try {
    return new Pins(memory).pin(0, memory.bytes.length);
  } catch (error) {
    throw new Skip(messageOf(error));
  }
}

/**
 * Has the kernel move what is in use together, where this process may ask for it: what a page costs the kernel to look up
 * nearly doubles in a memory that earlier programs left in pieces, those of this benchmark for instance.
 */
function compactMemory(): void {
  try {
    writeFileSync("/proc/sys/vm/compact_memory", "1");
  } catch {
    // The rows are true without it, and slower.
  }
}
