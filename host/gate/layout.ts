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
/** The window table: byte offsets in an entry. `written`: something was written to the device. */
export const WINDOW_ENTRY = { start: 0, length: 4, id: 8, written: 12, bytes: 16 } as const;

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

/** A window's DMA program: what a start is checked by. Byte offsets; counts and addresses have 32 bits. */
export const PROGRAM = {
  offset: 64 * KIB,
  bytes: KIB,
  /** 1: a transfer may be under way, and the device has to be asked. */
  started: 0,
  /** 1: a start has gone through since the window was opened. */
  everStarted: 4,
  /** 1: this script may start transfers; 0 while it shares the device and has not taken it for itself. */
  turn: 8,
  idleCount: 12,
  /** Of 32 bits; they come first. */
  heldCount: 16,
  heldWideCount: 20,
  transferCount: 24,
  idle: { offset: 32, capacity: 16 },
  held: { offset: 288, capacity: 24 },
  transfers: { offset: 480, capacity: 8 },
} as const;

/** A condition of a program: `(register & mask) == value`, or the next one holds unless `last` is 1. */
export const IDLE_ENTRY = { address: 0, mask: 4, value: 8, last: 12, bytes: 16 } as const;
/** A register whose value is held back is an address. */
export const HELD_ENTRY_BYTES = 4;
/** A transfer. `low`, `high` and `length` are addresses of held values; 0 if there is none. */
export const TRANSFER_ENTRY = {
  start: 0,
  startMask: 4,
  low: 8,
  high: 12,
  /** u64: the bits that an address may have. */
  addressMask: 16,
  length: 24,
  lengthMask: 28,
  /** u64: bytes for each unit of the length register, or all of them if there is none. */
  unitBytes: 32,
  alignmentMask: 40,
  burstMask: 44,
  /** Byte offset of the count that must not be 0 in an entry of `GRANTS.uses`. */
  use: 48,
  lowIsWide: 52,
  bytes: 64,
} as const;
/** Byte offsets in an entry of `GRANTS.uses`. */
export const USE = { reads: 0, writes: 4, bytes: 8 } as const;

/** Why the gate refuses a start, or a change of a transfer's parameters. 0: it does not. */
export const REFUSAL = {
  addressBits: 1,
  lengthBits: 2,
  empty: 3,
  unaligned: 4,
  wraps: 5,
  crossesBoundary: 6,
  notGranted: 7,
  busy: 8,
  noTurn: 9,
} as const;

/** What a script wanted when it was denied. */
export const ACCESS = { read32: 0, write32: 1, read64: 2, write64: 3 } as const;

/** Result of `poll32` when time is up: -ETIMEDOUT. */
export const POLL_TIMED_OUT = -110;
