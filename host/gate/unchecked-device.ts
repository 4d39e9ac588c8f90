import { blockThread, monotonicMs } from "../util/clock";
import type { MaskedValue } from "../description/description";
import {
  ATTRIBUTE,
  ATTRIBUTES_OFFSET,
  CHANNEL_ENTRY,
  CHANNELS_OFFSET,
  IDLE_ENTRY,
  PROGRAM,
  WINDOW_ENTRY,
  WRITTEN,
} from "./layout";
import type { WindowPlace } from "./window";

/**
 * How long a device that was written to has to look idle before it counts as idle, if it was not seen at work meanwhile. A
 * board that looks at its registers may look 50 ms later, and a core may need a while to show that it has begun.
 */
const QUIET_MS = 100;
/** Between two looks at a device. */
const LOOK_MS = 0.05;

/** A register that one of several values shows to be idle: `(register & mask) == value`. */
export interface IdleCondition {
  /** Of the register, in bytes. */
  readonly offset: number;
  readonly values: readonly MaskedValue[];
}

/**
 * Whether a device is idle whose transfers nobody checks: each write may have been a start. So it is idle if its conditions
 * hold and it was seen at work since the last write, by the gate or by the script, or they have held for
 * {@link QUIET_MS}.
 */
export class UncheckedDevice {
  readonly #buffer: ArrayBufferLike;
  readonly #place: WindowPlace;
  readonly #isIdle: () => boolean;
  readonly #program: DataView;
  readonly #entry: Int32Array;
  #quietSince = 0;

  /**
   * @param buffer the gate's memory
   * @param isIdle whether all conditions of the program's first channel hold
   */
  constructor(buffer: ArrayBufferLike, place: WindowPlace, isIdle: () => boolean) {
    this.#buffer = buffer;
    this.#place = place;
    this.#isIdle = isIdle;
    this.#program = new DataView(buffer, PROGRAM.offset + place.index * PROGRAM.bytes, PROGRAM.bytes);
    this.#entry = new Int32Array(buffer, place.index * WINDOW_ENTRY.bytes, WINDOW_ENTRY.bytes / 4);
  }

  /** Adds a condition; false if there is no room for it. */
  add({ offset, values }: IdleCondition): boolean {
    if (this.#values + values.length > PROGRAM.idle.capacity) return false;
    const program = this.#programStart;
    const address = this.#place.start + offset;
    let at = PROGRAM.idle.offset + this.#values * IDLE_ENTRY.bytes;
    const next = program + at + values.length * IDLE_ENTRY.bytes;
    for (const { mask, value } of values) {
      this.#program.setUint32(at + IDLE_ENTRY.address, address, true);
      this.#program.setUint32(at + IDLE_ENTRY.mask, mask, true);
      this.#program.setUint32(at + IDLE_ENTRY.value, value, true);
      this.#program.setUint32(at + IDLE_ENTRY.next, next, true);
      at += IDLE_ENTRY.bytes;
    }
    this.#program.setUint32(PROGRAM.channels.offset + CHANNEL_ENTRY.idle, program + PROGRAM.idle.offset, true);
    this.#program.setUint32(PROGRAM.channels.offset + CHANNEL_ENTRY.idleEnd, next, true);
    const tables = new Uint8Array(this.#buffer);
    const attributes = ATTRIBUTES_OFFSET + address / 4;
    tables[attributes] = (tables[attributes] ?? 0) | ATTRIBUTE.watched;
    tables[CHANNELS_OFFSET + address / 4] = 1;
    return true;
  }

  /** `unknown`: nobody has said how the device shows it. Takes {@link QUIET_MS} where nothing was seen since a write. */
  get state(): "idle" | "busy" | "unknown" {
    if (this.#values === 0) return "unknown";
    for (;;) {
      if (!this.#isIdle()) {
        this.#written = WRITTEN.answered;
        return "busy";
      }
      if (this.#written === WRITTEN.answered) return "idle";
      if (this.#written !== WRITTEN.looked) this.#quietSince = monotonicMs();
      this.#written = monotonicMs() - this.#quietSince < QUIET_MS ? WRITTEN.looked : WRITTEN.answered;
      blockThread(LOOK_MS);
    }
  }

  get #programStart(): number {
    return PROGRAM.offset + this.#place.index * PROGRAM.bytes;
  }

  /** How many values conditions have: another thread may have added some. */
  get #values(): number {
    const end = this.#program.getUint32(PROGRAM.channels.offset + CHANNEL_ENTRY.idleEnd, true);
    return end === 0 ? 0 : (end - this.#programStart - PROGRAM.idle.offset) / IDLE_ENTRY.bytes;
  }

  get #written(): number {
    return this.#entry[WINDOW_ENTRY.written / 4] ?? WRITTEN.unseen;
  }

  set #written(state: number) {
    this.#entry[WINDOW_ENTRY.written / 4] = state;
  }
}
