import { monotonicMs } from "../../util/clock";
import type { CoreModel } from "./core-model";
import { ALL_BITS, RegisterFile, type WriteListener } from "../fabric/register-file";

/** Registers of the first of two timers; those of the second lie 0x10 above. */
const TCSR = 0x00;
const TLR = 0x04;
const TCR = 0x08;
const TIMER_STRIDE = 0x10;

const MDT_CAPTURE = 1 << 0;
const UDT_DOWN = 1 << 1;
const ARHT = 1 << 4;
const LOAD = 1 << 5;
const ENIT = 1 << 6;
const ENT = 1 << 7;
const TINT = 1 << 8;
/** Bits 7:0 hold what software writes; GENT (2) and CAPT (3) belong to signals that are not connected here. */
const STORED_BITS = 0xff;
/**
 * Bit 31 is reserved. The model shows it with TINT, so that a write of 1 to TINT, which has 0 there, differs from what
 * was shown even if no other bit does.
 */
const SHOWN_WITH_TINT = 0x80000000;

const COUNTER_VALUES = 2 ** 32;
const CYCLES_PER_MS = 100_000;

/**
 * The AXI Timer: two counters of 32 bits at the AXI clock, 100 MHz, which set TINT when they roll over. The interrupt line
 * is up while TINT and ENIT of either are set.
 * Source: Xilinx PG079, AXI Timer v2.0. Not modelled, since nothing is connected to them: capture and generate signals,
 * PWM (bit 9), and cascading (bit 11); ENALL (bit 10) reads 0.
 *
 * Software shares the memory that holds the registers, which has three consequences. A write is seen as a value that
 * differs from the one that was shown: a driver that writes TCSR back just as it read it, reserved bits and all, clears
 * nothing here. Of two writes that follow each other at once only the last is seen; since LOAD and then ENT is what
 * drivers do, a counter that starts loads TLR if that has changed, or if it had come to its end. And TCR moves when the
 * board looks.
 */
export class AxiTimerModel implements CoreModel {
  readonly #registers: RegisterFile;
  readonly #counters: readonly Counter[];
  readonly #now: () => number;

  /**
   * @param shared the register file, shared with software
   * @param now a clock in milliseconds; that of the process if absent
   */
  constructor(shared: Int32Array, now: () => number = monotonicMs) {
    this.#now = now;
    const writable = [0, TIMER_STRIDE].flatMap((base): [number, number][] => [
      [base + TCSR, ALL_BITS],
      [base + TLR, ALL_BITS],
    ]);
    this.#registers = new RegisterFile(shared, new Map(writable));
    this.#counters = [0, TIMER_STRIDE].map((base) => new Counter(this.#registers, base));
    this.settle();
  }

  get underWay(): boolean {
    return this.#counters.some((counter) => counter.runs);
  }

  get interrupt(): boolean {
    return this.#counters.some((counter) => counter.interrupt);
  }

  onWrite(listener: WriteListener): void {
    this.#registers.onWrite(listener);
  }

  poll(): boolean {
    this.#registers.tellWrites();
    let active = false;
    for (const counter of this.#counters) {
      if (counter.hasNews) active = counter.poll(this.#now() * CYCLES_PER_MS) || active;
    }
    return active;
  }

  settle(): void {
    this.#registers.settle();
  }
}

class Counter {
  readonly #registers: RegisterFile;
  readonly #base: number;
  /** What software reads in TCSR, unless it has written since. */
  #shown = 0;
  /** The stored bits of TCSR. */
  #control = 0;
  #rolledOver = false;
  /** Without ARHT a counter stops when it has rolled over. */
  #held = false;
  #loaded = 0;
  /** The counter was `#from` at `#since`, in clock cycles. */
  #from = 0;
  #since = 0;
  #value = 0;

  constructor(registers: RegisterFile, base: number) {
    this.#registers = registers;
    this.#base = base;
    registers.replace(base + TCSR, registers.load(base + TCSR), 0);
  }

  get runs(): boolean {
    return (this.#control & (ENT | LOAD)) === ENT && !this.#held;
  }

  get interrupt(): boolean {
    return this.#rolledOver && (this.#control & ENIT) !== 0;
  }

  /** Whether there is a reason to poll. */
  get hasNews(): boolean {
    return this.runs || (this.#control & LOAD) !== 0 || this.#registers.load(this.#base + TCSR) !== this.#shown;
  }

  /** Lets the counter count up to `now`, in clock cycles, and takes what software wrote. True if something happened. */
  poll(now: number): boolean {
    let active = this.#count(now);
    for (;;) {
      const found = this.#registers.load(this.#base + TCSR);
      if (found !== this.#shown) {
        this.#write(found, now);
        active = true;
      }
      const value = (this.#control | (this.#rolledOver ? TINT | SHOWN_WITH_TINT : 0)) >>> 0;
      this.#shown = value;
      if (this.#control & LOAD) this.#load(now);
      // First: software that sees its control bits taken sees the counter that goes with them.
      this.#registers.set(this.#base + TCR, this.#value);
      if (this.#registers.replace(this.#base + TCSR, found, value)) break;
    }
    return active;
  }

  #write(found: number, now: number): void {
    if (found & TINT) this.#rolledOver = false;
    const starts = (found & ENT) !== 0 && (this.#control & ENT) === 0;
    this.#control = found & STORED_BITS;
    this.#from = this.#value;
    this.#since = now;
    if (starts && (this.#held || this.#registers.load(this.#base + TLR) !== this.#loaded)) this.#load(now);
  }

  #load(now: number): void {
    this.#loaded = this.#registers.load(this.#base + TLR);
    this.#value = this.#loaded;
    this.#from = this.#loaded;
    this.#since = now;
    this.#held = false;
  }

  /** True if the counter rolled over, and that is news. */
  #count(now: number): boolean {
    if (!this.runs) return false;
    const elapsed = now - this.#since;
    const untilEvent = this.#untilEvent(this.#from);
    if (this.#control & MDT_CAPTURE || elapsed < untilEvent) {
      this.#value = this.#after(this.#from, elapsed);
      return false;
    }
    const news = !this.#rolledOver;
    this.#rolledOver = true;
    if (this.#control & ARHT) {
      this.#load(now);
      const intoPeriod = (elapsed - untilEvent) % this.#untilEvent(this.#from);
      this.#since = now - intoPeriod;
      this.#value = this.#after(this.#from, intoPeriod);
    } else {
      this.#held = true;
      this.#value = this.#after(this.#from, untilEvent - 1);
    }
    return news;
  }

  /** Clock cycles from a value to the interrupt: PG079 has TLR + 2 counting down, 2^32 - 1 - TLR + 2 counting up. */
  #untilEvent(value: number): number {
    return (this.#control & UDT_DOWN ? value : COUNTER_VALUES - 1 - value) + 2;
  }

  #after(value: number, cycles: number): number {
    const steps = Math.floor(cycles) % COUNTER_VALUES;
    return (value + (this.#control & UDT_DOWN ? COUNTER_VALUES - steps : steps)) % COUNTER_VALUES;
  }
}
