import type { DeviceDescription } from "../devices/description";
import type { UioInterrupt } from "../devices/uio-interrupt";

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
  readonly interrupt?: () => UioInterrupt;
}

/** Where a window's tables and registers are in the gate's memory. */
export interface WindowPlace {
  /** Its slot, which is its entry in the window table and its DMA program. */
  readonly index: number;
  /** Address of its first register. */
  readonly start: number;
  /** Of its registers. */
  readonly lengthBytes: number;
}

/** A window that is mapped. */
export interface OpenWindow extends DeviceWindow, WindowPlace {
  /** The number by which a script calls it. */
  readonly id: number;
}

/** An open window as plain data: what another thread needs to bring its device to rest. */
export type SeenWindow = Omit<OpenWindow, "interrupt">;

/** A gate as another thread sees it: its memory, which both share, and what is open in it. */
export interface SeenGate {
  readonly memory: WebAssembly.Memory;
  /** By slot. */
  readonly windows: ReadonlyMap<number, SeenWindow>;
}

/** Told what is open in a slot of the gate now; `undefined`: nothing any more. May throw, to stop the script. */
export type WindowListener = (slot: number, window: SeenWindow | undefined) => void;
