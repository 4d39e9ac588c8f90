import { closeSync, constants, openSync, readFileSync } from "node:fs";
import { monotonicMs } from "../clock";
import type { DeviceDescription, MaskedValue, RegisterAccess, RegisterDescription } from "../devices/description";
import type { UioInterrupt } from "../devices/uio-interrupt";
import { AxiscriptError, hex, messageOf } from "../errors";
import { addressOf, adviseMemory, MADV_NOHUGEPAGE, pageSizeBytes, tryLockTurn, unlockTurn } from "../native/libc";
import { overlayFile, removeOverlay } from "../native/memory-overlay";
import { heldRegisters } from "./channels";
import { clearRules, markUnknown, writeRules } from "./device-rules";
import { GrantedMemory } from "./granted-memory";
import { identify } from "./identify";
import {
  FIRST_WINDOW_OFFSET,
  GATE_MEMORY_PAGES,
  HELD_DISTANCE,
  NO_WINDOW,
  PROGRAM,
  WINDOW_COUNT,
  WINDOW_ENTRY,
  WINDOWS_END,
  WRITTEN,
} from "./layout";
import { gateModulePath } from "./module-file";
import { denial, refusal } from "./refusals";
import { UncheckedDevice } from "./unchecked-device";

/** How long a poll spins before it sleeps, which takes some 0.1 ms: most transfers of a virtual board are done by then. */
const POLL_SPIN_MS = 0.03;
/** How often at least a poll looks before its time is up, however long the thread is held up meanwhile. */
const LEAST_ROUNDS = 10;
/** How long a poll sleeps then between two rounds of looks, and a wait for a device between two looks. */
const POLL_SLEEP_MS = 0.05;
/**
 * Other threads never see it. But V8 counts memory that they could see to nobody, and the rest to the program: of that
 * much it collects the garbage before every run, though hardly any of these addresses have a page.
 */
const GATE_MEMORY = { initial: GATE_MEMORY_PAGES, maximum: GATE_MEMORY_PAGES, shared: true };
const SLOT_MASK = WINDOW_COUNT - 1;
/** After so many windows a slot gives their numbers again: they are not negative in 32 bits. */
const NUMBERS_OF_A_SLOT = 2 ** 31 / WINDOW_COUNT;
const ALL_CHANNELS = 2 ** PROGRAM.channels.capacity - 1;

interface Slot {
  /** Where its pages begin in the gate's memory. */
  readonly offset: number;
  readonly mappedBytes: number;
  /** How many windows have been in it. */
  uses: number;
  open: OpenWindow | undefined;
}

interface OpenWindow extends DeviceWindow {
  readonly id: number;
  /** Address of its first register in the gate's memory. */
  readonly start: number;
  /** If its transfers are not checked. */
  readonly unchecked: UncheckedDevice | undefined;
}

/** A device that may be using memory. `unknown`: nobody has said how it shows that it is idle. */
export interface ActiveDevice {
  readonly deviceName: string;
  readonly state: "busy" | "unknown";
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
  /** Others may have it open too: transfers are started only between {@link Gate.acquire} and {@link Gate.release}. */
  readonly shared?: boolean;
  /** Of use while the window is open. */
  readonly interrupt?: () => UioInterrupt;
}

/** An open window as plain data: what another thread needs to bring its device to rest. */
export type SeenWindow = Omit<OpenWindow, "interrupt" | "unchecked">;

/** A gate as another thread sees it: its memory, which both share, and what is open in it. */
export interface SeenGate {
  readonly memory: WebAssembly.Memory;
  /** By slot. */
  readonly windows: ReadonlyMap<number, SeenWindow>;
}

/** Told what is open in a slot of the gate now; `undefined`: nothing any more. May throw, to stop the script. */
export type WindowListener = (slot: number, window: SeenWindow | undefined) => void;

/** The gate's functions in the form in which a script imports them. */
export interface GateExports {
  readonly read32: (window: number, offset: number) => number;
  readonly write32: (window: number, offset: number, value: number) => void;
  readonly read64: (window: number, offset: number) => bigint;
  readonly write64: (window: number, offset: number, value: bigint) => void;
  readonly poll32: (window: number, offset: number, mask: number, value: number, timeoutMs: number) => number;
}

/** What the host alone may call. */
interface HostExports {
  readonly deviceLoad: (address: number) => number;
  readonly deviceStore: (address: number, value: number) => void;
  readonly isIdle: (program: number, channels: number) => number;
}

let compiled: WebAssembly.Module | undefined;

/** @throws AxiscriptError ERR_AXI_OUT_OF_MEMORY */
function reserveMemory(): WebAssembly.Memory {
  try {
    const memory = new WebAssembly.Memory(GATE_MEMORY);
    keepSparse(memory);
    return memory;
  } catch (cause) {
    const message = `Cannot reserve addresses for device registers: ${messageOf(cause)}. Is the address space limited (ulimit -v)?`;
    throw new AxiscriptError("ERR_AXI_OUT_OF_MEMORY", message, { cause });
  }
}

/** @throws AxiscriptError ERR_AXI_INSTALLATION */
function readModule(): WebAssembly.Module {
  const path = gateModulePath(process.arch === "arm64" ? "arm64" : "x64");
  try {
    return new WebAssembly.Module(readFileSync(path));
  } catch (cause) {
    const message = `Cannot use this installation of axiscript: ${messageOf(cause)}. Install it again.`;
    throw new AxiscriptError("ERR_AXI_INSTALLATION", message, { cause });
  }
}

/** Has the kernel give the memory small pages: of each of its tables some bytes are used, as a rule. */
function keepSparse({ buffer }: WebAssembly.Memory): void {
  try {
    adviseMemory(addressOf(new Uint8Array(buffer)), buffer.byteLength, MADV_NOHUGEPAGE);
  } catch {
    // A kernel that has no huge pages has no such advice either.
  }
}

/**
 * The only way from a script to a device's registers: a WebAssembly module with a memory of its own that holds the
 * device windows. An access that a device's description does not allow, or outside of a window, is refused with
 * ERR_AXI_GATE, and a transfer outside of granted memory with ERR_AXI_DMA_REFUSED, before the device sees anything of
 * it. After a refusal every window is shut: a script that goes on nevertheless reaches no device any more.
 */
export class Gate {
  /** To be given to a script's imports as they are: a call then costs no JavaScript. */
  readonly exports: GateExports;
  /** The memory that the script's transfers may use. */
  readonly granted: GrantedMemory;
  readonly #host: HostExports;
  readonly #memory: WebAssembly.Memory;
  readonly #table: Int32Array;
  /** What lies in each slot of the table. A closed slot keeps its pages for the next window that fits. */
  readonly #slots: Slot[] = [];
  /** Devices whose windows were closed, and which do not say whether they are at work. */
  readonly #leftActive = new Set<string>();
  readonly #sleeper = new Int32Array(new SharedArrayBuffer(4));
  #nextOffset = FIRST_WINDOW_OFFSET;
  /** When the poll that is under way last looked, and how much time it has taken so far. */
  #lastRoundAt = 0;
  #polledMs = 0;
  #refusal: AxiscriptError | undefined;
  #onWindow: WindowListener = () => {};

  /**
   * @param seen another thread's gate, whose devices are to be brought to rest; absent: a new one
   * @throws AxiscriptError ERR_AXI_OUT_OF_MEMORY
   */
  constructor(seen?: SeenGate) {
    this.#memory = seen?.memory ?? reserveMemory();
    this.#table = new Int32Array(this.#memory.buffer, 0, (WINDOW_COUNT * WINDOW_ENTRY.bytes) / 4);
    if (seen) this.#see(seen);
    else for (let index = 0; index < WINDOW_COUNT; index++) this.#shut(index);
    this.granted = new GrantedMemory(this.#memory.buffer);
    compiled ??= readModule();
    const instance = new WebAssembly.Instance(compiled, {
      host: {
        deny: (window: number, offset: number, access: number) => this.#deny(window, offset >>> 0, access),
        refuse: (window: number, offset: number, reason: number, transfer: number) =>
          this.#refuse(window, offset, reason, transfer),
        pause: (timeoutMs: number, round: number) => this.#pause(timeoutMs, round),
        wait: (us: number) => void Atomics.wait(this.#sleeper, 0, 0, us / 1000),
        memory: this.#memory,
      },
    });
    const { deviceLoad, deviceStore, isIdle, ...forScripts } = instance.exports as unknown as GateExports & HostExports;
    this.exports = forScripts;
    this.#host = { deviceLoad, deviceStore, isIdle };
  }

  /** For another thread, with what the listener is told from now on. */
  shareWith(listener: WindowListener): WebAssembly.Memory {
    this.#onWindow = listener;
    return this.#memory;
  }

  /** Why the gate was shut, if it was. */
  get refusal(): AxiscriptError | undefined {
    return this.#refusal;
  }

  /**
   * Maps a device's registers. If the device has a description, it is identified before anything else is touched.
   *
   * @returns the number by which a script calls the window. Numbers of closed windows are not given again before their
   *   slot has had 2^23 others: the low 8 bits are a slot, the others count its uses
   * @throws AxiscriptError ERR_AXI_TOO_MANY_WINDOWS, ERR_AXI_DEVICE_ACCESS, ERR_AXI_WRONG_DEVICE, ERR_AXI_DESCRIPTION
   */
  open(window: DeviceWindow): number {
    const open = this.#open(window);
    this.#tell(open);
    return open.id;
  }

  /** Takes over the slots of another thread's gate, in which nothing is to be opened any more. */
  #see({ windows }: SeenGate): void {
    for (let index = 0; index <= Math.max(-1, ...windows.keys()); index++) {
      const window = windows.get(index);
      const open = window && { ...window, unchecked: this.#uncheckedOf(window, index, window.start) };
      this.#slots.push({ offset: 0, mappedBytes: 0, uses: 0, open });
    }
  }

  #open(window: DeviceWindow): OpenWindow {
    const { deviceName, fd, startBytes, lengthBytes } = window;
    const mappedBytes = Math.ceil((startBytes + lengthBytes) / pageSizeBytes) * pageSizeBytes;
    try {
      if (this.#refusal) throw this.#refusal;
      const index = this.#findSlot(mappedBytes);
      const slot = this.#slots[index];
      if (!slot) throw this.#full(window);
      try {
        this.#map(slot.offset, mappedBytes, window);
      } catch (cause) {
        const message = `Cannot map ${lengthBytes} bytes of device ${deviceName}: ${messageOf(cause)}`;
        throw new AxiscriptError("ERR_AXI_DEVICE_ACCESS", message, { cause });
      }
      const start = slot.offset + startBytes;
      try {
        this.#describe(index, start, window);
      } catch (error) {
        removeOverlay(this.#memory, slot.offset, slot.mappedBytes);
        throw error;
      }
      const id = (slot.uses++ % NUMBERS_OF_A_SLOT) * WINDOW_COUNT + index;
      this.#table.set([start, lengthBytes / 4, id, WRITTEN.never], (index * WINDOW_ENTRY.bytes) / 4);
      const unchecked = this.#uncheckedOf(window, index, start);
      for (const { register, values } of (unchecked && window.description?.idle) ?? []) {
        unchecked?.add({ offset: register.offset, values });
      }
      const open: OpenWindow = { ...window, id, start, unchecked };
      slot.open = open;
      return open;
    } catch (error) {
      closeSync(fd);
      throw error;
    }
  }

  /** How a device shows that it is idle whose transfers are not checked; `undefined` if they are. */
  #uncheckedOf(
    { description }: Pick<DeviceWindow, "description">,
    index: number,
    start: number,
  ): UncheckedDevice | undefined {
    if (description && description.dma !== "unchecked") return undefined;
    const place = {
      ...{ buffer: this.#memory.buffer, index, start },
      isIdle: () => this.#isIdle(index),
      sleep: (ms: number) => void Atomics.wait(this.#sleeper, 0, 0, ms),
    };
    return new UncheckedDevice(place);
  }

  #map(offset: number, mappedBytes: number, { fd, fileOffset, registersFile }: DeviceWindow): void {
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

  #describe(index: number, start: number, { deviceName, lengthBytes, description, shared }: DeviceWindow): void {
    const place = { index, start, lengthBytes };
    if (!description) {
      clearRules(this.#memory.buffer, place);
      return;
    }
    writeRules(this.#memory.buffer, place, description, shared !== true);
    const read = ({ offset }: RegisterDescription) => this.#host.deviceLoad(start + offset);
    identify(deviceName, description, read);
    const held = new Int32Array(this.#memory.buffer);
    for (const { offset, access } of heldRegisters(description)) {
      const at = start + offset;
      held[(at + HELD_DISTANCE) / 4] = access === "WO" ? 0 : this.#host.deviceLoad(at);
    }
  }

  /** The interrupt of a window's device, or `undefined` if there is no such window. */
  interruptOf(window: number): UioInterrupt | undefined {
    return this.#find(window)?.interrupt?.();
  }

  /** How many bytes of registers a window has, or `undefined` if there is no such window. */
  lengthOf(window: number): number | undefined {
    return this.#find(window)?.lengthBytes;
  }

  /**
   * Adds to how a device whose transfers are not checked shows that it is idle: all its conditions hold, asked in the order
   * in which they were added. What a description says counts instead, where it says something. False if there is no such
   * window.
   *
   * @throws AxiscriptError ERR_AXI_GATE if the register is not in the window; ERR_AXI_BAD_ARGUMENT if there are too many
   */
  addIdleCondition(window: number, offset: number, masked: MaskedValue): boolean {
    const open = this.#find(window);
    if (!open) return false;
    this.exports.read32(window, offset);
    // What a description says counts instead.
    const isSaid = open.description && (open.description.dma !== "unchecked" || open.description.idle.length > 0);
    if (isSaid || !open.unchecked || open.unchecked.add({ offset, values: [masked] })) return true;
    throw new AxiscriptError(
      "ERR_AXI_BAD_ARGUMENT",
      `Cannot add a condition for device ${open.deviceName} to be idle: it has ${PROGRAM.idle.capacity}, which is the most.`,
    );
  }

  /**
   * Copies from a part of a device that behaves like memory, each word once and in order.
   *
   * @param offset in bytes, a multiple of 4
   * @returns false if there is no such window
   * @throws AxiscriptError ERR_AXI_BAD_ARGUMENT unless the description says that all of it is memory to be read
   */
  readBlock(window: number, offset: number, into: Uint32Array): boolean {
    const from = this.#block(window, offset, into.length, "WO");
    if (!from) return false;
    for (let index = 0; index < into.length; index++) into[index] = from[index] ?? 0;
    return true;
  }

  /** As {@link readBlock}, into a part of a device that may be written. */
  writeBlock(window: number, offset: number, data: Uint32Array): boolean {
    const to = this.#block(window, offset, data.length, "RO");
    if (!to) return false;
    this.#table[((window & SLOT_MASK) * WINDOW_ENTRY.bytes + WINDOW_ENTRY.written) / 4] = WRITTEN.unseen;
    for (let index = 0; index < data.length; index++) to[index] = data[index] ?? 0;
    return true;
  }

  /** The words of a block that lies in one memory of a device, whose access is not the one named. */
  #block(window: number, offset: number, words: number, forbidden: RegisterAccess): Uint32Array | undefined {
    const open = this.#find(window);
    if (!open || this.#refusal) return undefined;
    const end = offset + words * 4;
    const memory = open.description?.memories.find(
      (each) => each.offset <= offset && end <= each.offset + each.lengthBytes,
    );
    if (memory && memory.access !== forbidden && offset % 4 === 0) {
      return new Uint32Array(this.#memory.buffer, open.start + offset, words);
    }
    const known = open.description?.memories.map(({ name, offset, lengthBytes, access }) => {
      return `${name} (${access}) from ${hex(offset)} to ${hex(offset + lengthBytes)}`;
    });
    throw new AxiscriptError(
      "ERR_AXI_BAD_ARGUMENT",
      `Cannot copy ${words * 4} bytes at offset ${hex(offset)} of device ${open.deviceName}: its description must say ` +
        `that they behave like memory, and the offset is a multiple of 4. Such parts: ${known?.join(", ") || "none"}.`,
    );
  }

  /**
   * Takes a shared device for this script alone, to start transfers.
   *
   * @returns false if another one has it for longer than `timeoutMs`; true at once for a device that is not shared
   */
  acquire(window: number, timeoutMs: number): boolean | undefined {
    const open = this.#find(window);
    if (!open?.shared) return open && true;
    const deadline = monotonicMs() + timeoutMs;
    while (!tryLockTurn(open.fd)) {
      if (monotonicMs() >= deadline) return false;
      Atomics.wait(this.#sleeper, 0, 0, POLL_SLEEP_MS);
    }
    const program = this.#programOf(open.id);
    if (open.description) markUnknown(program, open.description);
    program[PROGRAM.owner / 4] = 1;
    return true;
  }

  /**
   * Gives a shared device back to the others.
   *
   * @returns false while a transfer is under way
   */
  release(window: number): boolean | undefined {
    const open = this.#find(window);
    if (!open?.shared) return open && true;
    if (this.#activity(open)?.state === "busy") return false;
    const program = this.#programOf(open.id);
    program[PROGRAM.owner / 4] = 0;
    // What is under way from now on is not this script's.
    program[PROGRAM.everStarted / 4] = 0;
    unlockTurn(open.fd);
    return true;
  }

  /** The devices that were made to do something, and which are not known to be idle now. */
  activeDevices(): ActiveDevice[] {
    const windows = this.#openWindows();
    const active = windows.flatMap((open) => this.#activity(open) ?? []);
    // A device that is open again may say by now how it shows that it is idle.
    for (const { deviceName, unchecked } of windows) {
      if (this.#leftActive.has(deviceName) && unchecked?.state === "idle") this.#leftActive.delete(deviceName);
    }
    return [...active, ...[...this.#leftActive].map((deviceName) => ({ deviceName, state: "unknown" as const }))];
  }

  /**
   * Waits until no device is at work, and brings those that are idle to rest as their descriptions say.
   *
   * @param timeoutMs how long to wait
   */
  bringToRest(timeoutMs: number): void {
    const deadline = monotonicMs() + timeoutMs;
    while (this.activeDevices().some(({ state }) => state === "busy") && monotonicMs() < deadline) {
      Atomics.wait(this.#sleeper, 0, 0, POLL_SLEEP_MS);
    }
    for (const open of this.#openWindows()) {
      const { description, start, id } = open;
      const isMine = !open.shared || this.#programOf(id)[PROGRAM.owner / 4] === 1;
      if (!description || !isMine || !this.#wasWritten(id) || this.#activity(open)) continue;
      for (const { register, value } of description.rest) this.#host.deviceStore(start + register.offset, value);
    }
  }

  #activity(open: OpenWindow): ActiveDevice | undefined {
    const { deviceName, description, id, unchecked } = open;
    if (description?.dma === "none" || !this.#wasWritten(id)) return undefined;
    if (unchecked) {
      const { state } = unchecked;
      return state === "idle" ? undefined : { deviceName, state };
    }
    if (this.#programOf(id)[PROGRAM.everStarted / 4] === 0) return undefined;
    return this.#isIdle(id) ? undefined : { deviceName, state: "busy" };
  }

  /** Whether all channels of a window's device are idle. */
  #isIdle(window: number): boolean {
    return this.#host.isIdle(PROGRAM.offset + (window & SLOT_MASK) * PROGRAM.bytes, ALL_CHANNELS) === 1;
  }

  /**
   * Unmaps a window.
   *
   * @returns false if there is no such window, or it was closed before
   * @throws AxiscriptError ERR_AXI_DEVICE_BUSY while its device is at work: nobody would see when it is done
   */
  close(window: number): boolean {
    const open = this.#find(window);
    if (!open) return false;
    const activity = this.#activity(open);
    if (activity?.state === "busy") {
      throw new AxiscriptError(
        "ERR_AXI_DEVICE_BUSY",
        `Cannot close device ${open.deviceName}: a transfer is under way. Wait until it is done.`,
      );
    }
    if (activity) this.#leftActive.add(activity.deviceName);
    this.#unmap(open);
    return true;
  }

  /**
   * Unmaps every window.
   *
   * @throws AxiscriptError ERR_AXI_DEVICE_BUSY if a device is at work; the others may be closed then
   */
  closeIdle(): void {
    for (const { id } of this.#openWindows()) this.close(id);
  }

  /** Unmaps every window, whatever its device is doing. */
  closeAll(): void {
    for (const open of this.#openWindows()) this.#unmap(open);
  }

  #unmap({ id, fd }: OpenWindow): void {
    const slot = this.#slots[id & SLOT_MASK];
    if (!slot) return;
    this.#shut(id);
    removeOverlay(this.#memory, slot.offset, slot.mappedBytes);
    slot.open = undefined;
    closeSync(fd);
    this.#onWindow(id & SLOT_MASK, undefined);
  }

  #tell(open: OpenWindow): void {
    // Functions are no data.
    const data = Object.entries(open).filter(([name]) => name !== "interrupt" && name !== "unchecked");
    this.#onWindow(open.id & SLOT_MASK, Object.fromEntries(data) as unknown as SeenWindow);
  }

  #find(window: number): OpenWindow | undefined {
    const open = this.#slots[window & SLOT_MASK]?.open;
    return open?.id === window ? open : undefined;
  }

  #openWindows(): OpenWindow[] {
    return this.#slots.flatMap(({ open }) => open ?? []);
  }

  #wasWritten(window: number): boolean {
    return this.#table[((window & SLOT_MASK) * WINDOW_ENTRY.bytes + WINDOW_ENTRY.written) / 4] !== WRITTEN.never;
  }

  #programOf(window: number): Int32Array {
    const offset = PROGRAM.offset + (window & SLOT_MASK) * PROGRAM.bytes;
    return new Int32Array(this.#memory.buffer, offset, PROGRAM.bytes / 4);
  }

  /** Length 0 refuses every offset, whatever the number. What was noted of the device stays. */
  #shut(window: number): void {
    const entry = ((window & SLOT_MASK) * WINDOW_ENTRY.bytes) / 4;
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
        `together ${WINDOWS_END - FIRST_WINDOW_OFFSET} bytes; ${this.#openWindows().length} are open. Close one.`,
    );
  }

  #deny(window: number, offset: number, access: number): never {
    throw this.#shutAfter(() => denial(window, offset, access, this.#find(window)));
  }

  #refuse(window: number, offset: number, reason: number, transferIndex: number): never {
    throw this.#shutAfter(() => {
      const open = this.#find(window);
      if (!open) return denial(window, offset, -1, undefined);
      const { description, start } = open;
      const dma = description?.dma;
      const transfer = dma && typeof dma !== "string" ? dma.transfers[transferIndex] : undefined;
      const held = new DataView(this.#memory.buffer, start + HELD_DISTANCE);
      const read = ({ offset }: RegisterDescription) => BigInt(held.getUint32(offset, true));
      return refusal(reason, offset, transfer, open, { read });
    });
  }

  /** A script can catch what a host function throws; it goes on without devices then. */
  #shutAfter(explain: () => AxiscriptError): AxiscriptError {
    this.#refusal ??= explain();
    for (const { id } of this.#openWindows()) this.#shut(id);
    return this.#refusal;
  }

  /**
   * Between the rounds of a poll: 1 when time is up. Of the time since the last round a tenth of the time-out counts at
   * most: where this thread was held up, a device that this machine imitates was too, and gets some more looks.
   */
  #pause(timeoutMs: number, round: number): number {
    const now = monotonicMs();
    if (round === 0) this.#polledMs = 0;
    else this.#polledMs += Math.min(now - this.#lastRoundAt, timeoutMs / LEAST_ROUNDS);
    this.#lastRoundAt = now;
    if (this.#polledMs >= timeoutMs) return 1;
    if (this.#polledMs >= POLL_SPIN_MS) Atomics.wait(this.#sleeper, 0, 0, POLL_SLEEP_MS);
    return 0;
  }
}
