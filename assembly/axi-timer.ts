import { fail } from "./errors";
import { UioDevice } from "./uio";

/**
 * Registers of the first timer; those of the second lie 0x10 above.
 *
 * ```
 *   0x00 TCSR0  control and status      0x10 TCSR1
 *   0x04 TLR0   what is loaded          0x14 TLR1
 *   0x08 TCR0   the counter             0x18 TCR1
 * ```
 */
const TCSR: u32 = 0x00;
const TLR: u32 = 0x04;
const TCR: u32 = 0x08;
const TIMER_STRIDE: u32 = 0x10;
const TIMERS: u32 = 2;

const UDT: u32 = 1 << 1;
const ARHT: u32 = 1 << 4;
const LOAD: u32 = 1 << 5;
const ENIT: u32 = 1 << 6;
const ENT: u32 = 1 << 7;
const TINT: u32 = 1 << 8;
/** The bits of TCSR that are written back as they were read: all that are stored, none that is reserved. */
const STORED: u32 = 0xff;

/** Counting down, the interrupt comes TLR + 2 cycles after TLR was loaded (PG079). */
const EXTRA_CYCLES: u32 = 2;
/** The control register takes effect within some cycles of the bus. */
const TIMEOUT_MS: i32 = 1000;

/**
 * Driver for one of the two timers of an AXI Timer: counts clock cycles down to an interrupt.
 * Source: Xilinx PG079, AXI Timer v2.0.
 *
 * @example
 * const device = UioDevice.open("AxiTimer");
 * const timer = new AxiTimer(device);
 * device.enableInterrupt();
 * timer.start(100000); // an interrupt every millisecond, at 100 MHz
 * while (device.waitInterrupt(1000) >= 0) {
 *   timer.acknowledge();
 *   device.enableInterrupt();
 * }
 */
export class AxiTimer {
  private readonly base: u32;

  /**
   * Stops the timer, and acknowledges what it may have left.
   *
   * @param device an open device
   * @param timer 0 or 1
   */
  constructor(
    readonly device: UioDevice,
    timer: i32 = 0,
  ) {
    if (<u32>timer >= TIMERS) {
      fail("ERR_AXI_BAD_ARGUMENT", `Cannot use timer ${timer} of ${device.toString()}: it is 0 or 1.`);
    }
    this.base = <u32>timer * TIMER_STRIDE;
    // The timer has no access to memory: it is always idle.
    device.idleWhen(this.base + TCSR, 0, 0);
    this.stop();
  }

  /**
   * Starts the timer, from the beginning if it runs.
   *
   * @param cycles clock cycles from now, and from each interrupt, to the next; at least 2
   * @param again whether it goes on after its first interrupt
   */
  start(cycles: u32, again: bool = true): void {
    if (cycles < EXTRA_CYCLES) {
      fail(
        "ERR_AXI_BAD_ARGUMENT",
        `Cannot start the timer of ${this.device.toString()}: an interval is at least ${EXTRA_CYCLES} cycles; current value is ${cycles}.`,
      );
    }
    this.device.write32(this.base + TLR, cycles - EXTRA_CYCLES);
    this.halt(LOAD);
    this.device.write32(this.base + TCSR, UDT | ENIT | ENT | (again ? ARHT : 0));
  }

  /** Stops the timer, and acknowledges its interrupt. */
  stop(): void {
    this.halt(0);
  }

  /** What is left until the interrupt, in clock cycles and to within some. */
  get remaining(): u32 {
    return this.device.read32(this.base + TCR);
  }

  /** Whether the time has come, and that was not acknowledged yet. */
  get expired(): bool {
    return (this.device.read32(this.base + TCSR) & TINT) != 0;
  }

  /** Acknowledges the interrupt; `device.enableInterrupt()` lets it come again. */
  acknowledge(): void {
    const control = this.device.read32(this.base + TCSR) & STORED;
    this.device.write32(this.base + TCSR, control | TINT);
  }

  /** Stops the timer with a control bit set, and waits until that is done, so that the next write does not overtake it. */
  private halt(control: u32): void {
    this.device.write32(this.base + TCSR, control | TINT);
    if (!this.device.poll32(this.base + TCSR, TINT | ENT, 0, TIMEOUT_MS)) {
      fail(
        "ERR_AXI_NOT_READY",
        `Cannot stop the timer of ${this.device.toString()}: TINT is still set after ${TIMEOUT_MS} ms.`,
      );
    }
  }
}
