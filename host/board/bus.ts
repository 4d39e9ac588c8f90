import { closeSync, openSync, readSync, writeSync } from "node:fs";
import { Pagemap } from "../memory/pagemap";
import { pageSizeBytes } from "../native/libc";
import type { SharedMemoryTable } from "./shared-memory-table";
import type { BoardUDmaBuf } from "./u-dma-buf";

/** Which way data goes, as the manager sees it: a write changes memory. */
export type Direction = "read" | "write";

/** How the interconnect answers a transfer. DECERR: nobody owns the address. */
export type Response = "OKAY" | "SLVERR" | "DECERR";

/** Physical memory, as a manager in the fabric sees it. Everything else a device does is made of these two. */
export interface Bus {
  /** Fills `into` from `physicalAddress` on; leaves it as it is where the response is not OKAY. */
  read(physicalAddress: number, into: Uint8Array): Response;
  /** Stores `data` at `physicalAddress`. */
  write(physicalAddress: number, data: Uint8Array): Response;
}

/** Bursts that follow each other in memory and were answered alike. */
export interface BurstRun {
  readonly physicalAddress: number;
  readonly lengthBytes: number;
  readonly response: Response;
}

/** A bus that takes many bursts of one length in a call. */
export interface BurstBus extends Bus {
  /** As one {@link Bus.read} after the other, of `burstBytes` each; how they were answered, in order. */
  readBursts(physicalAddress: number, into: Uint8Array, burstBytes: number): BurstRun[];
  /** As one {@link Bus.write} after the other. */
  writeBursts(physicalAddress: number, data: Uint8Array, burstBytes: number): BurstRun[];
}

/** 4 KiB: an AXI4 burst does not cross this boundary. */
const BURST_BOUNDARY_BYTES = 4096;

/** Where bytes lie for this process: in its own memory, by virtual address, or in the board's buffer, by offset. */
interface Place {
  readonly space: "memory" | "buffer";
  readonly position: number;
}

/**
 * The memory that this process shares with the board, by physical address, and the board's own buffer.
 *
 * A page is found through the pagemap, and its entry is read again before it is used: a page that moved is not written
 * to. Bytes travel through `/proc/self/mem`, which answers an unmapped page with an error, not with a signal.
 */
export class ProcessMemoryBus implements BurstBus {
  readonly #table: SharedMemoryTable;
  readonly #pagemap: Pagemap;
  readonly #buffer: BoardUDmaBuf | undefined;
  readonly #memory = openSync("/proc/self/mem", "r+");
  /** Page frame number → virtual address of the page. */
  #pages = new Map<number, number>();
  #indexedVersion = -1;

  /** @param pagemapPath the pagemap that the program under test reads too */
  constructor(table: SharedMemoryTable, pagemapPath: string, buffer?: BoardUDmaBuf) {
    this.#table = table;
    this.#buffer = buffer;
    this.#pagemap = new Pagemap(pagemapPath);
  }

  read(physicalAddress: number, into: Uint8Array): Response {
    return this.#burst("read", physicalAddress, into);
  }

  write(physicalAddress: number, data: Uint8Array): Response {
    return this.#burst("write", physicalAddress, data);
  }

  readBursts(physicalAddress: number, into: Uint8Array, burstBytes: number): BurstRun[] {
    return this.#bursts("read", physicalAddress, into, burstBytes);
  }

  writeBursts(physicalAddress: number, data: Uint8Array, burstBytes: number): BurstRun[] {
    return this.#bursts("write", physicalAddress, data, burstBytes);
  }

  close(): void {
    this.#pagemap.close();
    closeSync(this.#memory);
  }

  #burst(direction: Direction, physicalAddress: number, bytes: Uint8Array): Response {
    if ((physicalAddress % BURST_BOUNDARY_BYTES) + bytes.length > BURST_BOUNDARY_BYTES) return "SLVERR";
    return this.#table.whileUnchanged(() => {
      this.#refresh(physicalAddress, bytes.length);
      const place = this.#placeOf(physicalAddress);
      if (!place) return "DECERR";
      return this.#move(direction, place, bytes) === bytes.length ? "OKAY" : "SLVERR";
    });
  }

  /** Moves whole stretches of bursts at once that lie next to each other for this process, too. */
  #bursts(direction: Direction, physicalAddress: number, bytes: Uint8Array, burstBytes: number): BurstRun[] {
    return this.#table.whileUnchanged(() => {
      this.#refresh(physicalAddress, bytes.length);
      const runs: BurstRun[] = [];
      for (let at = 0; at < bytes.length;) {
        const start = physicalAddress + at;
        const { place, lengthBytes } = this.#stretch(start, bytes.length - at, burstBytes);
        const refused = typeof place === "string";
        const moved = refused ? 0 : this.#move(direction, place, bytes.subarray(at, at + lengthBytes));
        addRun(runs, start, moved, "OKAY");
        addRun(runs, start + moved, lengthBytes - moved, refused ? place : "SLVERR");
        at += lengthBytes;
      }
      return runs;
    });
  }

  /** Where the next bursts go, and how far on they go there; or how they are answered. */
  #stretch(
    physicalAddress: number,
    mostBytes: number,
    burstBytes: number,
  ): { place: Place | Response; lengthBytes: number } {
    const first = wholeBursts(physicalAddress, mostBytes, burstBytes);
    if (first === 0) return { place: "SLVERR", lengthBytes: Math.min(burstBytes, mostBytes) };
    const place = this.#placeOf(physicalAddress);
    let lengthBytes = first;
    while (lengthBytes < mostBytes) {
      const more = wholeBursts(physicalAddress + lengthBytes, mostBytes - lengthBytes, burstBytes);
      if (more === 0 || !follows(place, lengthBytes, this.#placeOf(physicalAddress + lengthBytes))) break;
      lengthBytes += more;
    }
    return { place: place ?? "DECERR", lengthBytes };
  }

  /** How many bytes could be moved. */
  #move(direction: Direction, { space, position }: Place, bytes: Uint8Array): number {
    try {
      if (space === "buffer") return this.#buffer?.[direction](position, bytes) ?? 0;
      if (direction === "read") return readSync(this.#memory, bytes, 0, bytes.length, position);
      return writeSync(this.#memory, bytes, 0, bytes.length, position);
    } catch {
      return 0;
    }
  }

  #placeOf(physicalAddress: number): Place | undefined {
    if (this.#buffer?.holds(physicalAddress)) {
      return { space: "buffer", position: physicalAddress - this.#buffer.physicalAddress };
    }
    const page = this.#pages.get(Math.floor(physicalAddress / pageSizeBytes));
    return page === undefined ? undefined : { space: "memory", position: page + (physicalAddress % pageSizeBytes) };
  }

  /** Makes the index true for the pages of a range. */
  #refresh(physicalAddress: number, lengthBytes: number): void {
    if (this.#buffer?.holds(physicalAddress) && this.#buffer.holds(physicalAddress + lengthBytes - 1)) return;
    const first = Math.floor(physicalAddress / pageSizeBytes);
    const last = Math.floor((physicalAddress + lengthBytes - 1) / pageSizeBytes);
    if (this.#table.version !== this.#indexedVersion || !this.#isTrue(first, last)) this.#index();
  }

  /** Whether all these frames are where the index says. Pages that follow each other are looked up in one read. */
  #isTrue(firstFrame: number, lastFrame: number): boolean {
    for (let frame = firstFrame; frame <= lastFrame;) {
      const page = this.#pages.get(frame);
      if (page === undefined) return false;
      let count = 1;
      while (frame + count <= lastFrame && this.#pages.get(frame + count) === page + count * pageSizeBytes) count++;
      const frames = this.#pagemap.framesOf(BigInt(page), count);
      if (frames.some((found, index) => found !== frame + index)) return false;
      frame += count;
    }
    return true;
  }

  #index(): void {
    this.#pages = new Map();
    this.#indexedVersion = this.#table.version;
    for (const { virtualAddress, lengthBytes } of this.#table.ranges()) {
      const frames = this.#pagemap.framesOf(virtualAddress, Math.ceil(lengthBytes / pageSizeBytes));
      frames.forEach((frame, index) => {
        if (frame) this.#pages.set(frame, Number(virtualAddress) + index * pageSizeBytes);
      });
    }
  }
}

/** How many bytes of whole bursts, of at most `mostBytes`, fit in before the boundary that none crosses. */
function wholeBursts(physicalAddress: number, mostBytes: number, burstBytes: number): number {
  const room = BURST_BOUNDARY_BYTES - (physicalAddress % BURST_BOUNDARY_BYTES);
  return Math.min(mostBytes, Math.floor(room / burstBytes) * burstBytes);
}

/** Whether `next` lies `lengthBytes` behind a place; what nobody owns lies next to what nobody owns. */
function follows(place: Place | undefined, lengthBytes: number, next: Place | undefined): boolean {
  if (!place || !next) return place === next;
  return next.space === place.space && next.position === place.position + lengthBytes;
}

/** Adds to what was answered so far. */
function addRun(runs: BurstRun[], physicalAddress: number, lengthBytes: number, response: Response): void {
  if (lengthBytes === 0) return;
  const last = runs[runs.length - 1];
  if (last?.response !== response) runs.push({ physicalAddress, lengthBytes, response });
  else runs[runs.length - 1] = { ...last, lengthBytes: last.lengthBytes + lengthBytes };
}
