import type { Direction } from "../fabric/bus";
import type { MemoryOwner, Place } from "../fabric/memory-bus";
import type { BoardUDmaBuf } from "../kernel/devices/u-dma-buf";

/** The board's u-dma-buf on the bus: a file, at a fixed physical address. Whoever opened it closes it. */
export class BufferMemory implements MemoryOwner {
  readonly #buffer: BoardUDmaBuf;

  constructor(buffer: BoardUDmaBuf) {
    this.#buffer = buffer;
  }

  lookUp(physicalAddress: number, lengthBytes: number): boolean {
    return this.#buffer.holds(physicalAddress) && this.#buffer.holds(physicalAddress + lengthBytes - 1);
  }

  placeOf(physicalAddress: number): Place | undefined {
    if (!this.#buffer.holds(physicalAddress)) return undefined;
    return { owner: this, memory: this.#buffer, position: physicalAddress - this.#buffer.physicalAddress };
  }

  move(direction: Direction, { memory, position }: Place, _physicalAddress: number, bytes: Uint8Array): number {
    try {
      return memory[direction](position, bytes);
    } catch {
      // The file system is full.
      return 0;
    }
  }

  close(): void {}
}
