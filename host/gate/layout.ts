/**
 * Where things are in the gate's memory, for its module and for the host, which fills the tables.
 *
 * ```
 *   0         ┌──────────────────────────────┐
 *             │ window table                 │  an entry of WINDOW_ENTRY for each window
 *   8 KiB     ├──────────────────────────────┤
 *             │ number of granted intervals  │
 *   64 KiB    ├──────────────────────────────┤
 *             │ DMA programs                 │  one of PROGRAM for each window
 *   1 MiB     ├──────────────────────────────┤
 *             │ device windows, each mapped  │
 *             │ over pages of its own        │
 *   64 MiB    ├──────────────────────────────┤
 *             │ held values, as far from the │  what a script wrote to a register, and the device gets with the
 *             │ windows as these from 0      │  next start
 *   128 MiB   ├──────────────────────────────┤
 *             │ register attributes          │  a byte for each 32 bits of the windows
 *   144 MiB   ├──────────────────────────────┤
 *             │ granted memory               │  starts, ends, and uses of intervals of physical addresses
 *   192 MiB   └──────────────────────────────┘
 * ```
 */

const KIB = 2 ** 10;
const MIB = 2 ** 20;

/** How many windows can be open at once. */
export const WINDOW_COUNT = 256;
/** The id of an entry that no window uses; no window has that number. */
export const NO_WINDOW = -1;
/** The window table: byte offsets in an entry. `words`: of 32 bits. `written`: something was written to the device. */
export const WINDOW_ENTRY = { start: 0, words: 4, id: 8, written: 12, bytes: 16 } as const;

/** Where the number of intervals of granted memory stands. */
export const GRANT_COUNT_OFFSET = 8 * KIB;
/** Where the first window may be mapped; a multiple of every page size. */
export const FIRST_WINDOW_OFFSET = MIB;
/** Where the windows end. */
export const WINDOWS_END = 64 * MIB;
/** From a register to the value that is held back for it. */
export const HELD_DISTANCE = 64 * MIB;
/** The attributes of the register at `address` are the byte at `ATTRIBUTES_OFFSET + address / 4`. */
export const ATTRIBUTES_OFFSET = 128 * MIB;

/** Granted memory: disjoint intervals in the order of their addresses. */
export const GRANTS = {
  /** Intervals that the tables hold. */
  capacity: 2 ** 21,
  /** Pieces that can be granted at a time: as many have at most twice as many ends, whichever of them go first. */
  pieces: 2 ** 20,
  /** u64 each. */
  starts: 144 * MIB,
  /** u64 each; the first address behind the interval. */
  ends: 160 * MIB,
  /** Two counts of 32 bits each: how often a device may read, and write, the interval. */
  uses: 176 * MIB,
} as const;

/** Size of the gate's memory in pages of 64 KiB; it never grows. */
export const GATE_MEMORY_PAGES = (192 * MIB) / (64 * KIB);

/** What the gate knows of a register, as bits of its attributes. None: 32 bits that may be read and written. */
export const ATTRIBUTE = {
  notReadable: 1,
  notWritable: 2,
  /** A parameter of transfers: writes are held back until a start goes through. */
  held: 4,
  /** A write may start a transfer. */
  start: 8,
  /** 64 bits wide, of which this is the lower half. */
  wide: 16,
  /** The upper half of a register of 64 bits. */
  upper: 32,
} as const;

/** A window's DMA program: what a start is checked by. Byte offsets; ends are addresses, and have 32 bits like all else. */
export const PROGRAM = {
  offset: 64 * KIB,
  bytes: KIB,
  /** 1: a transfer may be under way, and the device has to be asked. */
  started: 0,
  /** 1: a start has gone through since the window was opened. */
  everStarted: 4,
  /** 1: this script may start transfers; 0 while it shares the device and has not taken it for itself. */
  turn: 8,
  /** Where the conditions end. */
  idleEnd: 12,
  /** Where the held registers of 32 bits end, which come first. */
  heldEnd: 16,
  heldWideEnd: 20,
  transfersEnd: 24,
  /** Which interval of granted memory the last transfer began in. */
  lastGrant: 28,
  idle: { offset: 32, capacity: 16 },
  held: { offset: 288, capacity: 24 },
  /** Words that stand in for registers which a transfer does not have. */
  zero: 384,
  one: 388,
  transfers: { offset: 448, capacity: 8 },
} as const;

/**
 * A condition of a program: `(register & mask) == value`, or that of the entry behind it holds unless `next` is there.
 * `next`: the address of what follows the condition with all its alternatives.
 */
export const IDLE_ENTRY = { address: 0, mask: 4, value: 8, next: 12, bytes: 16 } as const;
/** A register whose value is held back is an address. */
export const HELD_ENTRY_BYTES = 4;
/** A transfer. `low`, `high` and `length` are addresses of held values, or of a program's `zero` and `one`. */
export const TRANSFER_ENTRY = {
  start: 0,
  startMask: 4,
  low: 8,
  high: 12,
  /** u64: the bits of an address that are 0. */
  forbiddenBits: 16,
  /** u64: the highest address. */
  lastAddress: 24,
  /** u64: bytes for each unit of the length register, or all of them if there is none. */
  unitBytes: 32,
  /** u64: an address with one of these bits must not cross a boundary of 4 KiB. */
  burstMask: 40,
  length: 48,
  /** The bits of the length that are 0. */
  forbiddenLengthBits: 52,
  /** Byte offset of the count that must not be 0 in an entry of `GRANTS.uses`. */
  use: 56,
  bytes: 64,
} as const;
/** Byte offsets in an entry of `GRANTS.uses`. */
export const USE = { reads: 0, writes: 4, bytes: 8 } as const;

/** Why the gate refuses a start, or a change of a transfer's parameters. `transfer`: something is wrong with it. */
export const REFUSAL = { transfer: 1, busy: 2, noTurn: 3 } as const;

/** What a script wanted when it was denied. */
export const ACCESS = { read32: 0, write32: 1, read64: 2, write64: 3 } as const;

/** Result of `poll32` when time is up: -ETIMEDOUT. */
export const POLL_TIMED_OUT = -110;
