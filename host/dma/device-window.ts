import type { DeviceDescription } from "../description/description";

/** The interrupt of a device, as a script uses it. */
export interface DeviceInterrupt {
  /**
   * Lets the device interrupt, or not.
   *
   * @throws AxiscriptError ERR_AXI_NO_INTERRUPT
   */
  enable(on: boolean): void;
  /**
   * Waits for interrupts.
   *
   * @param check is called now and then, and throws to end the wait
   * @returns how many there have been so far, once these are more than at the last time; `undefined` when time is up
   * @throws AxiscriptError ERR_AXI_NO_INTERRUPT
   */
  wait(timeoutMs: number, check?: () => void): number | undefined;
}

/** A device's registers, ready to be mapped. */
export interface DeviceWindow {
  /** What messages call the device. */
  readonly deviceName: string;
  /** The device's file, open for reading and writing. The gate takes it over, and closes it with the window. */
  readonly fd: number;
  /** Another file to map from its beginning, where the device's own does not hold the registers. */
  readonly registersFile?: string;
  /** Where the mapping begins in the file; a multiple of the page size. */
  readonly fileOffset: number;
  /** Where the registers begin in the mapping; a multiple of 8. */
  readonly startBytes: number;
  /** How many bytes of registers there are; a multiple of 4. */
  readonly lengthBytes: number;
  /** What is known of the device; absent: nothing, and its transfers are not checked. */
  readonly description?: DeviceDescription;
  /** Others may have it open too: transfers are started only between `Gate.acquire` and `Gate.release`. */
  readonly shared?: boolean;
  /** Of use while the window is open. */
  readonly interrupt?: () => DeviceInterrupt;
}
