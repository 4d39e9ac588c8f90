// @ts-check
/**
 * A model of a core of your own: reads a range of memory by DMA, and gives its CRC-32.
 *
 * ```
 *   0x00 ID       reads "CR32"                    0x10 ADDRESS_LO  bits 31:0 of the physical address
 *   0x04 CONTROL  START 0, CLEAR 1, ENABLE 8      0x14 ADDRESS_HI  bits 39:32
 *   0x08 STATUS   BUSY 0, DONE 1, ERROR 2         0x18 RESULT      of the last range
 *   0x0c LENGTH   in bytes                        0x1c CYCLES      that it took
 * ```
 */
import { crc32 } from "node:zlib";

/** @import { DeviceModel, DeviceModelContext, DeviceModelDescription } from "axiscript" */

const ID = 0x00;
const CONTROL = 0x04;
const STATUS = 0x08;
const LENGTH = 0x0c;
const ADDRESS_LO = 0x10;
const ADDRESS_HI = 0x14;
const RESULT = 0x18;
const CYCLES = 0x1c;

const ID_VALUE = 0x43523332;
const START = 1 << 0;
const CLEAR = 1 << 1;
const ENABLE = 1 << 8;
const BUSY = 1 << 0;
const DONE = 1 << 1;
const ERROR = 1 << 2;

/** 16 beats of 128 bits. Bursts end at multiples of this, and so none crosses a multiple of 4096. */
const BURST_BYTES = 256;
/** A beat a cycle, and as many cycles between two bursts. */
const BURST_CYCLES = 32;

/** @implements {DeviceModel} */
class Crc32 {
  /** What software writes and reads back. */
  #stored = new Map([CONTROL, LENGTH, ADDRESS_LO, ADDRESS_HI].map((offset) => [offset, 0]));
  #status = 0;
  #result = 0;
  #cycles = 0;
  /** Where the next burst begins, and how much is left. */
  #address = 0;
  #remaining = 0;
  /** Clock cycles of which nothing was made yet. */
  #credit = 0;
  #bus;

  /** @param {DeviceModelContext} context */
  constructor({ bus }) {
    this.#bus = bus;
  }

  get busy() {
    return (this.#status & BUSY) !== 0;
  }

  get interrupt() {
    return (this.#status & DONE) !== 0 && (this.#get(CONTROL) & ENABLE) !== 0;
  }

  /** @param {number} offset */
  regRead(offset) {
    if (offset === ID) return ID_VALUE;
    if (offset === STATUS) return this.#status;
    if (offset === RESULT) return this.#result;
    if (offset === CYCLES) return this.#cycles;
    return this.#get(offset);
  }

  /**
   * @param {number} offset
   * @param {number} value
   */
  regWrite(offset, value) {
    // START and CLEAR are not kept: they read 0.
    if (offset === CONTROL) this.#control(value);
    else if (this.#stored.has(offset)) this.#stored.set(offset, value);
  }

  /** @param {number} cycles */
  advance(cycles) {
    this.#credit += cycles;
    while (this.busy && this.#credit >= BURST_CYCLES) {
      this.#credit -= BURST_CYCLES;
      this.#cycles += BURST_CYCLES;
      this.#burst();
    }
  }

  /** @param {number} offset */
  #get(offset) {
    return this.#stored.get(offset) ?? 0;
  }

  /** @param {number} value */
  #control(value) {
    this.#stored.set(CONTROL, value & ENABLE);
    if (value & CLEAR) this.#status &= ~(DONE | ERROR);
    if ((value & START) === 0 || this.busy) return;
    this.#address = (this.#get(ADDRESS_HI) & 0xff) * 2 ** 32 + this.#get(ADDRESS_LO);
    this.#remaining = this.#get(LENGTH);
    this.#result = 0;
    this.#cycles = 0;
    this.#credit = 0;
    this.#status = this.#remaining > 0 ? BUSY : DONE;
  }

  #burst() {
    const burst = new Uint8Array(Math.min(this.#remaining, BURST_BYTES - (this.#address % BURST_BYTES)));
    if (this.#bus.read(this.#address, burst) !== "OKAY") {
      this.#status = DONE | ERROR;
      return;
    }
    this.#result = crc32(burst, this.#result);
    this.#address += burst.length;
    this.#remaining -= burst.length;
    if (this.#remaining === 0) this.#status = DONE;
  }
}

/** @type {DeviceModelDescription} */
export default {
  kind: "crc32",
  uioName: "Crc32",
  registerBytes: 0x20,
  // Who sees START gone sees BUSY or DONE; who sees DONE sees RESULT.
  handshake: [STATUS, CONTROL],
  cores: [{ address: 0xa0100000, port: "hpc", interrupt: 90 }],
  create: (context) => new Crc32(context),
};
