import { Pagemap } from "../../memory/pagemap";
import { pageSizeBytes } from "../../native/libc";
import type { Direction } from "../fabric/bus";
import type { MemoryOwner, Place } from "../fabric/memory-bus";
import { ProcessMemory } from "./process-memory";
import type { SharedMemoryTable } from "./shared-memory-table";

/**
 * The memory that this process shares with its board, by physical address.
 *
 * A page is found through the pagemap, and its entry is read again before it is used: a page that moved is not written
 * to. To be used while nobody changes the table.
 */
export class TableMemory implements MemoryOwner {
  readonly #table: SharedMemoryTable;
  readonly #pagemap: Pagemap;
  readonly #memory = new ProcessMemory("self");
  /** Page frame number → virtual address of the page. */
  #pages = new Map<number, number>();
  #indexedVersion = -1;

  /** @param pagemapPath the pagemap that the program under test reads too */
  constructor(table: SharedMemoryTable, pagemapPath: string) {
    this.#table = table;
    this.#pagemap = new Pagemap(pagemapPath);
  }

  lookUp(physicalAddress: number, lengthBytes: number): boolean {
    const first = Math.floor(physicalAddress / pageSizeBytes);
    const last = Math.floor((physicalAddress + lengthBytes - 1) / pageSizeBytes);
    if (this.#table.version === this.#indexedVersion && this.#isTrue(first, last)) return true;
    this.#index();
    return this.#isTrue(first, last);
  }

  placeOf(physicalAddress: number): Place | undefined {
    const page = this.#pages.get(Math.floor(physicalAddress / pageSizeBytes));
    if (page === undefined) return undefined;
    return { owner: this, memory: this.#memory, position: page + (physicalAddress % pageSizeBytes) };
  }

  move(direction: Direction, { memory, position }: Place, _physicalAddress: number, bytes: Uint8Array): number {
    return memory[direction](position, bytes);
  }

  close(): void {
    this.#pagemap.close();
    this.#memory.close();
  }

  /** Whether all these frames are where the index says. Pages that follow each other are looked up in one read. */
  #isTrue(firstFrame: number, lastFrame: number): boolean {
    for (let frame = firstFrame; frame <= lastFrame;) {
      const page = this.#pages.get(frame);
      if (page === undefined) return false;
      let count = 1;
      while (frame + count <= lastFrame && this.#pages.get(frame + count) === page + count * pageSizeBytes) count++;
      if (!this.#pagemap.holdsFrames(page / pageSizeBytes, count, frame)) return false;
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
