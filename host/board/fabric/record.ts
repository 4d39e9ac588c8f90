import { closeSync, constants, fstatSync, ftruncateSync, writeSync } from "node:fs";
import { monotonicMs } from "../../util/clock";
import { AxiscriptError, errnoCode, messageOf } from "../../util/errors";
import { openOwnFile } from "../../files/regular-file";
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

/** What software wrote into a register. */
export interface RegisterWrite {
  /** As in {@link BusTransfer}. */
  readonly core: string;
  /** In bytes. */
  readonly offset: number;
  readonly value: number;
}

/** Lines that are kept back until there is time to write them. */
const MOST_LINES = 1000;
/** 250 MHz: the clock of the fabric that was measured. */
const CYCLES_PER_MS = 250_000;

/**
 * The record of what happens on a board, one line of JSON each, in the order in which the board took notice: transfers on
 * the bus, writes to registers, interrupts, and what the kernel does. Described in docs/record.md.
 */
export class BoardRecord {
  readonly #path: string;
  readonly #fd: number;
  #lines: string[] = [];
  #failure: unknown;

  /** @param path a file, which is made anew */
  constructor(path: string) {
    this.#path = path;
    this.#fd = openRecordFile(path);
  }

  transfer({ core, port, direction, physicalAddress, lengthBytes, response }: BusTransfer): void {
    const address = hex(physicalAddress);
    this.#add("transfer", { core, port, direction, physicalAddress: address, lengthBytes, response });
  }

  register({ core, offset, value }: RegisterWrite): void {
    this.#add("register", { core, direction: "write", offset: hex(offset), value: hex(value) });
  }

  /** Of a core whose interrupt was taken. */
  interrupt(core: string): void {
    this.#add("interrupt", { core });
  }

  /** The devices that there are from now on, by their names in the device tree. */
  devices(names: readonly string[]): void {
    this.#add("devices", { devices: names });
  }

  /** A step of the FPGA manager's. */
  fpga(state: string): void {
    this.#add("fpga", { state });
  }

  /** A line of the kernel's log. */
  kernel(message: string): void {
    this.#add("kernel", { message });
  }

  /** Writes what was kept back. A record that cannot be written ends there, and the board goes on. */
  flush(): void {
    if (this.#lines.length === 0) return;
    const text = Buffer.from(this.#lines.join(""));
    this.#lines = [];
    if (this.#failure) return;
    try {
      for (let at = 0; at < text.length;) at += writeSync(this.#fd, text, at);
    } catch (error) {
      this.#failure = error;
    }
  }

  /** Writes what was kept back, and nothing more. @throws Error for a record that is not complete */
  close(): void {
    this.flush();
    closeSync(this.#fd);
    if (this.#failure) throw new Error(`the record in ${this.#path} is not complete: ${messageOf(this.#failure)}`);
  }

  #add(event: string, what: object): void {
    const now = monotonicMs();
    const head = { time: Math.round(now * 1000) / 1e6, cycle: Math.floor(now * CYCLES_PER_MS), event };
    this.#lines.push(`${JSON.stringify({ ...head, ...what })}\n`);
    if (this.#lines.length >= MOST_LINES) this.flush();
  }
}

/**
 * Opens the file for a record, and empties it. A pipe would keep the board waiting for its reader.
 *
 * @throws AxiscriptError ERR_AXI_IO
 */
export function openRecordFile(path: string): number {
  let fd: number;
  try {
    fd = openOwnFile(path, constants.O_WRONLY | constants.O_CREAT, 0o666);
  } catch (cause) {
    const reason = errnoCode(cause) === "ENXIO" ? "it is a pipe that nobody reads" : messageOf(cause);
    throw new AxiscriptError("ERR_AXI_IO", `Cannot record the board in ${path}: ${reason}. Name a file.`, { cause });
  }
  const stat = fstatSync(fd);
  if (stat.isFIFO()) {
    closeSync(fd);
    const reason = "it is a pipe, and the board does not wait for readers";
    throw new AxiscriptError("ERR_AXI_IO", `Cannot record the board in ${path}: ${reason}. Name a file.`);
  }
  if (stat.isFile()) ftruncateSync(fd);
  return fd;
}

function hex(value: number): string {
  return `0x${value.toString(16)}`;
}
