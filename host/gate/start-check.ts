import { block, branch, branchIf, type Code, get, i32, i64, loop, set, when } from "../wasm/assembler";
import {
  GRANT_COUNT_OFFSET,
  GRANTS,
  HELD_DISTANCE,
  HELD_ENTRY_BYTES,
  IDLE_ENTRY,
  PROGRAM,
  REFUSAL,
  TRANSFER_ENTRY,
  USE,
} from "./layout";

/** The device's own loads and stores. */
export interface DeviceAccess {
  readonly load32: (address: Code) => Code;
  readonly store32: (address: Code, value: Code) => Code;
  readonly load64: (address: Code) => Code;
  readonly store64: (address: Code, value: Code) => Code;
}

/** Locals, by number, of a function that checks starts. */
export interface StartLocals {
  /** Of the register that is written, and what is written. */
  readonly address: number;
  readonly value: number;
  readonly program: number;
  readonly entry: number;
  /** Where a table of the program ends. */
  readonly limit: number;
  readonly starts: number;
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
 * Checks the transfers that a write starts, and gives the device what was held back for them. Nothing if it starts none.
 * `program` is set.
 */
export function startTransfers(device: DeviceAccess, at: StartLocals, refuse: Refuse): Code[] {
  const { address, value, program, entry, limit, starts } = at;
  const field = (offset: number) => i32.load(get(entry), offset);
  return [
    set(limit, i32.load(get(program), PROGRAM.transfersEnd)),
    set(entry, i32.add(get(program), i32.const(PROGRAM.transfers.offset))),
    loop(
      when(
        i32.eq(field(TRANSFER_ENTRY.start), get(address)),
        when(i32.and(field(TRANSFER_ENTRY.startMask), get(value)), ...check(at, refuse), set(starts, i32.const(1))),
      ),
      set(entry, i32.add(get(entry), i32.const(TRANSFER_ENTRY.bytes))),
      branchIf(0, i32.ltU(get(entry), get(limit))),
    ),
    when(
      get(starts),
      when(i32.eqz(i32.load(get(program), PROGRAM.turn)), ...refuse(REFUSAL.noTurn, NO_TRANSFER)),
      when(i32.load(get(program), PROGRAM.started), ...askIdle(device, at, refuse(REFUSAL.busy, NO_TRANSFER))),
      i32.store(get(program), i32.const(1), PROGRAM.started),
      i32.store(get(program), i32.const(1), PROGRAM.everStarted),
      ...giveHeld(device, at),
    ),
  ];
}

/** Does `busy`, which does not come back, unless all conditions of a program hold: a register is read once for each. */
export function askIdle(
  device: DeviceAccess,
  { program, entry, limit, found }: Pick<StartLocals, "program" | "entry" | "limit" | "found">,
  busy: Code,
): Code[] {
  const field = (offset: number) => i32.load(get(entry), offset);
  const following = i32.add(get(entry), i32.const(IDLE_ENTRY.bytes));
  return [
    set(limit, i32.load(get(program), PROGRAM.idleEnd)),
    set(entry, i32.add(get(program), i32.const(PROGRAM.idle.offset))),
    block(
      branchIf(0, i32.geU(get(entry), get(limit))),
      loop(
        set(found, device.load32(field(IDLE_ENTRY.address))),
        block(
          loop(
            branchIf(1, i32.eq(i32.and(get(found), field(IDLE_ENTRY.mask)), field(IDLE_ENTRY.value))),
            when(i32.eq(following, field(IDLE_ENTRY.next)), busy),
            set(entry, following),
            branch(0),
          ),
        ),
        set(entry, field(IDLE_ENTRY.next)),
        branchIf(0, i32.ltU(get(entry), get(limit))),
      ),
    ),
  ];
}

/** Gives the device the values that were held back: those of 32 bits, then those of 64. */
function giveHeld(device: DeviceAccess, { program, entry, limit }: StartLocals): Code[] {
  const address = i32.load(get(entry));
  const giveUpTo = (end: number, give: Code): Code[] => [
    set(limit, i32.load(get(program), end)),
    block(
      branchIf(0, i32.geU(get(entry), get(limit))),
      loop(
        give,
        set(entry, i32.add(get(entry), i32.const(HELD_ENTRY_BYTES))),
        branchIf(0, i32.ltU(get(entry), get(limit))),
      ),
    ),
  ];
  return [
    set(entry, i32.add(get(program), i32.const(PROGRAM.held.offset))),
    ...giveUpTo(PROGRAM.heldEnd, device.store32(address, i32.load(address, HELD_DISTANCE))),
    ...giveUpTo(PROGRAM.heldWideEnd, device.store64(address, i64.load(address, HELD_DISTANCE))),
  ];
}

/** Refuses a transfer, as the device would see it, unless all is well with it. The host says what is not. */
function check(at: StartLocals, refuse: Refuse): Code[] {
  const { program, entry, from, end, length, low: units } = at;
  const field = (offset: number) => i32.load(get(entry), offset);
  const wide = (offset: number) => i64.load(get(entry), offset);
  const heldValue = (offset: number) => i32.load(field(offset));
  const isSet = (value: Code) => i64.ne(value, i64.const(0n));
  const last = i64.sub(get(end), i64.const(1n));
  const first = i32.add(get(program), i32.const(PROGRAM.transfers.offset));
  const index = i32.shrU(i32.sub(get(entry), first), i32.const(Math.log2(TRANSFER_ENTRY.bytes)));
  const refuseWhen = (condition: Code) => when(condition, ...refuse(REFUSAL.transfer, index));
  const high = i64.shl(i64.extendU(heldValue(TRANSFER_ENTRY.high)), i64.const(32n));
  return [
    set(from, i64.or(i64.extendU(heldValue(TRANSFER_ENTRY.low)), high)),
    set(units, heldValue(TRANSFER_ENTRY.length)),
    set(length, i64.mul(wide(TRANSFER_ENTRY.unitBytes), i64.extendU(get(units)))),
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
