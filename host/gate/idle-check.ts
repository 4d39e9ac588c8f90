import {
  block,
  branch,
  branchIf,
  call,
  type Code,
  type FunctionSketch,
  get,
  giveBack,
  i32,
  loop,
  set,
  when,
} from "../wasm/assembler";
import type { DeviceAccess } from "./device-access";
import {
  ATTRIBUTE,
  ATTRIBUTES_OFFSET,
  CHANNEL_ENTRY,
  CHANNELS_OFFSET,
  HELD_DISTANCE,
  IDLE_ENTRY,
  PENDING,
  PROGRAM,
  TRANSFER_ENTRY,
  WINDOW_ENTRY,
  WRITTEN,
} from "./layout";

/**
 * How the gate knows that a channel is idle, as code for its module.
 *
 * After a start the device may look idle for a while: it has not taken the start, or its BUSY rises late. So a channel is
 * fresh from its start on, and idle conditions that hold mean nothing until
 *
 * - they did not hold once, since then the device is at work (or was);
 * - every transfer that was started is shown as done, and was not shown so when it was started;
 * - or the description says how soon the device shows that it is at work, the device has taken the start, which its pulses
 *   show, and that time is over.
 */

/**
 * A register that shows a state shows for a while what software wrote to it, where a board looks at memory and puts it back:
 * for at most so many waits of so many microseconds.
 */
const TAINTED_US = 100_000;
const TAINTED_STEP_US = 1000;
/** How long the gate waits, at most, for a device to take a start before the register is written again. */
const TAKEN_WITHIN_MS = 1000;

/** Functions that these call, by number. */
export interface IdleFunctions {
  readonly pause: number;
  readonly wait: number;
  readonly isIdle: number;
  readonly channelIsIdle: number;
  readonly isEvidence: number;
  readonly haveEnded: number;
}

/** The channels that depend on a register, or that it shows. */
export function channelsAt(address: Code): Code {
  return i32.load8U(i32.shrU(address, i32.const(2)), CHANNELS_OFFSET);
}

/** A word of a program, which is a local. */
export function word(program: number, offset: number): Code {
  return i32.load(get(program), offset);
}

/** Changes a word of a program. */
export function setBits(program: number, offset: number, bits: Code): Code {
  return i32.store(get(program), i32.or(word(program, offset), bits), offset);
}

export function clearBits(program: number, offset: number, bits: Code): Code {
  return i32.store(get(program), i32.and(word(program, offset), i32.xor(bits, i32.const(-1))), offset);
}

/** For each transfer of a program: `body`, with the transfer's entry in a local. */
export function forEachTransfer(program: number, entry: number, ...body: Code[]): Code[] {
  return [
    set(entry, i32.add(get(program), i32.const(PROGRAM.transfers.offset))),
    block(
      loop(
        branchIf(1, i32.geU(get(entry), word(program, PROGRAM.transfersEnd))),
        ...body,
        set(entry, i32.add(get(entry), i32.const(TRANSFER_ENTRY.bytes))),
        branch(0),
      ),
    ),
  ];
}

/**
 * `isIdle(program, channels) -> i32`: whether all these channels are idle. All of them are looked at, since each look may
 * be the one that sees a channel at work.
 */
export function isIdle(functions: IdleFunctions): FunctionSketch {
  const [program, channels, channel, bit, result] = [0, 1, 2, 3, 4];
  return {
    parameters: ["i32", "i32"],
    results: ["i32"],
    locals: ["i32", "i32", "i32"],
    body: [
      ...set(result, i32.const(1)),
      ...forEachChannel({ program, channels, channel, bit }, [
        when(i32.eqz(call(functions.channelIsIdle, get(program), get(channel), get(bit))), set(result, i32.const(0))),
      ]),
      ...get(result),
    ],
  };
}

/** For each of the channels in a local, which has none left then: `body`, with the channel's entry and bit in locals. */
function forEachChannel(
  at: { program: number; channels: number; channel: number; bit: number },
  body: readonly Code[],
): Code[] {
  const { program, channels, channel, bit } = at;
  return [
    set(channel, i32.add(get(program), i32.const(PROGRAM.channels.offset))),
    set(bit, i32.const(1)),
    block(
      loop(
        branchIf(1, i32.eqz(get(channels))),
        when(i32.and(get(channels), get(bit)), ...body, set(channels, i32.xor(get(channels), get(bit)))),
        set(bit, i32.shl(get(bit), i32.const(1))),
        set(channel, i32.add(get(channel), i32.const(CHANNEL_ENTRY.bytes))),
        branch(0),
      ),
    ),
  ];
}

/** Locals of a look at a channel. */
interface LookLocals {
  readonly program: number;
  /** The channel's entry, and its bit. */
  readonly channel: number;
  readonly bit: number;
  readonly entry: number;
  readonly found: number;
  /** 1 if the channel looks idle. */
  readonly holds: number;
}

/** A look at a channel: each register is read once for each condition, and those behind one that does not hold are not. */
function look(device: DeviceAccess, functions: IdleFunctions, at: LookLocals): Code {
  const { program, channel, bit, entry, found, holds } = at;
  const field = (offset: number) => i32.load(get(entry), offset);
  const following = i32.add(get(entry), i32.const(IDLE_ENTRY.bytes));
  const untold = i32.xor(i32.or(word(program, PROGRAM.several), word(program, PROGRAM.tainted)), i32.const(-1));
  const atWork = [
    when(
      i32.and(i32.and(word(program, PROGRAM.fresh), get(bit)), untold),
      when(
        call(functions.isEvidence, get(program), field(IDLE_ENTRY.address), get(found)),
        clearBits(program, PROGRAM.fresh, get(bit)),
      ),
    ),
    branch(OUT_OF_ALTERNATIVES),
  ];
  return block(
    set(holds, i32.const(0)),
    set(entry, i32.load(get(channel), CHANNEL_ENTRY.idle)),
    block(
      loop(
        branchIf(1, i32.geU(get(entry), i32.load(get(channel), CHANNEL_ENTRY.idleEnd))),
        set(found, device.load32(field(IDLE_ENTRY.address))),
        block(
          loop(
            branchIf(1, i32.eq(i32.and(get(found), field(IDLE_ENTRY.mask)), field(IDLE_ENTRY.value))),
            when(i32.eq(following, field(IDLE_ENTRY.next)), ...atWork),
            set(entry, following),
            branch(0),
          ),
        ),
        set(entry, field(IDLE_ENTRY.next)),
        branch(0),
      ),
    ),
    set(holds, i32.const(1)),
  );
}

/** From within the alternatives of a condition to behind the look: `when`, loop, block, loop, block, block. */
const OUT_OF_ALTERNATIVES = 5;

/** `channelIsIdle(program, channel's entry, its bit) -> i32`: whether a channel looks idle, and that means something. */
export function channelIsIdle(device: DeviceAccess, functions: IdleFunctions): FunctionSketch {
  const [program, channel, bit, holds, waited, entry, found] = [0, 1, 2, 3, 4, 5, 6];
  const isSet = (offset: number) => i32.and(word(program, offset), get(bit));
  const promptUs = i32.load(get(channel), CHANNEL_ENTRY.promptUs);
  const again = look(device, functions, { program, channel, bit, entry, found, holds });
  const isFalse = giveBack(i32.const(0));
  const lookTwice = [
    set(waited, i32.const(0)),
    // It may say so because software wrote that: a channel that was at work has to say so for as long.
    when(get(holds), when(isSet(PROGRAM.active), call(functions.wait, i32.const(TAINTED_US)), again)),
    // Or the other way round.
    loop(
      when(
        i32.eqz(get(holds)),
        when(
          i32.ltU(get(waited), i32.const(TAINTED_US)),
          call(functions.wait, i32.const(TAINTED_STEP_US)),
          set(waited, i32.add(get(waited), i32.const(TAINTED_STEP_US))),
          again,
          branch(2),
        ),
      ),
    ),
    clearBits(program, PROGRAM.tainted, get(bit)),
  ];
  return {
    parameters: ["i32", "i32", "i32"],
    results: ["i32"],
    locals: ["i32", "i32", "i32", "i32"],
    body: [
      ...again,
      ...when(isSet(PROGRAM.tainted), ...lookTwice),
      ...when(i32.eqz(get(holds)), isFalse),
      ...when(
        isSet(PROGRAM.fresh),
        when(
          isSet(PROGRAM.prompt),
          // The start is taken: its pulses are among the conditions.
          when(promptUs, call(functions.wait, promptUs), again, when(i32.eqz(get(holds)), isFalse)),
        ),
        when(i32.eqz(isSet(PROGRAM.prompt)), when(i32.eqz(call(functions.haveEnded, get(program), get(bit))), isFalse)),
        clearBits(program, PROGRAM.fresh, get(bit)),
      ),
      ...clearBits(program, PROGRAM.active, get(bit)),
      ...i32.const(1),
    ],
  };
}

/**
 * `isEvidence(program, address, found) -> i32`: whether a register that shows a device at work does so by itself. Where a
 * start was written, it may be the start that is seen.
 */
export function isEvidence(): FunctionSketch {
  const [program, address, found, entry] = [0, 1, 2, 3];
  const field = (offset: number) => i32.load(get(entry), offset);
  return {
    parameters: ["i32", "i32", "i32"],
    results: ["i32"],
    locals: ["i32"],
    body: [
      ...forEachTransfer(
        program,
        entry,
        when(
          i32.eq(field(TRANSFER_ENTRY.start), get(address)),
          when(i32.eqz(field(TRANSFER_ENTRY.pulse)), giveBack(i32.const(0))),
          when(i32.and(field(TRANSFER_ENTRY.pulse), get(found)), giveBack(i32.const(0))),
        ),
      ),
      ...i32.const(1),
    ],
  };
}

/** `haveEnded(program, channel) -> i32`: whether each transfer of a channel that was started is shown as done since. */
export function haveEnded(device: DeviceAccess): FunctionSketch {
  const [program, bit, entry, found, ended] = [0, 1, 2, 3, 4];
  const field = (offset: number) => i32.load(get(entry), offset);
  return {
    parameters: ["i32", "i32"],
    results: ["i32"],
    locals: ["i32", "i32", "i32"],
    body: [
      ...set(ended, i32.const(1)),
      ...forEachTransfer(
        program,
        entry,
        when(
          i32.and(i32.eq(field(TRANSFER_ENTRY.channel), get(bit)), i32.ne(field(TRANSFER_ENTRY.pending), i32.const(0))),
          when(
            field(TRANSFER_ENTRY.done),
            set(found, device.load32(field(TRANSFER_ENTRY.done))),
            ...noteDone(entry, found),
          ),
          when(field(TRANSFER_ENTRY.pending), set(ended, i32.const(0))),
        ),
      ),
      ...get(ended),
    ],
  };
}

/** What a read of the register that shows a pending transfer as done says of it. */
function noteDone(entry: number, found: number): Code[] {
  const field = (offset: number) => i32.load(get(entry), offset);
  const isShown = i32.eq(i32.and(get(found), field(TRANSFER_ENTRY.doneMask)), field(TRANSFER_ENTRY.doneValue));
  const become = (state: number) => i32.store(get(entry), i32.const(state), TRANSFER_ENTRY.pending);
  return [
    when(i32.eqz(isShown), become(PENDING.started)),
    when(i32.and(isShown, i32.eq(field(TRANSFER_ENTRY.pending), i32.const(PENDING.started))), become(PENDING.no)),
  ];
}

/**
 * `observe(program, window's entry, address, found)`: takes what software read of a register that shows the state of
 * channels: of a transfer that is over sooner than the gate looks, nobody else sees anything.
 */
export function observe(functions: IdleFunctions): FunctionSketch {
  const [program, window, address, found, channels, channel, bit, entry] = [0, 1, 2, 3, 4, 5, 6, 7];
  const field = (offset: number) => i32.load(get(entry), offset);
  const following = i32.add(get(entry), i32.const(IDLE_ENTRY.bytes));
  const atWork = [
    i32.store(get(window), i32.const(WRITTEN.answered), WINDOW_ENTRY.written),
    when(
      i32.eqz(i32.and(i32.or(word(program, PROGRAM.several), word(program, PROGRAM.tainted)), get(bit))),
      when(
        call(functions.isEvidence, get(program), get(address), get(found)),
        clearBits(program, PROGRAM.fresh, get(bit)),
      ),
    ),
  ];
  const alternatives = block(
    loop(
      branchIf(1, i32.eq(i32.and(get(found), field(IDLE_ENTRY.mask)), field(IDLE_ENTRY.value))),
      when(i32.eq(following, field(IDLE_ENTRY.next)), ...atWork, branch(2)),
      set(entry, following),
      branch(0),
    ),
  );
  return {
    parameters: ["i32", "i32", "i32", "i32"],
    locals: ["i32", "i32", "i32", "i32"],
    body: [
      ...forEachTransfer(
        program,
        entry,
        when(
          i32.eq(field(TRANSFER_ENTRY.done), get(address)),
          when(field(TRANSFER_ENTRY.pending), ...noteDone(entry, found)),
        ),
      ),
      ...set(channels, channelsAt(get(address))),
      ...forEachChannel({ program, channels, channel, bit }, [
        set(entry, i32.load(get(channel), CHANNEL_ENTRY.idle)),
        block(
          loop(
            branchIf(1, i32.geU(get(entry), i32.load(get(channel), CHANNEL_ENTRY.idleEnd))),
            when(i32.eq(field(IDLE_ENTRY.address), get(address)), alternatives),
            set(entry, field(IDLE_ENTRY.next)),
            branch(0),
          ),
        ),
      ]),
    ],
  };
}

/**
 * `settle(program, address) -> i32`: looks at the channels of a register that software is about to write while they are
 * fresh, so that what the write changes was seen. 0: a start that is in the register was not taken in time. In memory that
 * a board looks at, the write would take the start back, or would seem to.
 */
export function settle(device: DeviceAccess, functions: IdleFunctions): FunctionSketch {
  const [program, address, entry, pulses, round] = [0, 1, 2, 3, 4];
  const field = (offset: number) => i32.load(get(entry), offset);
  const look = call(functions.isIdle, get(program), i32.and(word(program, PROGRAM.fresh), channelsAt(get(address))));
  return {
    parameters: ["i32", "i32"],
    results: ["i32"],
    locals: ["i32", "i32", "i32"],
    body: [
      ...when(look, giveBack(i32.const(1))),
      ...forEachTransfer(
        program,
        entry,
        when(
          i32.and(
            i32.eq(field(TRANSFER_ENTRY.start), get(address)),
            i32.ne(i32.and(word(program, PROGRAM.fresh), field(TRANSFER_ENTRY.channel)), i32.const(0)),
          ),
          when(field(TRANSFER_ENTRY.pending), set(pulses, i32.or(get(pulses), field(TRANSFER_ENTRY.pulse)))),
        ),
      ),
      ...when(
        get(pulses),
        loop(
          when(
            i32.and(device.load32(get(address)), get(pulses)),
            when(call(functions.pause, i32.const(TAKEN_WITHIN_MS), get(round)), giveBack(i32.const(0))),
            set(round, i32.add(get(round), i32.const(1))),
            branch(1),
          ),
        ),
        // What it shows now, the write may clear.
        when(look),
      ),
      ...i32.const(1),
    ],
  };
}

/**
 * `readHeld(program, address) -> i32`: what is held back as it was written, until it was given to the device and its
 * channels look idle; then as the device has it.
 */
export function readHeld(device: DeviceAccess, functions: IdleFunctions): FunctionSketch {
  const [program, address, channels, channel, bit, entry, found, holds] = [0, 1, 2, 3, 4, 5, 6, 7];
  const attributes = i32.load8U(i32.shrU(get(address), i32.const(2)), ATTRIBUTES_OFFSET);
  const shadow = i32.load(get(address), HELD_DISTANCE);
  return {
    parameters: ["i32", "i32"],
    results: ["i32"],
    locals: ["i32", "i32", "i32", "i32", "i32", "i32"],
    body: [
      ...when(i32.and(attributes, i32.const(ATTRIBUTE.dirty)), giveBack(shadow)),
      ...set(channels, i32.and(word(program, PROGRAM.active), channelsAt(get(address)))),
      ...forEachChannel({ program, channels, channel, bit }, [
        look(device, functions, { program, channel, bit, entry, found, holds }),
        when(i32.eqz(get(holds)), giveBack(shadow)),
      ]),
      // A start that comes next is checked with this, and gives it.
      ...i32.store(get(address), device.load32(get(address)), HELD_DISTANCE),
      ...shadow,
    ],
  };
}
