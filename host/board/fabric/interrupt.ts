import { INTERRUPT_PAGE } from "../../linux/uio-interrupt";

/** In place of what software wrote, once that was acted on. */
const NOTHING_WRITTEN = -1;
const COUNT = INTERRUPT_PAGE.count / 4;
const CONTROL = INTERRUPT_PAGE.control / 4;

/**
 * The kernel's side of a UIO device's interrupt: counts it and masks it, until software enables it again.
 * Source: kernel `drivers/uio/uio_pdrv_genirq.c`; the interrupt is enabled from the moment when the driver binds.
 */
export class BoardInterrupt {
  readonly #page: Int32Array;
  #enabled = true;

  /** @param page what lies behind the registers in the device's file, see {@link INTERRUPT_PAGE}; absent: nothing does */
  constructor(page: Int32Array = new Int32Array(2)) {
    this.#page = page;
    Atomics.store(page, CONTROL, NOTHING_WRITTEN);
  }

  /** How many interrupts there were. */
  get count(): number {
    return Atomics.load(this.#page, COUNT);
  }

  /** Software enables or disables it. */
  control(on: boolean): void {
    Atomics.store(this.#page, CONTROL, on ? 1 : 0);
  }

  /** Acts on what software wrote. True if there was something. */
  takeControl(): boolean {
    const written = Atomics.load(this.#page, CONTROL);
    // Any other value is nothing, or a write of which some bytes are still to come.
    if (written !== 0 && written !== 1) return false;
    Atomics.compareExchange(this.#page, CONTROL, written, NOTHING_WRITTEN);
    this.#enabled = written === 1;
    return true;
  }

  /** What the handler does while the line is up. True if the interrupt was enabled. */
  handle(): boolean {
    if (!this.#enabled) return false;
    this.#enabled = false;
    Atomics.add(this.#page, COUNT, 1);
    return true;
  }
}
