import { closeSync, openSync, readSync, writeSync } from "node:fs";
import type { RandomAccess } from "../fabric/memory-bus";

/**
 * The memory of a process by virtual address, through `/proc/PID/mem`, which answers an unmapped page with an error, not
 * with a signal. What is open belongs to the address space that the process had at that moment: after its end, or after
 * it has executed another program, nothing is moved, whoever has its number then.
 */
export class ProcessMemory implements RandomAccess {
  /** The same memory for those who may only read it: the kernel would let us write even there. */
  readonly readOnly: RandomAccess = { read: (position, into) => this.read(position, into), write: () => 0 };
  readonly #fd: number;

  /** @param pid its number, or `self` */
  constructor(pid: number | "self") {
    this.#fd = openSync(`/proc/${pid}/mem`, "r+");
  }

  read(position: number, into: Uint8Array): number {
    try {
      return readSync(this.#fd, into, 0, into.length, position);
    } catch {
      return 0;
    }
  }

  write(position: number, data: Uint8Array): number {
    try {
      return writeSync(this.#fd, data, 0, data.length, position);
    } catch {
      return 0;
    }
  }

  close(): void {
    closeSync(this.#fd);
  }
}
