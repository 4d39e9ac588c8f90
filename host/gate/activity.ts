import { blockThread, monotonicMs } from "../util/clock";
import type { MaskedValue } from "../description/description";
import type { ActiveDevice } from "../dma/active-device";
import { AxiscriptError } from "../util/errors";
import { PROGRAM } from "./layout";
import { POLL_SLEEP_MS } from "./poll-pause";
import { UncheckedDevice } from "./unchecked-device";
import type { OpenWindow, WindowPlace } from "./window";
import type { WindowTable } from "./window-table";

const ALL_CHANNELS = 2 ** PROGRAM.channels.capacity - 1;

/** What the gate's module does for the host. */
export interface ActivityExports {
  readonly deviceStore: (address: number, value: number) => void;
  readonly isIdle: (program: number, channels: number) => number;
}

/** Which devices of a gate's windows are at work. */
export class Activity {
  readonly #buffer: ArrayBufferLike;
  readonly #windows: WindowTable;
  readonly #module: ActivityExports;
  /** What is known of those whose transfers are not checked. */
  readonly #unchecked = new WeakMap<OpenWindow, UncheckedDevice>();
  /** Devices whose windows were closed, and which do not say whether they are at work. */
  readonly #leftUnknown = new Set<string>();

  /** @param buffer the gate's memory */
  constructor(buffer: ArrayBufferLike, windows: WindowTable, module: ActivityExports) {
    this.#buffer = buffer;
    this.#windows = windows;
    this.#module = module;
  }

  /** Takes what a description says of a device whose transfers are not checked. */
  begin(open: OpenWindow): void {
    const unchecked = this.#uncheckedOf(open);
    if (!unchecked) return;
    for (const { register, values } of open.description?.idle ?? []) unchecked.add({ offset: register.offset, values });
  }

  /**
   * Adds to how a device whose transfers are not checked shows that it is idle. What a description says counts instead,
   * where it says something.
   *
   * @throws AxiscriptError ERR_AXI_BAD_ARGUMENT if there are too many
   */
  addCondition(open: OpenWindow, offset: number, masked: MaskedValue): void {
    const isSaid = open.description && (open.description.dma !== "unchecked" || open.description.idle.length > 0);
    const unchecked = this.#uncheckedOf(open);
    if (isSaid || !unchecked || unchecked.add({ offset, values: [masked] })) return;
    throw new AxiscriptError(
      "ERR_AXI_BAD_ARGUMENT",
      `Cannot add a condition for device ${open.deviceName} to be idle: it has ${PROGRAM.idle.capacity}, which is the most.`,
    );
  }

  /** What a window's device is doing; `undefined`: it is known to be idle. */
  of(open: OpenWindow): ActiveDevice | undefined {
    const { deviceName, description } = open;
    if (description?.dma === "none" || !this.#windows.wasWritten(open)) return undefined;
    const unchecked = this.#uncheckedOf(open);
    if (unchecked) {
      const { state } = unchecked;
      return state === "idle" ? undefined : { deviceName, state };
    }
    if (this.#windows.programOf(open)[PROGRAM.everStarted / 4] === 0) return undefined;
    return this.#isIdle(open) ? undefined : { deviceName, state: "busy" };
  }

  /** The devices that were made to do something, and which are not known to be idle now. */
  get all(): ActiveDevice[] {
    const windows = this.#windows.all;
    const active = windows.flatMap((open) => this.of(open) ?? []);
    // A device that is open again may say by now how it shows that it is idle.
    for (const open of windows) {
      const isLeft = this.#leftUnknown.has(open.deviceName);
      if (isLeft && this.#uncheckedOf(open)?.state === "idle") this.#leftUnknown.delete(open.deviceName);
    }
    return [...active, ...[...this.#leftUnknown].map((deviceName) => ({ deviceName, state: "unknown" as const }))];
  }

  /**
   * Looks at a device for the last time before its window is closed.
   *
   * @throws AxiscriptError ERR_AXI_DEVICE_BUSY while it is at work: nobody would see when it is done
   */
  leave(open: OpenWindow): void {
    const activity = this.of(open);
    if (activity?.state === "busy") {
      throw new AxiscriptError(
        "ERR_AXI_DEVICE_BUSY",
        `Cannot close device ${open.deviceName}: a transfer is under way. Wait until it is done.`,
      );
    }
    if (activity) this.#leftUnknown.add(activity.deviceName);
  }

  /** Waits until no device is at work, and brings those that are idle to rest as their descriptions say. */
  bringToRest(timeoutMs: number): void {
    const deadline = monotonicMs() + timeoutMs;
    while (this.all.some(({ state }) => state === "busy") && monotonicMs() < deadline) blockThread(POLL_SLEEP_MS);
    for (const open of this.#windows.all) {
      const { description, start } = open;
      const isMine = !open.shared || this.#windows.programOf(open)[PROGRAM.owner / 4] === 1;
      if (!description || !isMine || !this.#windows.wasWritten(open) || this.of(open)) continue;
      for (const { register, value } of description.rest) this.#module.deviceStore(start + register.offset, value);
    }
  }

  /** What is known of a device whose transfers are not checked; `undefined` if they are. */
  #uncheckedOf(open: OpenWindow): UncheckedDevice | undefined {
    if (open.description && open.description.dma !== "unchecked") return undefined;
    const known = this.#unchecked.get(open);
    if (known) return known;
    const made = new UncheckedDevice(this.#buffer, open, () => this.#isIdle(open));
    this.#unchecked.set(open, made);
    return made;
  }

  /** Whether all channels of a window's device are idle. */
  #isIdle({ index }: WindowPlace): boolean {
    return this.#module.isIdle(PROGRAM.offset + index * PROGRAM.bytes, ALL_CHANNELS) === 1;
  }
}
