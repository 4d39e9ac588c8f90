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
import { CHANNEL_ENTRY, IDLE_ENTRY, PROGRAM } from "./layout";
import { clearBits, forEachChannel, word } from "./program-code";

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
/** Functions that these call, by number. */
export interface IdleFunctions {
  readonly pause: number;
  readonly wait: number;
  readonly isIdle: number;
  readonly channelIsIdle: number;
  readonly isEvidence: number;
  readonly haveEnded: number;
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

/** Locals of a look at a channel. */
export interface LookLocals {
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
export function look(device: DeviceAccess, functions: IdleFunctions, at: LookLocals): Code {
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
