import type { BoardInterrupt } from "../fabric/interrupt";
import { KernelError, type OpenDevice, POLL } from "./kernel-tree";

/** Reads and writes have exactly this length. */
const WORD_BYTES = 4;

/** What a UIO device that a program has open does with reads and writes. */
export interface UioOperations {
  /** Absent: the device has none. */
  readonly interrupt: BoardInterrupt | undefined;
  /** Enables or disables it, before anything else happens. */
  readonly control: (on: boolean) => void;
  readonly isRemoved: () => boolean;
}

/**
 * A UIO device that a program has open: a read waits for an interrupt that this opener has not seen, and gives how many
 * there were; a write enables or disables it. Source: kernel `drivers/uio/uio.c`.
 */
export class OpenUio implements OpenDevice {
  readonly #device: UioOperations;
  #seen: number;

  constructor(device: UioOperations) {
    this.#device = device;
    this.#seen = device.interrupt?.count ?? 0;
  }

  read(lengthBytes: number): Buffer | undefined {
    if (lengthBytes !== WORD_BYTES) throw new KernelError("EINVAL");
    const { interrupt, isRemoved } = this.#device;
    if (!interrupt || isRemoved()) throw new KernelError("EIO");
    const { count } = interrupt;
    if (count === this.#seen) return undefined;
    this.#seen = count;
    const word = Buffer.alloc(WORD_BYTES);
    word.writeInt32LE(count);
    return word;
  }

  write(data: Buffer): number {
    const { interrupt, isRemoved, control } = this.#device;
    if (data.length !== WORD_BYTES || isRemoved()) throw new KernelError("EINVAL");
    if (!interrupt) throw new KernelError("EIO");
    control(data.readInt32LE() !== 0);
    return WORD_BYTES;
  }

  poll(): number {
    const { interrupt, isRemoved } = this.#device;
    if (!interrupt || isRemoved()) return POLL.in | POLL.error | POLL.hangUp;
    return interrupt.count === this.#seen ? 0 : POLL.in | POLL.readNormal;
  }
}
