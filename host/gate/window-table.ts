import { closeSync, constants, openSync } from "node:fs";
import type { DeviceWindow } from "../dma/device-window";
import { AxiscriptError, messageOf } from "../util/errors";
import { pageSizeBytes } from "../native/libc";
import { overlayFile, removeOverlay } from "../native/memory-overlay";
import { FIRST_WINDOW_OFFSET, NO_WINDOW, PROGRAM, WINDOW_COUNT, WINDOW_ENTRY, WINDOWS_END, WRITTEN } from "./layout";
import type { OpenWindow, SeenWindow, WindowListener, WindowPlace } from "./window";

const SLOT_MASK = WINDOW_COUNT - 1;
/** After so many windows a slot gives their numbers again: they are not negative in 32 bits. */
const NUMBERS_OF_A_SLOT = 2 ** 31 / WINDOW_COUNT;

interface Slot {
  /** Where its pages begin in the gate's memory. */
  readonly offset: number;
  readonly mappedBytes: number;
  /** How many windows have been in it. */
  uses: number;
  open: OpenWindow | undefined;
}

/**
 * The windows of a gate: which device's registers lie where in its memory, and the numbers by which scripts call them.
 * Numbers of closed windows are not given again before their slot has had 2^23 others: the low 8 bits are a slot, the
 * others count its uses.
 */
export class WindowTable {
  readonly #memory: WebAssembly.Memory;
  readonly #table: Int32Array;
  /** What lies in each slot of the table. A closed slot keeps its pages for the next window that fits. */
  readonly #slots: Slot[] = [];
  #nextOffset = FIRST_WINDOW_OFFSET;
  #listener: WindowListener = () => {};

  /** @param seen the windows of another thread's gate, in which nothing is to be opened any more */
  constructor(memory: WebAssembly.Memory, seen?: ReadonlyMap<number, SeenWindow>) {
    this.#memory = memory;
    this.#table = new Int32Array(memory.buffer, 0, (WINDOW_COUNT * WINDOW_ENTRY.bytes) / 4);
    if (!seen) {
      for (let index = 0; index < WINDOW_COUNT; index++) this.#shut(index);
      return;
    }
    for (let index = 0; index <= Math.max(-1, ...seen.keys()); index++) {
      this.#slots.push({ offset: 0, mappedBytes: 0, uses: 0, open: seen.get(index) });
    }
  }

  /** Has a listener told what is open from now on. */
  tell(listener: WindowListener): void {
    this.#listener = listener;
  }

  /**
   * Maps a device's registers, which scripts do not reach before {@link enter}.
   *
   * @throws AxiscriptError ERR_AXI_TOO_MANY_WINDOWS, ERR_AXI_DEVICE_ACCESS
   */
  map(window: DeviceWindow): WindowPlace {
    const { deviceName, startBytes, lengthBytes } = window;
    const mappedBytes = Math.ceil((startBytes + lengthBytes) / pageSizeBytes) * pageSizeBytes;
    const index = this.#findSlot(mappedBytes);
    const slot = this.#slots[index];
    if (!slot) throw this.#full(window);
    try {
      this.#overlay(slot.offset, mappedBytes, window);
    } catch (cause) {
      const message = `Cannot map ${lengthBytes} bytes of device ${deviceName}: ${messageOf(cause)}`;
      throw new AxiscriptError("ERR_AXI_DEVICE_ACCESS", message, { cause });
    }
    return { index, start: slot.offset + startBytes, lengthBytes };
  }

  /** Takes a mapping back that scripts do not reach. */
  unmap({ index }: WindowPlace): void {
    const slot = this.#slots[index];
    if (slot) removeOverlay(this.#memory, slot.offset, slot.mappedBytes);
  }

  /** Lets scripts reach a window, and gives it a number. */
  enter(window: DeviceWindow, place: WindowPlace): OpenWindow {
    const { index, start, lengthBytes } = place;
    const slot = this.#slots[index] as Slot;
    const id = (slot.uses++ % NUMBERS_OF_A_SLOT) * WINDOW_COUNT + index;
    this.#table.set([start, lengthBytes / 4, id, WRITTEN.never], (index * WINDOW_ENTRY.bytes) / 4);
    const open = { ...window, ...place, id };
    slot.open = open;
    return open;
  }

  /** Tells the listener of a window that is open. */
  announce(open: OpenWindow): void {
    // A function is no data.
    const seen = Object.fromEntries(Object.entries(open).filter(([name]) => name !== "interrupt"));
    this.#listener(open.index, seen as unknown as SeenWindow);
  }

  /** The open window that has a number. */
  find(id: number): OpenWindow | undefined {
    const open = this.#slots[id & SLOT_MASK]?.open;
    return open?.id === id ? open : undefined;
  }

  get all(): OpenWindow[] {
    return this.#slots.flatMap(({ open }) => open ?? []);
  }

  /** Unmaps a window, and closes its device's file. */
  close(open: OpenWindow): void {
    const slot = this.#slots[open.index];
    if (!slot) return;
    this.#shut(open.index);
    this.unmap(open);
    slot.open = undefined;
    closeSync(open.fd);
    this.#listener(open.index, undefined);
  }

  /** Has scripts reach no window any more. What is mapped stays so. */
  shutAll(): void {
    for (const { index } of this.all) this.#shut(index);
  }

  /** Whether anything was written to a window's device. */
  wasWritten({ index }: WindowPlace): boolean {
    return this.#table[(index * WINDOW_ENTRY.bytes + WINDOW_ENTRY.written) / 4] !== WRITTEN.never;
  }

  noteWritten({ index }: WindowPlace): void {
    this.#table[(index * WINDOW_ENTRY.bytes + WINDOW_ENTRY.written) / 4] = WRITTEN.unseen;
  }

  /** A window's DMA program. */
  programOf({ index }: WindowPlace): Int32Array {
    return new Int32Array(this.#memory.buffer, PROGRAM.offset + index * PROGRAM.bytes, PROGRAM.bytes / 4);
  }

  #overlay(offset: number, mappedBytes: number, { fd, fileOffset, registersFile }: DeviceWindow): void {
    if (registersFile === undefined) {
      overlayFile(this.#memory, offset, mappedBytes, fd, fileOffset);
      return;
    }
    const file = openSync(registersFile, constants.O_RDWR);
    try {
      overlayFile(this.#memory, offset, mappedBytes, file, 0);
    } finally {
      closeSync(file);
    }
  }

  /** Length 0 refuses every offset, whatever the number. What was noted of the device stays. */
  #shut(index: number): void {
    const entry = (index * WINDOW_ENTRY.bytes) / 4;
    this.#table[entry + WINDOW_ENTRY.words / 4] = 0;
    this.#table[entry + WINDOW_ENTRY.id / 4] = NO_WINDOW;
  }

  /** A free slot with enough pages, made if need be; -1 if there is no room. */
  #findSlot(mappedBytes: number): number {
    const free = this.#slots.findIndex((slot) => slot.open === undefined && slot.mappedBytes >= mappedBytes);
    if (free >= 0) return free;
    if (this.#slots.length >= WINDOW_COUNT || this.#nextOffset + mappedBytes > WINDOWS_END) return -1;
    this.#slots.push({ offset: this.#nextOffset, mappedBytes, uses: 0, open: undefined });
    this.#nextOffset += mappedBytes;
    return this.#slots.length - 1;
  }

  #full({ deviceName, lengthBytes }: DeviceWindow): AxiscriptError {
    return new AxiscriptError(
      "ERR_AXI_TOO_MANY_WINDOWS",
      `Cannot map ${lengthBytes} bytes of device ${deviceName}: the gate holds at most ${WINDOW_COUNT} windows of ` +
        `together ${WINDOWS_END - FIRST_WINDOW_OFFSET} bytes; ${this.all.length} are open. Close one.`,
    );
  }
}
