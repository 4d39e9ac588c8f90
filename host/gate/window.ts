import type { DeviceWindow } from "../dma/device-window";

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
