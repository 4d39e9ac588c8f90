import { closeSync, readFileSync } from "node:fs";
import { blockThread, monotonicMs } from "../util/clock";
import type { MaskedValue, RegisterAccess, RegisterDescription } from "../description/description";
import type { ActiveDevice } from "../dma/active-device";
import type { DeviceInterrupt, DeviceWindow } from "../dma/device-window";
import { AxiscriptError, hex, messageOf } from "../util/errors";
import { tryLockTurn, unlockTurn } from "../native/libc";
import { Activity, type ActivityExports } from "./activity";
import { heldRegisters } from "./channels";
import { clearRules, markUnknown, writeRules } from "./device-rules";
import { reserveGateMemory } from "./gate-memory";
import { GrantedMemory } from "./granted-memory";
import { identify } from "./identify";
import { HELD_DISTANCE, PROGRAM } from "./layout";
import { gateModulePath } from "./module-file";
import { POLL_SLEEP_MS, PollPause } from "./poll-pause";
import { denial, refusal } from "./refusals";
import type { OpenWindow, SeenGate, WindowListener, WindowPlace } from "./window";
import { WindowTable } from "./window-table";

/** The gate's functions in the form in which a script imports them. */
export interface GateExports {
  readonly read32: (window: number, offset: number) => number;
  readonly write32: (window: number, offset: number, value: number) => void;
  readonly read64: (window: number, offset: number) => bigint;
  readonly write64: (window: number, offset: number, value: bigint) => void;
  readonly poll32: (window: number, offset: number, mask: number, value: number, timeoutMs: number) => number;
}

/** What the host alone may call. */
interface HostExports extends ActivityExports {
  readonly deviceLoad: (address: number) => number;
}

let compiled: WebAssembly.Module | undefined;

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
  readonly #memory: WebAssembly.Memory;
  readonly #windows: WindowTable;
  readonly #activity: Activity;
  readonly #deviceLoad: (address: number) => number;
  #refusal: AxiscriptError | undefined;

  /**
   * @param seen another thread's gate, whose devices are to be brought to rest; absent: a new one
   * @throws AxiscriptError ERR_AXI_OUT_OF_MEMORY
   */
  constructor(seen?: SeenGate) {
    this.#memory = seen?.memory ?? reserveGateMemory();
    this.#windows = new WindowTable(this.#memory, seen?.windows);
    this.granted = new GrantedMemory(this.#memory.buffer);
    compiled ??= readModule();
    const poll = new PollPause();
    const instance = new WebAssembly.Instance(compiled, {
      host: {
        deny: (window: number, offset: number, access: number) => this.#deny(window, offset >>> 0, access),
        refuse: (window: number, offset: number, reason: number, transfer: number) =>
          this.#refuse(window, offset, reason, transfer),
        pause: (timeoutMs: number, round: number) => poll.pause(timeoutMs, round),
        wait: (us: number) => blockThread(us / 1000),
        memory: this.#memory,
      },
    });
    const { deviceLoad, deviceStore, isIdle, ...forScripts } = instance.exports as unknown as GateExports & HostExports;
    this.exports = forScripts;
    this.#deviceLoad = deviceLoad;
    this.#activity = new Activity(this.#memory.buffer, this.#windows, { deviceStore, isIdle });
  }

  /** For another thread, with what the listener is told from now on. */
  shareWith(listener: WindowListener): WebAssembly.Memory {
    this.#windows.tell(listener);
    return this.#memory;
  }

  /** Why the gate was shut, if it was. */
  get refusal(): AxiscriptError | undefined {
    return this.#refusal;
  }

  /**
   * Maps a device's registers. If the device has a description, it is identified before anything else is touched.
   *
   * @returns the number by which a script calls the window
   * @throws AxiscriptError ERR_AXI_TOO_MANY_WINDOWS, ERR_AXI_DEVICE_ACCESS, ERR_AXI_WRONG_DEVICE, ERR_AXI_DESCRIPTION
   */
  open(window: DeviceWindow): number {
    const open = this.#open(window);
    this.#windows.announce(open);
    return open.id;
  }

  #open(window: DeviceWindow): OpenWindow {
    try {
      if (this.#refusal) throw this.#refusal;
      const place = this.#windows.map(window);
      try {
        this.#describe(place, window);
      } catch (error) {
        this.#windows.unmap(place);
        throw error;
      }
      const open = this.#windows.enter(window, place);
      this.#activity.begin(open);
      return open;
    } catch (error) {
      closeSync(window.fd);
      throw error;
    }
  }

  #describe(place: WindowPlace, { deviceName, description, shared }: DeviceWindow): void {
    if (!description) {
      clearRules(this.#memory.buffer, place);
      return;
    }
    const { start } = place;
    writeRules(this.#memory.buffer, place, description, shared !== true);
    identify(deviceName, description, ({ offset }) => this.#deviceLoad(start + offset));
    const held = new Int32Array(this.#memory.buffer);
    for (const { offset, access } of heldRegisters(description)) {
      const at = start + offset;
      held[(at + HELD_DISTANCE) / 4] = access === "WO" ? 0 : this.#deviceLoad(at);
    }
  }

  /** The interrupt of a window's device, or `undefined` if there is no such window. */
  interruptOf(window: number): DeviceInterrupt | undefined {
    return this.#windows.find(window)?.interrupt?.();
  }

  /** How many bytes of registers a window has, or `undefined` if there is no such window. */
  lengthOf(window: number): number | undefined {
    return this.#windows.find(window)?.lengthBytes;
  }

  /**
   * Adds to how a device whose transfers are not checked shows that it is idle: all its conditions hold, asked in the order
   * in which they were added. What a description says counts instead, where it says something. False if there is no such
   * window.
   *
   * @throws AxiscriptError ERR_AXI_GATE if the register is not in the window; ERR_AXI_BAD_ARGUMENT if there are too many
   */
  addIdleCondition(window: number, offset: number, masked: MaskedValue): boolean {
    const open = this.#windows.find(window);
    if (!open) return false;
    this.exports.read32(window, offset);
    this.#activity.addCondition(open, offset, masked);
    return true;
  }

  /**
   * Copies from a part of a device that behaves like memory, each word once and in order.
   *
   * @param offset in bytes, a multiple of 4
   * @returns false if there is no such window
   * @throws AxiscriptError ERR_AXI_BAD_ARGUMENT unless the description says that all of it is memory to be read
   */
  readBlock(window: number, offset: number, into: Uint32Array): boolean {
    const open = this.#windows.find(window);
    if (!open || this.#refusal) return false;
    const from = this.#block(open, offset, into.length, "WO");
    for (let index = 0; index < into.length; index++) into[index] = from[index] ?? 0;
    return true;
  }

  /** As {@link readBlock}, into a part of a device that may be written. */
  writeBlock(window: number, offset: number, data: Uint32Array): boolean {
    const open = this.#windows.find(window);
    if (!open || this.#refusal) return false;
    const to = this.#block(open, offset, data.length, "RO");
    this.#windows.noteWritten(open);
    for (let index = 0; index < data.length; index++) to[index] = data[index] ?? 0;
    return true;
  }

  /** The words of a block that lies in one memory of a device, whose access is not the one named. */
  #block(
    { deviceName, description, start }: OpenWindow,
    offset: number,
    words: number,
    forbidden: RegisterAccess,
  ): Uint32Array {
    const end = offset + words * 4;
    const memory = description?.memories.find((each) => each.offset <= offset && end <= each.offset + each.lengthBytes);
    if (memory && memory.access !== forbidden && offset % 4 === 0) {
      return new Uint32Array(this.#memory.buffer, start + offset, words);
    }
    const known = description?.memories.map(({ name, offset, lengthBytes, access }) => {
      return `${name} (${access}) from ${hex(offset)} to ${hex(offset + lengthBytes)}`;
    });
    throw new AxiscriptError(
      "ERR_AXI_BAD_ARGUMENT",
      `Cannot copy ${words * 4} bytes at offset ${hex(offset)} of device ${deviceName}: its description must say that ` +
        `they behave like memory, and the offset is a multiple of 4. Such parts: ${known?.join(", ") || "none"}.`,
    );
  }

  /**
   * Takes a shared device for this script alone, to start transfers.
   *
   * @returns false if another one has it for longer than `timeoutMs`; true at once for a device that is not shared
   */
  acquire(window: number, timeoutMs: number): boolean | undefined {
    const open = this.#windows.find(window);
    if (!open?.shared) return open && true;
    const deadline = monotonicMs() + timeoutMs;
    while (!tryLockTurn(open.fd)) {
      if (monotonicMs() >= deadline) return false;
      blockThread(POLL_SLEEP_MS);
    }
    const program = this.#windows.programOf(open);
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
    const open = this.#windows.find(window);
    if (!open?.shared) return open && true;
    if (this.#activity.of(open)?.state === "busy") return false;
    const program = this.#windows.programOf(open);
    program[PROGRAM.owner / 4] = 0;
    // What is under way from now on is not this script's.
    program[PROGRAM.everStarted / 4] = 0;
    unlockTurn(open.fd);
    return true;
  }

  /** The devices that were made to do something, and which are not known to be idle now. */
  activeDevices(): ActiveDevice[] {
    return this.#activity.all;
  }

  /**
   * Waits until no device is at work, and brings those that are idle to rest as their descriptions say.
   *
   * @param timeoutMs how long to wait
   */
  bringToRest(timeoutMs: number): void {
    this.#activity.bringToRest(timeoutMs);
  }

  /**
   * Unmaps a window.
   *
   * @returns false if there is no such window, or it was closed before
   * @throws AxiscriptError ERR_AXI_DEVICE_BUSY while its device is at work: nobody would see when it is done
   */
  close(window: number): boolean {
    const open = this.#windows.find(window);
    if (!open) return false;
    this.#activity.leave(open);
    this.#windows.close(open);
    return true;
  }

  /**
   * Unmaps every window.
   *
   * @throws AxiscriptError ERR_AXI_DEVICE_BUSY if a device is at work; the others may be closed then
   */
  closeIdle(): void {
    for (const { id } of this.#windows.all) this.close(id);
  }

  /** Unmaps every window, whatever its device is doing. */
  closeAll(): void {
    for (const open of this.#windows.all) this.#windows.close(open);
  }

  #deny(window: number, offset: number, access: number): never {
    throw this.#shutAfter(() => denial(window, offset, access, this.#windows.find(window)));
  }

  #refuse(window: number, offset: number, reason: number, transferIndex: number): never {
    throw this.#shutAfter(() => {
      const open = this.#windows.find(window);
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
    this.#windows.shutAll();
    return this.#refusal;
  }
}
