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
 *   192 MiB   ├──────────────────────────────┤
 *             │ channels of registers        │  a byte for each 32 bits of the windows: a bit for each channel
 *   208 MiB   └──────────────────────────────┘
 * ```
 */

const KIB = 2 ** 10;
const MIB = 2 ** 20;

/** How many windows can be open at once. */
export const WINDOW_COUNT = 256;
/** The id of an entry that no window uses; no window has that number. */
export const NO_WINDOW = -1;
/** The window table: byte offsets in an entry. `words`: of 32 bits. `written`: one of {@link WRITTEN}. */
export const WINDOW_ENTRY = { start: 0, words: 4, id: 8, written: 12, bytes: 16 } as const;
/**
 * What is known of a window's device since it was last written to. `never`: it was not; `unseen`: nothing; `looked`: it
 * seemed idle at a look; `answered`: it was seen at work, or seemed idle for long enough.
 */
export const WRITTEN = { never: 0, unseen: 1, looked: 2, answered: 3 } as const;

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

/** The channels whose transfers depend on the register at `address`, or whose state it shows: `CHANNELS_OFFSET + address / 4`. */
export const CHANNELS_OFFSET = 192 * MIB;

/** Size of the gate's memory in pages of 64 KiB; it never grows. */
export const GATE_MEMORY_PAGES = (208 * MIB) / (64 * KIB);

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
  /** Held, and written since the last start that gave it to the device. */
  dirty: 64,
  /** It shows whether a channel is at work, and what is read of it counts. */
  watched: 128,
} as const;

/** A window's DMA program: what a start is checked by. Byte offsets; ends are addresses, and have 32 bits like all else. */
export const PROGRAM = {
  offset: 64 * KIB,
  bytes: 2 * KIB,
  /** A bit for each channel: it is not known to be idle. */
  active: 0,
  /** … a transfer of it was started, and nothing has shown since that the device has begun with it. */
  fresh: 4,
  /** … several of its transfers were started by one write. */
  several: 8,
  /** … its status may show what a script wrote, and not yet what the device says. */
  tainted: 12,
  /** … its description says how soon the device shows that it is at work. */
  prompt: 16,
  /** 1: a start has gone through since the window was opened. */
  everStarted: 20,
  /** 1: this script may start transfers; 0 while it shares the device and has not taken it for itself. */
  owner: 24,
  /** Where the registers that all transfers depend on end. */
  parametersEnd: 28,
  transfersEnd: 32,
  /** Which interval of granted memory the last transfer began in. */
  lastGrant: 36,
  /** Words that stand in for registers which a transfer does not have. */
  zero: 40,
  one: 44,
  parameters: { offset: 64, capacity: 24 },
  channels: { offset: 160, capacity: 8 },
  idle: { offset: 288, capacity: 46 },
  transfers: { offset: 1024, capacity: 8 },
} as const;

/** A channel: where its conditions begin and end, and how long it may take to show that it is at work. */
export const CHANNEL_ENTRY = { idle: 0, idleEnd: 4, promptUs: 8, bytes: 16 } as const;
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
  /** Units that the device moves beyond those that its length register says. */
  extraUnits: 60,
  /** 1: every write of the start register is a start. */
  anyWrite: 64,
  /** The bits of the start register that read 1 until the device has taken the start; 0: it does not show that. */
  pulse: 68,
  /** Bit of its channel. */
  channel: 72,
  /** `(register at done & doneMask) == doneValue` once it has ended; `done` 0: nothing shows that. */
  done: 76,
  doneMask: 80,
  doneValue: 84,
  /** One of {@link PENDING}. */
  pending: 88,
  /** Registers that the device gets with the start, as three addresses; 0: none. */
  gives: 92,
  bytes: 128,
} as const;
/** What is known of a transfer. `shown`: it was started while the device showed another one as done; `started`: it was. */
export const PENDING = { no: 0, shown: 1, started: 2 } as const;
/** Byte offsets in an entry of `GRANTS.uses`. */
export const USE = { reads: 0, writes: 4, bytes: 8 } as const;

/**
 * Why the gate refuses a start, or a change of a transfer's parameters. `transfer`: something is wrong with it; `busy`: the
 * device is at work; `unseen`: it was started, and has not shown since that it has begun.
 */
export const REFUSAL = { transfer: 1, busy: 2, noTurn: 3, unseen: 4, several: 5 } as const;

/** What a script wanted when it was denied. */
export const ACCESS = { read32: 0, write32: 1, read64: 2, write64: 3 } as const;

/** Result of `poll32` when time is up: -ETIMEDOUT. */
export const POLL_TIMED_OUT = -110;
