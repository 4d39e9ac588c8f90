import type { BurstBus, BurstRun, Direction } from "../fabric/bus";
import { countMatching, fillPattern } from "./counting-pattern";
import { ALL_BITS } from "../fabric/register-file";
import type { ThroughputTimer } from "../fabric/throughput";
import { type Fault, type Transfer, TransferCore } from "./transfer-core";

const ID_REG = 0x00;
const VERSION = 0x04;
const CONFIG = 0x08;
const SCRATCH = 0x0c;
/** Offset of the register that says how many bursts a transfer has. */
export const LENGTH = 0x30;
const CNTR_CYC = { read: 0x50, write: 0x54 } as const;
const CNTR_RD_OK = 0x58;

const ID_VALUE = 0xa8172a9e;
const VERSION_VALUE = 0x00000907;
const BEAT_BYTES = 16;
const BURST_BEATS = 4;
const BURST_BYTES = BURST_BEATS * BEAT_BYTES;
const BURSTS_IN_FLIGHT = 4;
const CONFIG_VALUE = (BURSTS_IN_FLIGHT << 8) | BURST_BEATS;

/** The address counter has 40 bits, and goes on at 0. */
const ADDRESS_LIMIT = 2 ** 40;
/** The burst counter runs from LENGTH - 1 down to 0 in 32 bits, so that 0 means this many. */
const MOST_BURSTS = 2 ** 32;
/** What is moved between two looks at the registers: 256 KiB. */
const SLICE_BURSTS = 4096;
const WORDS_PER_BEAT = BEAT_BYTES / 4;

/**
 * The AXI Traffic Generator: writes a counting pattern over a range of memory, or counts the beats of a range that match
 * it. Beat k of a transfer is the 128-bit number k. It is ready again after DONE_CLEAR only.
 * Source: register description and state machines in j-marjanovic/chisel-stuff example-13-axi-traffic-gen.
 */
export class AxiTrafficGenModel extends TransferCore {
  readonly #bus: BurstBus;
  readonly #timer: ThroughputTimer;
  /** Made when the first transfer begins. */
  #slice: Uint32Array<ArrayBuffer> | undefined;

  /**
   * @param registers the register file, shared with software
   * @param now a clock in milliseconds; that of the process if absent
   */
  constructor(registers: Int32Array, bus: BurstBus, timer: ThroughputTimer, fault?: Fault, now?: () => number) {
    super(registers, {
      constants: new Map([
        [ID_REG, ID_VALUE],
        [VERSION, VERSION_VALUE],
        [CONFIG, CONFIG_VALUE],
      ]),
      writable: new Map([
        [SCRATCH, ALL_BITS],
        [LENGTH, ALL_BITS],
      ]),
      readyAgain: "after-done-clear",
      fault,
      now,
    });
    this.#bus = bus;
    this.#timer = timer;
  }

  protected begin(direction: Direction): Transfer {
    const start = this.busAddress();
    const bursts = this.registers.load(LENGTH) || MOST_BURSTS;
    this.registers.set(CNTR_CYC[direction], 0);
    if (direction === "read") this.registers.set(CNTR_RD_OK, 0);
    let done = 0;
    return () => {
      done += this.#moveSlice(direction, start, done, bursts - done);
      if (done < bursts) return false;
      this.registers.set(CNTR_CYC[direction], this.#timer.next(direction, bursts * BURST_BYTES));
      return true;
    };
  }

  /**
   * Moves the next bursts of a transfer.
   *
   * @param start the transfer's address
   * @param done how many bursts went before
   * @param remaining how many are left
   * @returns how many were moved
   */
  #moveSlice(direction: Direction, start: number, done: number, remaining: number): number {
    const address = (start + done * BURST_BYTES) % ADDRESS_LIMIT;
    // At least the burst that would cross the end of the addresses, which the bus refuses.
    const toLimit = Math.max(1, Math.floor((ADDRESS_LIMIT - address) / BURST_BYTES));
    const count = Math.min(SLICE_BURSTS, remaining, toLimit);
    this.#slice ??= new Uint32Array((SLICE_BURSTS * BURST_BYTES) / 4);
    const words = this.#slice.subarray(0, (count * BURST_BYTES) / 4);
    const bytes = new Uint8Array(words.buffer, 0, words.byteLength);
    const firstBeat = done * BURST_BEATS;
    if (direction === "write") {
      fillPattern(words, firstBeat);
      this.#bus.writeBursts(address, bytes, BURST_BYTES);
    } else {
      const runs = this.#bus.readBursts(address, bytes, BURST_BYTES);
      const matching = countArrived(words, firstBeat, address, runs);
      this.registers.set(CNTR_RD_OK, this.registers.get(CNTR_RD_OK) + matching);
    }
    return count;
  }
}

/** How many beats of a read equal the pattern; those of a burst that failed brought nothing. */
function countArrived(words: Uint32Array, firstBeat: number, address: number, runs: readonly BurstRun[]): number {
  let matching = 0;
  for (const { physicalAddress, lengthBytes, response } of runs) {
    if (response !== "OKAY") continue;
    const first = (physicalAddress - address) / BEAT_BYTES;
    const arrived = words.subarray(first * WORDS_PER_BEAT, (first + lengthBytes / BEAT_BYTES) * WORDS_PER_BEAT);
    matching += countMatching(arrived, firstBeat + first);
  }
  return matching;
}
