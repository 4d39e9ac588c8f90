import {
  uioAcquire,
  uioClose,
  uioIdleWhen,
  uioInterruptEnable,
  uioInterruptWait,
  uioOpen,
  uioOpenMap,
  uioOpenShared,
  uioPoll32,
  uioRead32,
  uioRead64,
  uioReadBlock,
  uioRelease,
  uioSize,
  uioWrite32,
  uioWrite64,
  uioWriteBlock,
} from "./abi";
import { check, fail } from "./errors";

/** Result of a poll, or a wait, that took too long: -ETIMEDOUT. */
const TIMED_OUT: i32 = -110;

/**
 * A device's registers, at offsets that are multiples of their size.
 *
 * Each call is one access, made once and in order, at every optimisation level. An access that the device's description
 * does not allow, and a start of a transfer outside of memory that this script was granted, end the script before the
 * device sees anything of it.
 *
 * What a transfer depends on (its address and length, for example) is held back until a start goes through; it reads as
 * it was written.
 *
 * @example
 * const device = UioDevice.open("AxiProxy", "hpc");
 * const id = device.read32(0x00);
 */
export class UioDevice {
  private constructor(
    readonly name: string,
    readonly note: string,
    /** Whether others may have it open too. */
    readonly isShared: bool,
    /** The number by which the host's functions (`abi.ts`) call the device. */
    readonly window: i32,
  ) {}

  /**
   * Opens a device of the kernel's user-space I/O framework for this script alone: nobody else can open it until it is
   * closed, or the script ends.
   *
   * @param name as in `/sys/class/uio/uioN/name`, with or without unit address (`AxiProxy@a0000000`), or `uioN`
   * @param note the device-tree property `jan-note`, to tell devices of one name apart; empty: any
   */
  static open(name: string, note: string = ""): UioDevice {
    const nameBytes = String.UTF8.encode(name);
    const noteBytes = String.UTF8.encode(note);
    const window = uioOpen(
      changetype<usize>(nameBytes),
      nameBytes.byteLength,
      changetype<usize>(noteBytes),
      noteBytes.byteLength,
    );
    return new UioDevice(name, note, false, check(window));
  }

  /**
   * As `open`, for another range of registers, of a device that has several (`reg` in its device-tree node). A device of
   * which this script has one range open gives it the others, too.
   *
   * A description is about the first range: what is done in the others is not checked, and on real hardware needs
   * `--allow-unchecked-dma=NAME`.
   *
   * @param map the number of the range, as in `/sys/class/uio/uioN/maps/mapM`; 0: that of `open`
   */
  static openMap(name: string, map: i32, note: string = ""): UioDevice {
    const nameBytes = String.UTF8.encode(name);
    const noteBytes = String.UTF8.encode(note);
    const window = uioOpenMap(
      changetype<usize>(nameBytes),
      nameBytes.byteLength,
      changetype<usize>(noteBytes),
      noteBytes.byteLength,
      map,
    );
    return new UioDevice(name, note, false, check(window));
  }

  /**
   * As `open`, together with others who open it so. Registers can be used at any time; transfers are started between
   * `acquire` and `release`.
   */
  static openShared(name: string, note: string = ""): UioDevice {
    const nameBytes = String.UTF8.encode(name);
    const noteBytes = String.UTF8.encode(note);
    const window = uioOpenShared(
      changetype<usize>(nameBytes),
      nameBytes.byteLength,
      changetype<usize>(noteBytes),
      noteBytes.byteLength,
    );
    return new UioDevice(name, note, true, check(window));
  }

  /**
   * Takes a shared device for this script alone. Without effect on one that is not shared.
   *
   * @param timeoutMs how long to wait until nobody else has taken it; the script ends with ERR_AXI_DEVICE_IN_USE then
   */
  acquire(timeoutMs: i32 = 1000): void {
    if (this.isShared) this.takeTurn(timeoutMs);
  }

  private takeTurn(timeoutMs: i32): void {
    if (checkUnlessLate(uioAcquire(this.window, timeoutMs)) == TIMED_OUT) {
      fail(
        "ERR_AXI_DEVICE_IN_USE",
        `Cannot take ${this.toString()} within ${timeoutMs} ms: another script that shares it has taken it and not given it back.`,
      );
    }
  }

  /** Gives a shared device back to the others. No transfer may be under way. Without effect on one that is not shared. */
  release(): void {
    if (!this.isShared) return;
    check(uioRelease(this.window));
  }

  /** How many bytes of registers there are. */
  get lengthBytes(): i32 {
    return check(uioSize(this.window));
  }

  /** Reads a register. */
  @inline
  read32(offset: u32): u32 {
    return uioRead32(UioDevice.windowOf(changetype<usize>(this)), offset);
  }

  /** Writes a register. */
  @inline
  write32(offset: u32, value: u32): void {
    uioWrite32(UioDevice.windowOf(changetype<usize>(this)), offset, value);
  }

  /** Reads a register that is 64 bits wide, as the device's description says. */
  @inline
  read64(offset: u32): u64 {
    return uioRead64(UioDevice.windowOf(changetype<usize>(this)), offset);
  }

  /** Writes a register that is 64 bits wide, as the device's description says. */
  @inline
  write64(offset: u32, value: u64): void {
    uioWrite64(UioDevice.windowOf(changetype<usize>(this)), offset, value);
  }

  /**
   * Fills an array from a part of the device that behaves like memory, as its description says, 32 bits at a time.
   *
   * @param offset in bytes, a multiple of 4
   * @param into takes as many words as it has
   */
  readBlock(offset: u32, into: StaticArray<u32>): void {
    check(uioReadBlock(this.window, offset, changetype<usize>(into), into.length << 2));
  }

  /** Stores an array in a part of the device that behaves like memory, as `readBlock` reads it. */
  writeBlock(offset: u32, words: StaticArray<u32>): void {
    check(uioWriteBlock(this.window, offset, changetype<usize>(words), words.length << 2));
  }

  /**
   * Reads a register until it shows a value, spinning first and sleeping later.
   *
   * @param offset of the register
   * @param mask the bits that count
   * @param value what they must be
   * @param timeoutMs deadline in milliseconds
   * @returns whether it came in time
   */
  @inline
  poll32(offset: u32, mask: u32, value: u32, timeoutMs: i32): bool {
    return uioPoll32(UioDevice.windowOf(changetype<usize>(this)), offset, mask, value, timeoutMs) != TIMED_OUT;
  }

  /**
   * Says how a device without a description shows that no transfer is under way: `(register & mask) == value`. Memory that
   * it was given can only be given back when that holds; of a device that does not say so, and was written to, nobody
   * knows. Called again, it adds a condition: all of them hold, asked in the same order. Where there is a description, that
   * counts.
   *
   * @param offset of a register that may be read at any time
   * @param mask the bits that count
   * @param value what they are while the device is idle
   */
  idleWhen(offset: u32, mask: u32, value: u32): void {
    check(uioIdleWhen(this.window, offset, mask, value));
  }

  /**
   * Waits for the device's interrupt. One that came since the device was opened, and was not waited for yet, counts.
   *
   * Every interrupt disables itself, so that the device can be dealt with in peace. Then, in this order:
   *
   * 1. acknowledge it in the device, as its documentation says;
   * 2. `enableInterrupt()`. Before 1, it comes again at once;
   * 3. look whether there is something to do before waiting again, where the device may have had more than one reason.
   *
   * @param timeoutMs deadline in milliseconds; 0: looks once
   * @returns how many interrupts the kernel has counted for this device, modulo 2^31; -1 if none came in time
   * @example
   * while (device.waitInterrupt(1000) >= 0) {
   *   timer.acknowledge();
   *   device.enableInterrupt();
   * }
   */
  waitInterrupt(timeoutMs: i32): i32 {
    const count = uioInterruptWait(this.window, timeoutMs);
    return count == TIMED_OUT ? -1 : check(count);
  }

  /** Lets the device's interrupt come again, after it was acknowledged in the device. */
  enableInterrupt(): void {
    check(uioInterruptEnable(this.window, 1));
  }

  /** Keeps the device's interrupt from coming. */
  disableInterrupt(): void {
    check(uioInterruptEnable(this.window, 0));
  }

  /** Lets go of the device. Its registers cannot be reached through this object any more. */
  close(): void {
    check(uioClose(this.window));
  }

  /**
   * `device.window`, as a bare load: a field's accessor is a call with an object, for which the function that makes it
   * keeps book for the garbage collector, and that takes longer than a register access.
   */
  @inline
  private static windowOf(device: usize): i32 {
    return load<i32>(device, offsetof<UioDevice>("window"));
  }

  /** `AxiProxy:hpc` */
  toString(): string {
    return this.note.length > 0 ? this.name + ":" + this.note : this.name;
  }
}

/** Passes 0 and a time-out on, and ends the script for other errors. */
function checkUnlessLate(result: i32): i32 {
  return result == TIMED_OUT ? result : check(result);
}
