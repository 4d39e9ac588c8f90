import type { Bus } from "../fabric/bus";
import type { Port } from "../fabric/port-timing";

/**
 * A core of the user's own on the virtual board: what it does, as its software sees it. Made by
 * {@link DeviceModelDescription.create}.
 *
 * Registers are in memory that software maps: nobody is told of a read or a write. So the board looks at that memory again
 * and again. Where it differs from what was shown last, software has written: the board calls `regWrite` for each such
 * register, and then shows what `regRead` gives for all of them. That has consequences:
 *
 * - `regRead` is called whenever the board likes, and must change nothing. A register that does something when software
 *   reads it cannot be modelled.
 * - A write of the very value that is shown is not seen, and of two writes that follow each other at once only the last
 *   is. A start bit therefore clears itself: `regRead` gives it as 0. A bit of status that software clears by writing 1 to
 *   it is better cleared by a bit of another register, or shown together with a reserved bit, which software writes as 0.
 * - A register that software cannot write is put back a moment after it was written: `regWrite` leaves it as it is, and
 *   `regRead` gives what it holds. Registers that the model does not know read 0, and ignore writes.
 * - In which order writes are handed over, and registers are shown, is said by {@link DeviceModelDescription.handshake}.
 *
 * What a function throws ends the core: it is dead, with its registers as they were shown last, until the board is started
 * again, and the board's kernel log (`var/log/kern.log`) says why. A function that does not return stops the board.
 */
export interface DeviceModel {
  /**
   * What a register reads at present.
   *
   * @param offset in bytes, a multiple of 4 below `registerBytes`
   * @returns its 32 bits, as a signed or an unsigned number
   */
  regRead(offset: number): number;
  /**
   * Takes what software wrote into a register.
   *
   * @param offset in bytes, a multiple of 4 below `registerBytes`
   * @param value from 0 to 2^32 - 1
   */
  regWrite(offset: number, value: number): void;
  /**
   * Lets time pass; absent: the core does everything at once. While `busy` is false no time passes for it.
   *
   * @param cycles of the core's clock, 100 MHz: from 1 to 10,000 at a time. A model that takes longer for them than they
   *   last gets fewer than there were
   */
  advance?(cycles: number): void;
  /**
   * Whether the core has something to do that takes time: then the board looks at it soon again. Absent: time passes for it
   * whenever the board looks, which may be 50 ms later.
   */
  readonly busy?: boolean;
  /** Whether the core holds its interrupt line up; false if absent. It does until its software has acknowledged that. */
  readonly interrupt?: boolean;
}

/** Where a core is in the FPGA, and what it is wired to. */
export interface DeviceModelCore {
  /**
   * Bus address of its registers: a multiple of 8 from 0x80000000 to 0xbfffffff, where the processing system reaches the
   * FPGA, at which no other core is. The board's own cores are from 0xa0000000 to 0xa0080fff.
   */
  readonly address: number;
  /** The port through which it reaches memory; absent: it does not. */
  readonly port?: Port;
  /** Its interrupt as device trees number it: 89 to 96, or 104 to 111 (UG1085, PL to PS interrupts); absent: it has none. */
  readonly interrupt?: number;
  /** The device-tree property `jan-note`, which tells cores of one name apart; the port if absent. */
  readonly note?: string;
}

/** What a model is created with. */
export interface DeviceModelContext {
  /** The core that is created, of those in the description. */
  readonly core: DeviceModelCore;
  /**
   * Memory, through the core's port. A transfer is one burst, and at once: it does not cross a multiple of 4096 bytes
   * (SLVERR), and through the ACP it is a line of 64 bytes, or 16 bytes, at a multiple of its length. DECERR: nobody who
   * uses the board owns the address. It is in the record of the bus. Addresses are numbers, data `Uint8Array`s.
   */
  readonly bus: Bus;
  /** Writes a line into the board's kernel log. What `console.log` says in a model goes to stderr. */
  readonly log: (message: string) => void;
}

/**
 * What the default export of a module says of the core that it models: see `docs/models.md`. The board adds the design
 * `kind` to its firmware, `/lib/firmware/xilinx/KIND/KIND.bit.bin` and `KIND.dtbo`, with these cores and no others.
 *
 * @example
 * /** @type {import("axiscript").DeviceModelDescription} *\/
 * export default {
 *   kind: "square",
 *   uioName: "Square",
 *   registerBytes: 8,
 *   handshake: [],
 *   cores: [{ address: 0xa0100000 }],
 *   create: () => {
 *     let value = 0;
 *     return {
 *       regRead: (offset) => (offset === 0 ? value : Math.imul(value, value)),
 *       regWrite: (offset, written) => {
 *         if (offset === 0) value = written;
 *       },
 *     };
 *   },
 * };
 */
export interface DeviceModelDescription {
  /** What the core is: small letters, digits, `-` and `_`, beginning with a letter, at most 31; none of the board's own. */
  readonly kind: string;
  /** What its UIO devices are called, as in `/sys/class/uio/uioN/name`: letters, digits and `,._+-`, at most 31. */
  readonly uioName: string;
  /** The length of its registers: a multiple of 4, up to 65536. The fewer, the faster. Its window is whole pages. */
  readonly registerBytes: number;
  /**
   * Offsets of the registers by which the core and its software tell each other that others hold what they should: those
   * that start something, and those that say that something is done. Software writes them after others, and reads them
   * before others. So the board hands over what was written to them after everything else, and shows them after everything
   * else, both in the order of this list. The usual one is `[STATUS, CONTROL]`: when software sees that its start bit is
   * gone, it sees the core busy, and when it sees the core done, it sees the results.
   */
  readonly handshake: readonly number[];
  /** One device each, all in one design. */
  readonly cores: readonly DeviceModelCore[];
  /** Makes the model of one of the cores, as it is after the FPGA was programmed. */
  readonly create: (context: DeviceModelContext) => DeviceModel;
}
