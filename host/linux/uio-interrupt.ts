import type { DeviceInterrupt } from "../dma/device-window";
import { fstatSync, readSync, writeSync } from "node:fs";
import { blockThread, monotonicMs } from "../util/clock";
import { AxiscriptError, errnoCode, messageOf } from "../util/errors";
import { waitReadable } from "../native/libc";

/**
 * What a device's file holds behind its mapped pages, in bytes from there, where it is a plain file, which can neither
 * block nor count. A kernel's UIO device ignores the position of a read or write, so that the same calls do for both.
 *
 * - `count`: how many interrupts there were, as the kernel's `read` gives it
 * - `control`: what the kernel's `write` takes: 1 enables the interrupt, 0 disables it; then the board sets it to -1
 */
export const INTERRUPT_PAGE = { count: 0, control: 4 } as const;
/** The kernel takes reads and writes of exactly this many bytes. */
const WORD_BYTES = 4;

/** How long a wait goes on before it can be interrupted. */
const SLICE_MS = 20;
/** Between two looks at a file that never blocks. */
const LOOK_INTERVAL_MS = 0.2;

/** An open device, and where its interrupts are found. */
export interface InterruptSource {
  /** What messages call the device. */
  readonly deviceName: string;
  /** The device's file, open for reading and writing without blocking. */
  readonly fd: number;
  /** The end of its mapped pages: where {@link INTERRUPT_PAGE} is. */
  readonly interruptPosition: number;
  /** Whether {@link INTERRUPT_PAGE} is there: of a kernel's device, or one that answers as such, it is not. */
  readonly isPlainFile: boolean;
  /** The count when the device was opened; `undefined`: it is a kernel's, which keeps that to itself. */
  readonly interruptsAtOpen: number | undefined;
  /** Enables or disables it where the driver cannot: for devices on the PCI bus. */
  readonly enableLine?: (on: boolean) => void;
}

/**
 * The interrupt of a UIO device, by the kernel's protocol: the handler counts an interrupt and masks it. Software
 * acknowledges it in the device, then enables it again; the other way round it fires again at once.
 * Source: kernel `drivers/uio/uio.c`, `uio_pdrv_genirq.c`.
 */
export class UioInterrupt implements DeviceInterrupt {
  readonly #source: InterruptSource;
  readonly #word = new Int32Array(1);
  /** The count that was last seen; interrupts from before the device was opened are not news. */
  #seen: number | undefined;

  constructor(source: InterruptSource) {
    this.#source = source;
    this.#seen = source.interruptsAtOpen;
  }

  /**
   * Enables or disables the interrupt.
   *
   * @throws AxiscriptError ERR_AXI_NO_INTERRUPT if the device has none, or its driver cannot do that
   */
  enable(on: boolean): void {
    const position = this.#source.interruptPosition + INTERRUPT_PAGE.control;
    // A write behind the end of a regular file would make it longer.
    if (this.#source.isPlainFile && fstatSync(this.#source.fd).size < position + WORD_BYTES) throw this.#none();
    this.#word[0] = on ? 1 : 0;
    try {
      writeSync(this.#source.fd, this.#word, 0, WORD_BYTES, position);
    } catch (cause) {
      const { enableLine } = this.#source;
      if (errnoCode(cause) === "ENOSYS" && enableLine) {
        enableLine(on);
        return;
      }
      throw this.#refused(on ? "enable" : "disable", cause);
    }
  }

  /**
   * Waits for an interrupt that was not seen yet.
   *
   * @param timeoutMs 0 or less: looks once
   * @param check called at least every 20 ms; what it throws ends the wait
   * @returns how many interrupts there were since the driver was bound, as the kernel counts: a signed number of 32 bits
   *   that wraps; `undefined` if none came in time
   * @throws AxiscriptError ERR_AXI_NO_INTERRUPT if the device has none, or was removed
   */
  wait(timeoutMs: number, check: () => void = () => {}): number | undefined {
    const deadline = monotonicMs() + timeoutMs;
    for (;;) {
      const count = this.#news();
      if (count !== undefined) return count;
      check();
      const restMs = deadline - monotonicMs();
      if (restMs <= 0) return undefined;
      if (!waitReadable(this.#source.fd, Math.ceil(Math.min(restMs, SLICE_MS)))) continue;
      const arrived = this.#news();
      if (arrived !== undefined) return arrived;
      // Readable, and nothing new: a plain file. Its device is gone when its name is.
      if (fstatSync(this.#source.fd).nlink === 0) throw this.#none();
      blockThread(Math.min(restMs, LOOK_INTERVAL_MS));
    }
  }

  /** The count, if it is not the one that was last seen. */
  #news(): number | undefined {
    let count = this.#read();
    if (count === undefined || count === this.#seen) return undefined;
    // A file's bytes may change while they are copied: the count is what two looks agree on.
    for (let again = this.#read(); again !== undefined && again !== count; again = this.#read()) count = again;
    this.#seen = count;
    return count;
  }

  /** The count; `undefined` where the kernel has nothing new to tell. */
  #read(): number | undefined {
    const position = this.#source.interruptPosition + INTERRUPT_PAGE.count;
    try {
      if (readSync(this.#source.fd, this.#word, 0, WORD_BYTES, position) < WORD_BYTES) throw this.#none();
      return this.#word[0];
    } catch (cause) {
      if (errnoCode(cause) === "EAGAIN") return undefined;
      throw cause instanceof AxiscriptError ? cause : this.#refused("wait for", cause);
    }
  }

  #refused(action: string, cause: unknown): AxiscriptError {
    const code = errnoCode(cause);
    // EINVAL: newer kernels, of a device that was removed.
    if (code === "EIO" || code === "EINVAL") return this.#none(cause);
    const { deviceName } = this.#source;
    const reason =
      code === "ENOSYS"
        ? "its driver has no way to (no irqcontrol); uio_pdrv_genirq has one"
        : `the kernel answered ${code ?? messageOf(cause)}`;
    return new AxiscriptError(
      code === "ENOSYS" ? "ERR_AXI_NO_INTERRUPT" : "ERR_AXI_IO",
      `Cannot ${action} the interrupt of ${deviceName}: ${reason}.`,
      { cause },
    );
  }

  #none(cause?: unknown): AxiscriptError {
    return new AxiscriptError(
      "ERR_AXI_NO_INTERRUPT",
      `Cannot use the interrupt of ${this.#source.deviceName}: the device has none, or was removed. ` +
        "Its device-tree node must have the property interrupts.",
      { cause },
    );
  }
}
