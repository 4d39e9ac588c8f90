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
import type { IdleFunctions } from "./idle-check";
import { CHANNEL_ENTRY, IDLE_ENTRY, PENDING, PROGRAM, TRANSFER_ENTRY, WINDOW_ENTRY, WRITTEN } from "./layout";
import { channelsAt, clearBits, forEachChannel, forEachTransfer, word } from "./program-code";

/** How long the gate waits, at most, for a device to take a start before the register is written again. */
const TAKEN_WITHIN_MS = 1000;

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
