import { closeSync, openSync, writeSync } from "node:fs";
import type { Direction, Response } from "./bus";
import type { Port } from "./port-timing";

/** What was asked of the interconnect, and how it answered. */
export interface BusTransfer {
  /** The core that asked: its kind and the address of its registers, `axi-proxy@a0000000`. */
  readonly core: string;
  readonly port: Port;
  readonly direction: Direction;
  readonly physicalAddress: number;
  readonly lengthBytes: number;
  readonly response: Response;
}

/** Lines that are kept back until there is time to write them. */
const MOST_LINES = 1000;

/** The record of every transfer on the bus: one line of JSON each, in the order in which they took place. */
export class BusLog {
  readonly #fd: number;
  #lines: string[] = [];

  /** @param path a file, which is made anew */
  constructor(path: string) {
    this.#fd = openSync(path, "w");
  }

  /** Adds a line. */
  record({ core, port, direction, physicalAddress, lengthBytes, response }: BusTransfer): void {
    const address = `0x${physicalAddress.toString(16)}`;
    this.#lines.push(`${JSON.stringify({ core, port, direction, physicalAddress: address, lengthBytes, response })}\n`);
    if (this.#lines.length >= MOST_LINES) this.flush();
  }

  /** Writes what was kept back. */
  flush(): void {
    if (this.#lines.length === 0) return;
    const text = Buffer.from(this.#lines.join(""));
    this.#lines = [];
    for (let at = 0; at < text.length;) at += writeSync(this.#fd, text, at);
  }

  /** Writes what was kept back, and nothing more. */
  close(): void {
    this.flush();
    closeSync(this.#fd);
  }
}
