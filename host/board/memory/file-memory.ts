import { readSync, writeSync } from "node:fs";
import type { Direction } from "../fabric/bus";
import type { MemoryOwner, Place, RandomAccess } from "../fabric/memory-bus";

/** Physical memory that is a file: that of a virtual machine, for example. An address is a position in it. */
export class FileMemory implements MemoryOwner {
  readonly #memory: RandomAccess;
  readonly #lengthBytes: number;

  /**
   * @param fd open for reading and writing; stays the caller's
   * @param lengthBytes how much memory there is, from address 0 on
   */
  constructor(fd: number, lengthBytes: number) {
    this.#lengthBytes = lengthBytes;
    this.#memory = {
      read: (position, into) => readSync(fd, into, 0, into.length, position),
      write: (position, data) => writeSync(fd, data, 0, data.length, position),
    };
  }

  lookUp(physicalAddress: number, lengthBytes: number): boolean {
    return physicalAddress + lengthBytes <= this.#lengthBytes;
  }

  placeOf(physicalAddress: number): Place | undefined {
    if (physicalAddress >= this.#lengthBytes) return undefined;
    return { owner: this, memory: this.#memory, position: physicalAddress };
  }

  move(direction: Direction, { memory, position }: Place, _physicalAddress: number, bytes: Uint8Array): number {
    return memory[direction](position, bytes.subarray(0, Math.max(0, this.#lengthBytes - position)));
  }

  close(): void {}
}
