import type { Bus, Direction } from "../fabric/bus";
import type { PortTimer } from "../fabric/port-timing";
import { ALL_BITS } from "../fabric/register-file";
import { type Fault, type Transfer, TransferCore } from "./transfer-core";

const ID_REG = 0x00;
const VERSION = 0x04;
const SCRATCH = 0x0c;
const STATS = 0x24;
const DATA_WR0 = 0x60;
const DATA_RD0 = 0xa0;

const ID_VALUE = 0xa8122081;
const VERSION_VALUE = 0x00000301;
const COUNTER_MASK = 0x3ff;
const COUNTER_SHIFT = { write: 0, read: 16 } as const;
const BURST_BYTES = 64;
const DATA_WORDS = 4;

/**
 * The AXI Proxy: one 64-byte burst at a time, issued by software. It is ready again as soon as one is done.
 * Source: the IP's register description and state machine (j-marjanovic/chisel-stuff example-12-axi-proxy).
 */
export class AxiProxyModel extends TransferCore {
  readonly #bus: Bus;
  readonly #timer: PortTimer;
  /** The burst of each direction; made once, since a transfer takes hardly longer than that. */
  readonly #bursts = { read: new Burst(), write: new Burst() };

  /**
   * @param registers the register file, shared with software
   * @param now a clock in milliseconds; that of the process if absent
   */
  constructor(registers: Int32Array, bus: Bus, timer: PortTimer, fault?: Fault, now?: () => number) {
    super(registers, {
      constants: new Map([
        [ID_REG, ID_VALUE],
        [VERSION, VERSION_VALUE],
      ]),
      writable: new Map([
        [SCRATCH, ALL_BITS],
        ...Array.from({ length: DATA_WORDS }, (_, i): [number, number] => [DATA_WR0 + 4 * i, ALL_BITS]),
      ]),
      readyAgain: "at-once",
      fault,
      now,
    });
    this.#bus = bus;
    this.#timer = timer;
  }

  protected begin(direction: Direction): Transfer {
    const address = this.busAddress();
    const { words, bytes } = this.#bursts[direction];
    if (direction === "write") this.#latchData(words);
    return () => {
      if (direction === "write") this.#bus.write(address, bytes);
      else {
        // An error response is not reported in any register, and brings no data.
        words.fill(0);
        this.#bus.read(address, bytes);
        for (let i = 0; i < DATA_WORDS; i++) this.registers.set(DATA_RD0 + 4 * i, words[i] ?? 0);
      }
      this.#count(direction);
      return true;
    };
  }

  /** Beat 0 is DATA_WR, beats 1 to 3 are zeros, and every byte strobe is set. */
  #latchData(words: Int32Array): void {
    for (let i = 0; i < DATA_WORDS; i++) words[i] = this.registers.load(DATA_WR0 + 4 * i);
  }

  #count(direction: Direction): void {
    const shift = COUNTER_SHIFT[direction];
    const cycles = (this.#timer.next(direction) & COUNTER_MASK) << shift;
    this.registers.set(STATS, (this.registers.get(STATS) & ~(COUNTER_MASK << shift)) | cycles);
  }
}

class Burst {
  readonly words = new Int32Array(BURST_BYTES / 4);
  readonly bytes = new Uint8Array(this.words.buffer);
}
