import { closeSync, openSync, readSync, symlinkSync, writeSync } from "node:fs";
import type { MemoryRange } from "../../memory/linear-memory";
import { Pagemap } from "../../memory/pagemap";
import { addressOf, pageSizeBytes } from "../../native/libc";
import { deviceBufferAddress } from "../kernel/devices/buffer-address";
import { type FramePool, U_DMA_BUF_START } from "./frame-pool";

/** Where the kernel shows a process its own page table. */
const KERNEL_PAGEMAP = "/proc/self/pagemap";
const ENTRY_BYTES = 8;
/** Upper half of a pagemap entry: present (63) and file or shared (61) off. */
const PRESENT = 0x80000000;

/** Tells the physical addresses of memory that is shared with the board. */
export interface PageFrames {
  /** Gives frames to the pages of a range that have none yet. */
  assign(range: MemoryRange): void;
  /** Gives a piece of a range that has frames new ones, which follow each other within aligned blocks. */
  arrange(range: MemoryRange, blockBytes: number): void;
  /** Takes the frames of a range back. */
  release(range: MemoryRange): void;
  close(): void;
  /** Whether the addresses are the machine's own, as its kernel shows them. */
  readonly real: boolean;
  /** Where a buffer for devices may lie without being anybody's memory. */
  readonly deviceBufferAddress: number;
  /** For {@link attachPageFrames} in another thread of this process; absent: there is nothing to share. */
  readonly handle: PageFramesHandle | undefined;
}

/** A pagemap of the board's own, as plain data. */
export interface PageFramesHandle {
  /** Descriptor of the file: of the process, hence of all threads. */
  readonly fd: number;
  /** Buffer of the {@link FramePool}. */
  readonly pool: SharedArrayBuffer;
}

/**
 * Makes the board's pagemap at `path`: the kernel's own where this process may see page frame numbers, else a file of
 * the same format with physical addresses of the board's making.
 */
export function createPagemap(path: string): PageFrames {
  if (!kernelShowsPageFrames()) return new OwnPagemap(openSync(path, "w+", 0o444), openPool());
  symlinkSync(KERNEL_PAGEMAP, path);
  return REAL_FRAMES;
}

/**
 * Makes the pagemap of a board for processes that it has nothing to do with: each finds its own there. `real` tells
 * whether this process, too, may see page frame numbers.
 */
export function linkPagemap(path: string): PageFrames {
  symlinkSync(KERNEL_PAGEMAP, path);
  if (kernelShowsPageFrames()) return REAL_FRAMES;
  // Devices reach nothing but the buffer, which is therefore where the reference system has it.
  return { ...REAL_FRAMES, real: false, deviceBufferAddress: U_DMA_BUF_START };
}

/** The pagemap that another thread made. Only the thread that made it closes it. */
export function attachPageFrames(handle: PageFramesHandle | undefined): PageFrames {
  return handle ? new OwnPagemap(handle.fd, openPool(handle.pool)) : REAL_FRAMES;
}

/** Loaded where there is need of it. */
function openPool(buffer?: SharedArrayBuffer): FramePool {
  const { FramePool } = require("./frame-pool") as typeof import("./frame-pool");
  return new FramePool(buffer);
}

const nothing = () => {};
const REAL_FRAMES: PageFrames = {
  ...{ assign: nothing, arrange: nothing, release: nothing, close: nothing },
  ...{ real: true, handle: undefined },
  get deviceBufferAddress() {
    return deviceBufferAddress();
  },
};

function kernelShowsPageFrames(): boolean {
  const touched = new Uint8Array(1).fill(1);
  try {
    const pagemap = new Pagemap(KERNEL_PAGEMAP);
    const frame = pagemap.peek(BigInt(addressOf(touched))) ?? 0;
    pagemap.close();
    return frame > 0;
  } catch {
    return false;
  }
}

/**
 * A sparse file in the format of `/proc/PID/pagemap`. Neighbouring pages get frames that lie apart. Every page that was
 * assigned reads as present: whether it was touched is not visible here.
 *
 * Which page has which frame is in the file alone, and which frames are free in the pool: all threads see the same.
 */
class OwnPagemap implements PageFrames {
  readonly real = false;
  readonly deviceBufferAddress: number;
  readonly handle: PageFramesHandle;
  readonly #pool: FramePool;

  constructor(fd: number, pool: FramePool) {
    this.#pool = pool;
    this.deviceBufferAddress = pool.deviceBufferAddress;
    this.handle = { fd, pool: pool.buffer };
  }

  assign(range: MemoryRange): void {
    const frames = this.#read(range);
    const fresh = this.#pool.take(frames.filter((frame) => frame === 0).length);
    if (fresh.length === 0) return;
    this.#write(
      range,
      frames.map((frame) => (frame === 0 ? (fresh.pop() ?? 0) : frame)),
    );
  }

  arrange(range: MemoryRange, blockBytes: number): void {
    const old = this.#read(range);
    const blockFrames = blockBytes / pageSizeBytes;
    const fresh =
      blockFrames === 1 ? this.#pool.take(old.length) : this.#pool.takeBlocks(old.length / blockFrames, blockFrames);
    this.#write(range, fresh);
    this.#pool.giveBack(old);
  }

  release(range: MemoryRange): void {
    const frames = this.#read(range);
    this.#write(
      range,
      frames.map(() => 0),
    );
    this.#pool.giveBack(frames);
  }

  close(): void {
    closeSync(this.handle.fd);
  }

  /** The frames of a range's pages; 0 for a page that has none. */
  #read({ virtualAddress, lengthBytes }: MemoryRange): number[] {
    const entries = new Uint32Array((lengthBytes / pageSizeBytes) * 2);
    readSync(this.handle.fd, entries, 0, entries.byteLength, positionOf(virtualAddress));
    return Array.from({ length: entries.length / 2 }, (_, index) => entries[index * 2] ?? 0);
  }

  /** Writes entries; frame 0 makes a page absent. */
  #write({ virtualAddress }: MemoryRange, frames: readonly number[]): void {
    if (frames.length === 0) return;
    const entries = new Uint32Array(frames.length * 2);
    frames.forEach((frame, index) => {
      entries[index * 2] = frame;
      entries[index * 2 + 1] = frame === 0 ? 0 : PRESENT;
    });
    writeSync(this.handle.fd, entries, 0, entries.byteLength, positionOf(virtualAddress));
  }
}

function positionOf(virtualAddress: bigint): number {
  return Number(virtualAddress / BigInt(pageSizeBytes)) * ENTRY_BYTES;
}
