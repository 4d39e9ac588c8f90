import { pageSizeBytes } from "../../native/libc";
import type { BurstBus, BurstRun, Response } from "../fabric/bus";

/** A line of the processor's caches. */
const LINE_BYTES = 64;

/** Whether ports that do not snoop the processor's caches see the memory behind them, or what the processor sees. */
export type Coherency = "relaxed" | "strict";

/** A page as it is in the memory chips. */
interface Page {
  readonly bytes: Uint8Array;
  /** By offset, the lines that a device wrote and the processor has not seen, with what the processor had there. */
  readonly unseen: Map<number, Uint8Array>;
}

/** What decides what a transfer finds. */
export interface MainMemoryOptions {
  /** Whether the processor caches the memory at an address. */
  readonly isCached: (physicalAddress: number) => boolean;
  /** Called before each transfer: lets synchronisation that was asked for before take place. */
  readonly settle: () => void;
}

/**
 * The memory behind the processor's caches, as a port sees it that does not snoop them. It is the worst that such a port
 * can meet: what the processor writes stays in its caches until it is synchronised, and a page that never was holds
 * zeros; what a device writes is not seen by the processor before it is synchronised. Real caches write lines back and
 * drop them when they like, so that a program which passes here passes there.
 *
 * Every page that is written or synchronised costs this process its size, and a line that is unseen once more.
 */
export class MainMemory implements BurstBus {
  readonly #seen: BurstBus;
  readonly #options: MainMemoryOptions;
  /** By physical address. */
  readonly #pages = new Map<number, Page>();

  /** @param seen memory as the processor sees it */
  constructor(seen: BurstBus, options: MainMemoryOptions) {
    this.#seen = seen;
    this.#options = options;
  }

  read(physicalAddress: number, into: Uint8Array): Response {
    this.#options.settle();
    const response = this.#seen.read(physicalAddress, into);
    if (response === "OKAY") this.#load(physicalAddress, into);
    return response;
  }

  write(physicalAddress: number, data: Uint8Array): Response {
    this.#options.settle();
    if (!this.#options.isCached(physicalAddress)) return this.#seen.write(physicalAddress, data);
    // Whether there is memory is found out by reading it.
    const response = this.#seen.read(physicalAddress, new Uint8Array(data.length));
    if (response === "OKAY") this.#store(physicalAddress, data);
    return response;
  }

  readBursts(physicalAddress: number, into: Uint8Array, burstBytes: number): BurstRun[] {
    this.#options.settle();
    const runs = this.#seen.readBursts(physicalAddress, into, burstBytes);
    for (const run of arrived(runs)) this.#load(run.physicalAddress, partOf(into, physicalAddress, run));
    return runs;
  }

  writeBursts(physicalAddress: number, data: Uint8Array, burstBytes: number): BurstRun[] {
    this.#options.settle();
    if (!this.#options.isCached(physicalAddress)) return this.#seen.writeBursts(physicalAddress, data, burstBytes);
    const runs = this.#seen.readBursts(physicalAddress, new Uint8Array(data.length), burstBytes);
    for (const run of arrived(runs)) this.#store(run.physicalAddress, partOf(data, physicalAddress, run));
    return runs;
  }

  /** Takes what a port that snoops the caches wrote, which has reached the processor already. */
  put(physicalAddress: number, data: Uint8Array): void {
    for (const { page, offset, bytes } of this.#pieces(physicalAddress, data)) page.bytes.set(bytes, offset);
  }

  /** Before a device reads: what the processor wrote reaches memory. Lines of which a part is in the range count whole. */
  syncForDevice(physicalAddress: number, lengthBytes: number): void {
    const cached = new Uint8Array(LINE_BYTES);
    for (const address of linesOf(physicalAddress, lengthBytes)) {
      if (this.#seen.read(address, cached) !== "OKAY") continue;
      const page = this.#pageAt(address);
      const offset = address % pageSizeBytes;
      const before = page.unseen.get(offset);
      // A line that the processor has not written to is not written back over what a device wrote.
      if (before && Buffer.compare(before, cached) === 0) continue;
      page.unseen.delete(offset);
      page.bytes.set(cached, offset);
    }
  }

  /** After a device wrote: the processor sees it, and no longer what it wrote into the same lines itself. */
  syncForCpu(physicalAddress: number, lengthBytes: number): void {
    for (const address of linesOf(physicalAddress, lengthBytes)) {
      const offset = address % pageSizeBytes;
      const page = this.#pages.get(address - offset);
      if (!page?.unseen.delete(offset)) continue;
      this.#seen.write(address, page.bytes.subarray(offset, offset + LINE_BYTES));
    }
  }

  /** Puts what memory holds in place of what the processor sees. */
  #load(physicalAddress: number, into: Uint8Array): void {
    if (!this.#options.isCached(physicalAddress)) return;
    for (let at = 0; at < into.length;) {
      const offset = (physicalAddress + at) % pageSizeBytes;
      const part = into.subarray(at, at + pageSizeBytes - offset);
      const page = this.#pages.get(physicalAddress + at - offset);
      if (page) part.set(page.bytes.subarray(offset, offset + part.length));
      else part.fill(0);
      at += part.length;
    }
  }

  #store(physicalAddress: number, data: Uint8Array): void {
    for (const address of linesOf(physicalAddress, data.length)) {
      const { unseen } = this.#pageAt(address);
      const offset = address % pageSizeBytes;
      if (unseen.has(offset)) continue;
      const cached = new Uint8Array(LINE_BYTES);
      this.#seen.read(address, cached);
      unseen.set(offset, cached);
    }
    this.put(physicalAddress, data);
  }

  /** The pages of a range, and what goes where in each. */
  *#pieces(physicalAddress: number, data: Uint8Array): Generator<{ page: Page; offset: number; bytes: Uint8Array }> {
    for (let at = 0; at < data.length;) {
      const offset = (physicalAddress + at) % pageSizeBytes;
      const bytes = data.subarray(at, at + pageSizeBytes - offset);
      yield { page: this.#pageAt(physicalAddress + at), offset, bytes };
      at += bytes.length;
    }
  }

  #pageAt(physicalAddress: number): Page {
    const address = physicalAddress - (physicalAddress % pageSizeBytes);
    const known = this.#pages.get(address);
    if (known) return known;
    const page = { bytes: new Uint8Array(pageSizeBytes), unseen: new Map<number, Uint8Array>() };
    this.#pages.set(address, page);
    return page;
  }
}

/** The addresses of the lines that a range touches. */
function* linesOf(physicalAddress: number, lengthBytes: number): Generator<number> {
  const end = physicalAddress + lengthBytes;
  for (let line = physicalAddress - (physicalAddress % LINE_BYTES); line < end; line += LINE_BYTES) yield line;
}

function arrived(runs: readonly BurstRun[]): BurstRun[] {
  return runs.filter(({ response }) => response === "OKAY");
}

/** The bytes of a run, in those of a transfer that begins at `start`. */
function partOf(bytes: Uint8Array, start: number, { physicalAddress, lengthBytes }: BurstRun): Uint8Array {
  return bytes.subarray(physicalAddress - start, physicalAddress - start + lengthBytes);
}
