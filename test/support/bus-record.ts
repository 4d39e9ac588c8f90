import { closeSync, openSync, readSync } from "node:fs";
import type { BusTransfer } from "../../host/board/fabric/record";
import type { VirtualBoard } from "../../host/board/board";
import { waitUntil } from "../../host/util/wait";
import { HostInstance } from "./host-instance";

const DEADLINE_MS = 20_000;
const STATUS = 0x10;
const CONTROL = 0x14;
const ADDR_LO = 0x40;
const ADDR_HI = 0x44;
const LENGTH = 0x30;
const START_RD = 2;
const READ_DONE = 2;
const DONE_CLEAR = 0x100;

/** A transfer as the record of a board's bus has it. */
export type RecordedTransfer = BusTransfer;

/** A line of a board's record. */
export interface RecordLine extends Omit<BusTransfer, "physicalAddress"> {
  readonly event: string;
  readonly time: number;
  readonly cycle: number;
  readonly physicalAddress: string;
}

/** Reads a board's record. */
export function parseRecord<Line = RecordLine>(text: string): Line[] {
  const lines = text.split("\n").filter((line) => line !== "");
  return lines.map((line) => JSON.parse(line) as Line);
}

/** The transfers that a board's record has. */
export function parseTransfers(text: string): RecordedTransfer[] {
  const transfers = parseRecord(text).filter(({ event }) => event === "transfer");
  return transfers.map(({ core, port, direction, physicalAddress, lengthBytes, response }) => {
    return { core, port, direction, physicalAddress: Number(physicalAddress), lengthBytes, response };
  });
}

/**
 * The record of a board's bus, in pieces: a core that nobody else uses makes a transfer now and then, and what stands
 * before it in the record took place before it.
 */
export class BusRecord {
  readonly #fd: number;
  readonly #host: HostInstance;
  readonly #window: number;
  readonly #core: string;
  readonly #address: number;
  readonly #buffer = Buffer.alloc(2 ** 16);
  #text = "";
  /** What was read, and not taken yet. */
  readonly #recorded: RecordedTransfer[] = [];

  /**
   * @param path the board's record
   * @param device whose core on port `hp` makes the marks: `AxiProxy` or `AxiTrafficGen`
   * @param core what the record calls that core
   */
  constructor(board: VirtualBoard, path: string, device: string, core: string, stream: number) {
    this.#fd = openSync(path, "r");
    this.#core = core;
    this.#host = new HostInstance(board, { stream, pages: 1 });
    this.#window = this.#host.open(device, "hp");
    if (this.#window < 0) throw new Error(`cannot open ${device}:hp: ${this.#window}`);
    this.#host.mem("translate", 0, 64, 4096, 1);
    this.#address = Number(new DataView(this.#host.memory.memory.buffer).getBigUint64(4096, true));
    if (device === "AxiTrafficGen") this.#write(LENGTH, 1);
    this.#write(ADDR_LO, this.#address % 2 ** 32);
    this.#write(ADDR_HI, this.#address / 2 ** 32);
  }

  /** The transfers since the last call that had begun, and were over, when this one was made. */
  take(): RecordedTransfer[] {
    this.#write(CONTROL, START_RD);
    const markAt = () => this.#recorded.findIndex(({ core }) => core === this.#core);
    const isMarked = () => {
      this.#recorded.push(...this.#more());
      return markAt() >= 0;
    };
    if (!waitUntil(isMarked, DEADLINE_MS)) throw new Error("the bus has not recorded a transfer");
    const fresh = this.#recorded.splice(0, markAt() + 1).slice(0, -1);
    if (this.#host.gate.exports.poll32(this.#window, STATUS, READ_DONE, READ_DONE, DEADLINE_MS) !== 0) {
      throw new Error("a transfer of one line has not ended");
    }
    this.#write(CONTROL, DONE_CLEAR);
    this.#host.gate.exports.poll32(this.#window, STATUS, READ_DONE, 0, DEADLINE_MS);
    return fresh;
  }

  close(): void {
    closeSync(this.#fd);
    this.#host.close();
  }

  /** What was recorded since the last look. */
  #more(): RecordedTransfer[] {
    for (let count = 1; count > 0;) {
      count = readSync(this.#fd, this.#buffer);
      this.#text += this.#buffer.toString("latin1", 0, count);
    }
    const transfers = parseTransfers(this.#text.slice(0, this.#text.lastIndexOf("\n") + 1));
    this.#text = this.#text.slice(this.#text.lastIndexOf("\n") + 1);
    return transfers;
  }

  #write(offset: number, value: number): void {
    this.#host.gate.exports.write32(this.#window, offset, value);
  }
}
