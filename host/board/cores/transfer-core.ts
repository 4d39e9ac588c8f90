import { monotonicMs } from "../../util/clock";
import type { Direction } from "../fabric/bus";
import type { CoreModel } from "./core-model";
import type { SideBand } from "../fabric/port";
import { ALL_BITS, RegisterFile, type WriteListener } from "../fabric/register-file";

const STATUS = 0x10;
/** Offset of the register in which software sets pulses. */
export const CONTROL = 0x14;
const CONFIG_AXI = 0x20;
const ADDR_LO = 0x40;
const ADDR_HI = 0x44;

/** CACHE 3:0, PROT 10:8, USER 17:16 */
const CONFIG_AXI_BITS = 0x0003070f;
/** Of ADDR_HI, bits 39:32 of the address reach the bus. */
const ADDR_HI_BUS_MASK = 0xff;

const DIRECTIONS = ["write", "read"] as const satisfies readonly Direction[];

/** Bits of CONTROL (start) and STATUS (done, ready). */
const BITS = {
  write: { start: 1 << 0, done: 1 << 0, ready: 1 << 8 },
  read: { start: 1 << 1, done: 1 << 1, ready: 1 << 9 },
} as const;
/** The pulse that starts a transfer. */
export const START = { write: BITS.write.start, read: BITS.read.start } as const;
/** The pulse after which no transfer is shown as done. */
export const DONE_CLEAR = 1 << 8;

/** How cores can be made to misbehave, to try a script's error paths. `slow`: each transfer takes 50 ms. */
export const FAULTS = ["never-ready", "never-done", "slow"] as const;
/** One of {@link FAULTS}. */
export type Fault = (typeof FAULTS)[number];

const SLOW_TRANSFER_MS = 50;
/** At pulses that software goes on to write: there is more to do than to look at these. */
const MOST_LOOKS = 100;

/** A transfer that has begun: moves its next piece when it is called; true if that was the last. */
export type Transfer = () => boolean;

interface ActiveTransfer {
  readonly move: Transfer;
  /** Nothing moves before this; in the clock's milliseconds. */
  readonly notBefore: number;
}

/** How a core drives AxCACHE, AxPROT and AxUSER, from its registers. */
export function sideBandOf(registers: Int32Array): SideBand {
  const config = registers[CONFIG_AXI / 4] ?? 0;
  return { cache: config & 0xf, prot: (config >> 8) & 0x7 };
}

/** What one kind of core has of its own. */
export interface TransferCoreOptions {
  /** Registers that always read the same, by offset. */
  readonly constants: ReadonlyMap<number, number>;
  /** Registers that software may write beside CONTROL, CONFIG_AXI and the address, with the bits that they hold. */
  readonly writable: ReadonlyMap<number, number>;
  /** When a core that has done a transfer takes the next: at once, or after DONE_CLEAR. */
  readonly readyAgain: "at-once" | "after-done-clear";
  readonly fault: Fault | undefined;
  /** A clock in milliseconds; that of the process if absent. */
  readonly now: (() => number) | undefined;
}

/**
 * What the AXI Proxy and the AXI Traffic Generator have in common: bits of CONTROL start a transfer in either direction
 * at ADDR, and STATUS tells how far it is.
 * Source: register descriptions and state machines in j-marjanovic/chisel-stuff, examples 12 and 13.
 */
export abstract class TransferCore implements CoreModel {
  readonly interrupt = false;
  protected readonly registers: RegisterFile;
  readonly #active = new Map<Direction, ActiveTransfer>();
  readonly #readyAgain: TransferCoreOptions["readyAgain"];
  readonly #fault: Fault | undefined;
  readonly #now: () => number;

  /** @param shared the register file, shared with software */
  constructor(shared: Int32Array, options: TransferCoreOptions) {
    this.#readyAgain = options.readyAgain;
    this.#fault = options.fault;
    this.#now = options.now ?? monotonicMs;
    this.registers = new RegisterFile(
      shared,
      new Map([
        ...options.writable,
        [CONTROL, ALL_BITS],
        [CONFIG_AXI, CONFIG_AXI_BITS],
        [ADDR_LO, ALL_BITS],
        [ADDR_HI, ALL_BITS],
      ]),
    );
    for (const [offset, value] of options.constants) this.registers.set(offset, value);
    this.registers.set(STATUS, this.#fault === "never-ready" ? 0 : BITS.write.ready | BITS.read.ready);
    this.settle();
  }

  get underWay(): boolean {
    return this.#active.size > 0;
  }

  onWrite(listener: WriteListener): void {
    this.registers.onWrite(listener, CONTROL);
  }

  poll(): boolean {
    const asked = this.registers.load(CONTROL);
    if (asked !== 0) this.#control(asked);
    const moved = this.#active.size > 0 && this.#advance();
    return asked !== 0 || moved;
  }

  settle(): void {
    this.registers.settle();
  }

  /** Takes what a transfer depends on out of the registers, as the core latches it. */
  protected abstract begin(direction: Direction): Transfer;

  /** The address as it leaves the core: 40 bits. */
  protected busAddress(): number {
    return (this.registers.load(ADDR_HI) & ADDR_HI_BUS_MASK) * 2 ** 32 + this.registers.load(ADDR_LO);
  }

  /** Acts on the pulses in CONTROL. */
  #control(asked: number): void {
    let pulses = asked;
    for (let look = 0; look < MOST_LOOKS; look++) {
      // Each time: a pulse that comes now belongs to what was written since the last look.
      this.registers.tellWrites();
      if (pulses & DONE_CLEAR) this.#clearDone();
      // A core that starts has its parameters and is not ready any more, at the latest when the pulse is gone: software that
      // sees neither a pulse nor a transfer under way takes the core for idle, and gives it others.
      const startable = this.#startable(pulses);
      for (const direction of DIRECTIONS) if (startable & BITS[direction].start) this.#start(direction);
      if (this.registers.clear(CONTROL, pulses)) break;
      pulses = this.registers.load(CONTROL);
    }
  }

  /** The start bits among pulses of the directions that are ready. */
  #startable(pulses: number): number {
    const status = this.registers.get(STATUS);
    let startable = 0;
    for (const direction of DIRECTIONS) if (status & BITS[direction].ready) startable |= pulses & BITS[direction].start;
    return startable;
  }

  #clearDone(): void {
    const status = this.registers.get(STATUS);
    for (const { done, ready } of DIRECTIONS.map((direction) => BITS[direction])) {
      if (status & done) this.#status(done, this.#readyAgain === "after-done-clear" ? ready : 0);
    }
  }

  #start(direction: Direction): void {
    this.#status(BITS[direction].ready, 0);
    if (this.#fault === "never-done") return;
    const notBefore = this.#fault === "slow" ? this.#now() + SLOW_TRANSFER_MS : 0;
    this.#active.set(direction, { move: this.begin(direction), notBefore });
  }

  /** Lets every transfer move a piece. True if one did. */
  #advance(): boolean {
    let moved = false;
    for (const [direction, { move, notBefore }] of this.#active) {
      if (notBefore > 0 && this.#now() < notBefore) continue;
      moved = true;
      if (!move()) continue;
      this.#active.delete(direction);
      const { done, ready } = BITS[direction];
      this.#status(0, done | (this.#readyAgain === "at-once" ? ready : 0));
    }
    return moved;
  }

  #status(clear: number, set: number): void {
    this.registers.set(STATUS, (this.registers.get(STATUS) & ~clear) | set);
  }
}
