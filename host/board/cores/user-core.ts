import { pathToFileURL } from "node:url";
import { monotonicMs } from "../../util/clock";
import { MAX_BUSY_WITHIN_US } from "../../description/description-dma";
import { messageOf } from "../../util/errors";
import type { CoreModel } from "./core-model";
import type { DeviceModel, DeviceModelContext, DeviceModelDescription } from "./device-model";
import type { WriteListener } from "../fabric/register-file";

/** 100 MHz. */
const CYCLES_PER_MS = 100_000;
/** What a model is given at a time. */
const MOST_CYCLES = 10_000;
/** Time that a model has not been given: of what is more, nothing becomes. 0.1 s. */
const MOST_BEHIND_CYCLES = 10_000_000;
/**
 * What passes for a core between a command and the answer to it, so that software which sees the command taken sees the
 * core at work, too: as much as a description may claim for that (`busyWithinUs`).
 */
const ANSWER_CYCLES = (MAX_BUSY_WITHIN_US * CYCLES_PER_MS) / 1000;
/** For how long a model may go on before the board turns to other things. */
const TURN_MS = 1;

/** A model of the user's own, and the file that it is from. */
export interface LoadedModel {
  /** Absolute. */
  readonly path: string;
  readonly description: DeviceModelDescription;
  /** Told when code of the model begins and ends to run. */
  readonly onCall?: (runs: boolean) => void;
}

/** What a core of the user's own is connected to. */
export interface UserCoreOptions extends LoadedModel {
  /** What messages call it: `vector-adder@a0100000`. */
  readonly name: string;
  readonly context: DeviceModelContext;
  /** Takes a line for the kernel's log. */
  readonly log: (message: string) => void;
  /** A clock in milliseconds; that of the process if absent. */
  readonly now?: () => number;
}

/** A core whose model is the user's own: between the registers in memory and the calls of {@link DeviceModel}. */
export class UserCore implements CoreModel {
  readonly #options: UserCoreOptions;
  readonly #shared: Int32Array;
  /** The model's registers as software sees them, unless it has written since. */
  readonly #shown: Int32Array;
  readonly #sharedBytes: Uint8Array;
  readonly #shownBytes: Uint8Array;
  /** Indices of the registers in the order in which they are shown; those of the handshake are the last. */
  readonly #others: readonly number[];
  readonly #handshake: readonly number[];
  readonly #now: () => number;
  /** `undefined`: it is dead. */
  #model: DeviceModel | undefined;
  #busy: boolean | undefined;
  #interrupt = false;
  #onWrite: WriteListener | undefined;
  /** The clock cycle up to which time has passed for the model. */
  #cycle = 0;

  /** @param shared the register file, shared with software */
  constructor(shared: Int32Array, options: UserCoreOptions) {
    const { registerBytes, handshake } = options.description;
    if (shared.byteLength < registerBytes)
      throw new RangeError(`${options.name} has ${registerBytes} bytes of registers`);
    this.#options = options;
    this.#now = options.now ?? monotonicMs;
    this.#shared = shared;
    this.#shown = new Int32Array(registerBytes / 4);
    this.#sharedBytes = new Uint8Array(shared.buffer, shared.byteOffset, registerBytes);
    this.#shownBytes = new Uint8Array(this.#shown.buffer);
    this.#handshake = handshake.map((offset) => offset / 4);
    this.#others = [...this.#shown.keys()].filter((index) => !this.#handshake.includes(index));
    // What somebody has left in the registers is not theirs.
    for (const index of shared.keys()) Atomics.store(shared, index, 0);
    this.#attempt(() => {
      this.#model = create(options);
      this.#cycle = this.#cycleNow();
      this.#askModel(this.#model);
      return true;
    });
  }

  get underWay(): boolean {
    return this.#busy === true;
  }

  get interrupt(): boolean {
    return this.#interrupt;
  }

  onWrite(listener: WriteListener): void {
    this.#onWrite = listener;
  }

  poll(): boolean {
    const model = this.#model;
    return model !== undefined && this.#attempt(() => this.#serve(model));
  }

  settle(): void {
    for (let index = this.#model ? this.#shown.length : 0; index < this.#shared.length; index++) {
      const wanted = this.#shown[index] ?? 0;
      if (this.#shared[index] !== wanted) Atomics.store(this.#shared, index, wanted);
    }
  }

  /** True if there was something to do that may have more to follow. */
  #serve(model: DeviceModel): boolean {
    const ran = this.#runs(model);
    const written = this.#takeWrites(model);
    if (written) this.#busy = model.busy;
    if (!ran && this.#runs(model)) this.#cycle = this.#cycleNow();
    if (written) this.#answer(model);
    if (!this.#runs(model)) return written;
    const isBehind = this.#letTimePass(model);
    this.#askModel(model);
    return written || isBehind || !this.#runs(model);
  }

  /** Shows what becomes of what software wrote, a little later. */
  #answer(model: DeviceModel): void {
    if (this.#runs(model)) {
      this.#cycle += ANSWER_CYCLES;
      model.advance?.(ANSWER_CYCLES);
    }
    this.#askModel(model);
  }

  /** Hands over what software wrote. True if there was something. */
  #takeWrites(model: DeviceModel): boolean {
    if (Buffer.compare(this.#sharedBytes, this.#shownBytes) === 0) return false;
    // Loaded first: what software wrote before it wrote these is there when the others are loaded.
    const last = this.#handshake.map((index) => Atomics.load(this.#shared, index));
    for (const index of this.#others) this.#hand(model, index, Atomics.load(this.#shared, index));
    for (const [at, index] of this.#handshake.entries()) this.#hand(model, index, last[at] ?? 0);
    return true;
  }

  #hand(model: DeviceModel, index: number, found: number): void {
    if (found === this.#shown[index]) return;
    this.#onWrite?.(index * 4, found >>> 0);
    model.regWrite(index * 4, found >>> 0);
    this.#shown[index] = found;
  }

  /** True if there is more of it, for which another core's turn is not to wait. */
  #letTimePass(model: DeviceModel): boolean {
    const turnEnds = this.#now() + TURN_MS;
    for (;;) {
      const now = this.#cycleNow();
      this.#cycle = Math.max(this.#cycle, now - MOST_BEHIND_CYCLES);
      const cycles = Math.min(now - this.#cycle, MOST_CYCLES);
      if (cycles <= 0) return false;
      this.#cycle += cycles;
      model.advance?.(cycles);
      if (this.#cycle >= now || model.busy === false) return false;
      if (this.#now() >= turnEnds) return true;
    }
  }

  /** Shows what the model has come to. */
  #askModel(model: DeviceModel): void {
    for (const index of this.#others) this.#show(model, index);
    for (const index of this.#handshake) this.#show(model, index);
    this.#busy = model.busy;
    this.#interrupt = model.interrupt ?? false;
  }

  #show(model: DeviceModel, index: number): void {
    const value: unknown = model.regRead(index * 4);
    if (typeof value !== "number") {
      throw new TypeError(`regRead(0x${(index * 4).toString(16)}) gave ${typeof value}, and should give a number`);
    }
    const before = this.#shown[index] ?? 0;
    if ((value | 0) === before) return;
    // Where software has written meanwhile, that is to be handed over first.
    if (Atomics.compareExchange(this.#shared, index, before, value | 0) === before) this.#shown[index] = value;
  }

  /** Whether time passes for the model. */
  #runs(model: DeviceModel): boolean {
    return model.advance !== undefined && this.#busy !== false;
  }

  #cycleNow(): number {
    return Math.floor(this.#now() * CYCLES_PER_MS);
  }

  /** Runs code of the user's. What it throws is the end of this core, and not of the board. */
  #attempt(body: () => boolean): boolean {
    const { onCall } = this.#options;
    try {
      onCall?.(true);
      return body();
    } catch (error) {
      const { name, path, log } = this.#options;
      this.#model = undefined;
      this.#busy = false;
      this.#interrupt = false;
      const reason = `${error instanceof Error ? `${error.name}: ` : ""}${messageOf(error)}${placeOf(error, path)}`;
      log(`ERR_AXI_MODEL: core ${name} is dead: ${reason}. Mend its model ${path}, and start the board again.`);
      return true;
    } finally {
      onCall?.(false);
    }
  }
}

function create({ description, context }: UserCoreOptions): DeviceModel {
  const model = description.create(context) as Partial<DeviceModel> | undefined;
  const { advance } = model ?? {};
  if (typeof model?.regRead === "function" && typeof model.regWrite === "function") {
    if (advance === undefined || typeof advance === "function") return model as DeviceModel;
  }
  throw new TypeError("create() gave no model: that has the functions regRead and regWrite, and perhaps advance");
}

/** Where in the user's file something was thrown: ` at regWrite (file:///…:12:5)`. */
function placeOf(error: unknown, path: string): string {
  const lines = (error instanceof Error && error.stack?.split("\n")) || [];
  const line = lines.find(
    (each) => /^\s+at /.test(each) && [path, pathToFileURL(path).href].some((own) => each.includes(own)),
  );
  return line === undefined ? "" : ` ${line.trim()}`;
}
