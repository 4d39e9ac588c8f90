import { block, branch, branchIf, call, type Code, get, i32, i64, loop, set, when } from "../wasm/assembler";
import type { DeviceAccess } from "./device-access";
import { clearBits, forEachTransfer, setBits, word } from "./program-code";
import {
  ATTRIBUTE,
  ATTRIBUTES_OFFSET,
  GRANT_COUNT_OFFSET,
  GRANTS,
  HELD_DISTANCE,
  HELD_ENTRY_BYTES,
  PENDING,
  PROGRAM,
  REFUSAL,
  TRANSFER_ENTRY,
  USE,
} from "./layout";

/** Locals, by number, of a function that checks starts. */
export interface StartLocals {
  /** Of the register that is written, and what is written. */
  readonly address: number;
  readonly value: number;
  readonly program: number;
  readonly entry: number;
  /** Channels of the transfers that are started. */
  readonly starts: number;
  /** Channels of which several transfers are started. */
  readonly several: number;
  /** The start bits of the transfer before. */
  readonly mask: number;
  /** The only transfer that is started; 0 if there are several. */
  readonly first: number;
  readonly found: number;
  /** In the tables of granted memory. */
  readonly grant: number;
  readonly low: number;
  readonly high: number;
  /** i64: of memory, as the device will see it. */
  readonly from: number;
  readonly end: number;
  readonly length: number;
}

/** Code that refuses for a reason; the transfer is its number, or -1. It does not come back. */
type Refuse = (reason: number, transfer: Code) => Code[];

const NO_TRANSFER = i32.const(-1);

/**
 * Checks the transfers that a write starts, and gives the device what was held back for these, and for no others. Nothing
 * if it starts none. `program` is set.
 */
export function startTransfers(device: DeviceAccess, at: StartLocals, isIdle: number, refuse: Refuse): Code[] {
  const { address, value, program, entry, starts, several, mask } = at;
  const field = (offset: number) => i32.load(get(entry), offset);
  const isStarted = i32.and(
    i32.eq(field(TRANSFER_ENTRY.start), get(address)),
    i32.ne(i32.or(i32.and(field(TRANSFER_ENTRY.startMask), get(value)), field(TRANSFER_ENTRY.anyWrite)), i32.const(0)),
  );
  const prompt = word(program, PROGRAM.prompt);
  // A channel that does not say how soon it is at work has to be seen idle now: what it shows later counts as its answer.
  const asked = i32.and(get(starts), i32.or(word(program, PROGRAM.active), i32.xor(prompt, i32.const(-1))));
  return [
    ...forEachTransfer(
      program,
      entry,
      when(
        isStarted,
        ...check(at, refuse),
        // Several with the same start are one operation.
        when(
          i32.and(
            i32.ne(i32.and(get(starts), field(TRANSFER_ENTRY.channel)), i32.const(0)),
            i32.ne(get(mask), field(TRANSFER_ENTRY.startMask)),
          ),
          set(several, i32.or(get(several), field(TRANSFER_ENTRY.channel))),
        ),
        set(mask, field(TRANSFER_ENTRY.startMask)),
        // Once there is a second, it is none of them.
        set(at.first, i32.select(i32.const(0), get(entry), get(starts))),
        set(starts, i32.or(get(starts), field(TRANSFER_ENTRY.channel))),
      ),
    ),
    when(
      get(starts),
      when(
        asked,
        when(
          i32.eqz(call(isIdle, get(program), asked)),
          when(i32.and(word(program, PROGRAM.fresh), get(starts)), ...refuse(REFUSAL.unseen, NO_TRANSFER)),
          ...refuse(REFUSAL.busy, NO_TRANSFER),
        ),
      ),
      setBits(program, PROGRAM.active, get(starts)),
      setBits(program, PROGRAM.fresh, get(starts)),
      clearBits(program, PROGRAM.several, get(starts)),
      // The channels were just seen idle; or the device puts back what was written when it takes the start.
      clearBits(program, PROGRAM.tainted, get(starts)),
      when(get(several), setBits(program, PROGRAM.several, get(several))),
      i32.store(get(program), i32.const(1), PROGRAM.everStarted),
      // Mostly there is one.
      when(get(at.first), set(entry, get(at.first)), ...begin(device, at, refuse)),
      when(i32.eqz(get(at.first)), ...forEachTransfer(program, entry, when(isStarted, ...begin(device, at, refuse)))),
      ...giveParameters(device, at),
    ),
  ];
}

/** Gives the device what a transfer has of its own, and notes that it is pending. */
function begin(device: DeviceAccess, at: StartLocals, refuse: Refuse): Code[] {
  const { entry, program, found, several } = at;
  const field = (offset: number) => i32.load(get(entry), offset);
  const become = (state: number) => i32.store(get(entry), i32.const(state), TRANSFER_ENTRY.pending);
  const isPrompt = i32.and(word(program, PROGRAM.prompt), field(TRANSFER_ENTRY.channel));
  return [
    // Which of several the device would be at work with, nothing would show.
    when(
      i32.and(get(several), field(TRANSFER_ENTRY.channel)),
      when(i32.eqz(i32.or(isPrompt, field(TRANSFER_ENTRY.done))), ...refuse(REFUSAL.several, indexOf(program, entry))),
    ),
    become(PENDING.shown),
    when(
      field(TRANSFER_ENTRY.done),
      set(found, device.load32(field(TRANSFER_ENTRY.done))),
      when(
        i32.ne(i32.and(get(found), field(TRANSFER_ENTRY.doneMask)), field(TRANSFER_ENTRY.doneValue)),
        become(PENDING.started),
      ),
    ),
    ...[0, 1, 2].map((index) => {
      const register = field(TRANSFER_ENTRY.gives + index * HELD_ENTRY_BYTES);
      return when(register, ...give(device, register));
    }),
  ];
}

/** Gives the device the registers that all its transfers depend on. */
function giveParameters(device: DeviceAccess, { program, entry }: StartLocals): Code[] {
  return [
    set(entry, i32.add(get(program), i32.const(PROGRAM.parameters.offset))),
    block(
      loop(
        branchIf(1, i32.geU(get(entry), word(program, PROGRAM.parametersEnd))),
        ...give(device, i32.load(get(entry))),
        set(entry, i32.add(get(entry), i32.const(HELD_ENTRY_BYTES))),
        branch(0),
      ),
    ),
  ];
}

/** Gives the device a value that was held back; from now on it was not written since the start. */
function give(device: DeviceAccess, register: Code): Code[] {
  const index = i32.shrU(register, i32.const(2));
  const clean = i32.and(i32.load8U(index, ATTRIBUTES_OFFSET), i32.const(0xff & ~ATTRIBUTE.dirty));
  return [device.store32(register, i32.load(register, HELD_DISTANCE)), i32.store8(index, clean, ATTRIBUTES_OFFSET)];
}

/** Which of a program's transfers an entry is. */
function indexOf(program: number, entry: number): Code {
  const first = i32.add(get(program), i32.const(PROGRAM.transfers.offset));
  return i32.shrU(i32.sub(get(entry), first), i32.const(Math.log2(TRANSFER_ENTRY.bytes)));
}

/** Refuses a transfer, as the device would see it, unless all is well with it. The host says what is not. */
function check(at: StartLocals, refuse: Refuse): Code[] {
  const { program, entry, from, end, length, low: units } = at;
  const field = (offset: number) => i32.load(get(entry), offset);
  const wide = (offset: number) => i64.load(get(entry), offset);
  const heldValue = (offset: number) => i32.load(field(offset));
  const isSet = (value: Code) => i64.ne(value, i64.const(0n));
  const last = i64.sub(get(end), i64.const(1n));
  const refuseWhen = (condition: Code) => when(condition, ...refuse(REFUSAL.transfer, indexOf(program, entry)));
  const high = i64.shl(i64.extendU(heldValue(TRANSFER_ENTRY.high)), i64.const(32n));
  return [
    set(from, i64.or(i64.extendU(heldValue(TRANSFER_ENTRY.low)), high)),
    set(units, heldValue(TRANSFER_ENTRY.length)),
    set(
      length,
      i64.mul(
        wide(TRANSFER_ENTRY.unitBytes),
        i64.add(i64.extendU(get(units)), i64.extendU(field(TRANSFER_ENTRY.extraUnits))),
      ),
    ),
    refuseWhen(isSet(i64.and(get(from), wide(TRANSFER_ENTRY.forbiddenBits)))),
    refuseWhen(i32.and(get(units), field(TRANSFER_ENTRY.forbiddenLengthBits))),
    refuseWhen(i64.eqz(get(length))),
    refuseWhen(i64.ltU(i64.sub(wide(TRANSFER_ENTRY.lastAddress), get(from)), i64.sub(get(length), i64.const(1n)))),
    set(end, i64.add(get(from), get(length))),
    when(
      isSet(i64.and(get(from), wide(TRANSFER_ENTRY.burstMask))),
      refuseWhen(i64.ne(i64.shrU(get(from), i64.const(12n)), i64.shrU(last, i64.const(12n)))),
    ),
    ...checkGranted(at, field(TRANSFER_ENTRY.use), refuseWhen),
  ];
}

/** Refuses a transfer unless intervals that a device may use so cover [from, end) without a gap. */
function checkGranted(at: StartLocals, use: Code, refuseWhen: (condition: Code) => Code): Code[] {
  const { program, grant, from, end } = at;
  const usesOf = (index: Code) => i32.load(i32.add(i32.shl(index, i32.const(Math.log2(USE.bytes))), use), GRANTS.uses);
  const count = i32.load(i32.const(GRANT_COUNT_OFFSET));
  const isInside = i64.ltU(i64.sub(get(from), startOf(get(grant))), i64.sub(endOf(get(grant)), startOf(get(grant))));
  return [
    // Where the last one was, most often. A hint: what stands in the tables now counts.
    set(grant, i32.load(get(program), PROGRAM.lastGrant)),
    block(
      when(i32.ltU(get(grant), count), branchIf(1, isInside)),
      ...search(at, count),
      refuseWhen(i32.eqz(get(at.low))),
      set(grant, i32.sub(get(at.low), i32.const(1))),
      i32.store(get(program), get(grant), PROGRAM.lastGrant),
    ),
    block(
      loop(
        refuseWhen(i64.geU(get(from), endOf(get(grant)))),
        refuseWhen(i32.eqz(usesOf(get(grant)))),
        set(from, endOf(get(grant))),
        branchIf(1, i64.geU(get(from), get(end))),
        set(grant, i32.add(get(grant), i32.const(1))),
        refuseWhen(i32.geU(get(grant), count)),
        refuseWhen(i64.ne(startOf(get(grant)), get(from))),
        branch(0),
      ),
    ),
  ];
}

/** Sets `low` to the first interval that begins behind `from`. */
function search({ from, low, high, found: middle }: StartLocals, count: Code): Code[] {
  return [
    set(low, i32.const(0)),
    set(high, count),
    block(
      branchIf(0, i32.eqz(get(high))),
      loop(
        set(middle, i32.shrU(i32.add(get(low), get(high)), i32.const(1))),
        block(
          block(
            branchIf(0, i64.ltU(get(from), startOf(get(middle)))),
            set(low, i32.add(get(middle), i32.const(1))),
            branch(1),
          ),
          set(high, get(middle)),
        ),
        branchIf(0, i32.ltU(get(low), get(high))),
      ),
    ),
  ];
}

function startOf(grant: Code): Code {
  return i64.load(i32.shl(grant, i32.const(3)), GRANTS.starts);
}

function endOf(grant: Code): Code {
  return i64.load(i32.shl(grant, i32.const(3)), GRANTS.ends);
}
