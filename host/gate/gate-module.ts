import {
  assemble,
  block,
  branch,
  branchIf,
  call,
  type Code,
  type FunctionSketch,
  get,
  giveBack,
  i32,
  i64,
  loop,
  set,
  unreachable,
  when,
} from "../wasm/assembler";
import {
  ACCESS,
  ATTRIBUTE,
  ATTRIBUTES_OFFSET,
  GATE_MEMORY_PAGES,
  GRANT_COUNT_OFFSET,
  GRANTS,
  HELD_DISTANCE,
  HELD_ENTRY_BYTES,
  IDLE_ENTRY,
  POLL_TIMED_OUT,
  PROGRAM,
  REFUSAL,
  TRANSFER_ENTRY,
  USE,
  WINDOW_COUNT,
  WINDOW_ENTRY,
} from "./layout";
import { GATE_MODULE_NAME } from "./module-file";

/**
 * The gate's WebAssembly module, assembled by hand: some hundred instructions that are worth reading.
 *
 * Its memory is its own (see `layout.ts`). Nobody but the host can map anything into it, and a script reaches it only
 * through the exports below, so that every register access passes the checks.
 *
 * ```
 *   read32(window, offset):
 *     entry = (window & 255) * 16
 *     if ((entry.id ^ window) | (offset & 3) | (offset >=u entry.length)) deny
 *     address = entry.start + offset
 *     if (attributes[address / 4] & (notReadable | held | wide | upper)) readSpecial
 *     else i32.load(address)
 *   write32: the same, with writeSpecial for what is not writable, held, a start, or 64 bits wide
 *   writeSpecial, held:   the device must be idle; the value is kept for the next start
 *   writeSpecial, start:  every transfer that the value starts passes `check`, and the device is idle;
 *                         only then it gets the held values, and the start. All of that is one function: calls
 *                         within it would take as long as the check itself
 *   poll32(window, offset, mask, value, timeoutMs):
 *     SPINS times: if ((register & mask) == value) return 0
 *     if (pause(timeoutMs, rounds++)) return -ETIMEDOUT; again
 * ```
 *
 * On x86-64 the accesses are plain loads and stores. On arm64 they are atomic ones, which compile to ldar and stlr:
 * device registers need that order there.
 */

const SPINS_PER_ROUND = 2000;

/** Functions by number: imports first. */
const FN = {
  deny: 0,
  refuse: 1,
  pause: 2,
  readSpecial: 3,
  writeSpecial: 4,
  holdIfIdle: 5,
  isIdle: 6,
  read32: 7,
  write32: 8,
  read64: 9,
  write64: 10,
  poll32: 11,
  deviceLoad: 12,
  deviceStore: 13,
} as const;

/** The device's own loads and stores. */
interface DeviceAccess {
  readonly load32: (address: Code) => Code;
  readonly store32: (address: Code, value: Code) => Code;
  readonly load64: (address: Code) => Code;
  readonly store64: (address: Code, value: Code) => Code;
}

/**
 * Builds the gate's module.
 *
 * Imports: `host.deny(window, offset, access)` and `host.refuse(window, offset, reason, transfer)`, which must throw;
 * `host.pause(timeoutMs, round) -> i32`, 1 when time is up; `host.memory`. Exports for scripts: `read32`, `write32`,
 * `read64`, `write64`, `poll32`; for the host alone: `deviceLoad(address)`, `deviceStore(address, value)`,
 * `isIdle(program)`.
 *
 * @param architecture as `process.arch` names it
 */
export function gateModule(architecture: "x64" | "arm64"): Uint8Array {
  const device: DeviceAccess =
    architecture === "arm64"
      ? { load32: i32.atomicLoad, store32: i32.atomicStore, load64: i64.atomicLoad, store64: i64.atomicStore }
      : { load32: i32.load, store32: i32.store, load64: i64.load, store64: i64.store };
  const functions: Record<Exclude<keyof typeof FN, "deny" | "refuse" | "pause">, FunctionSketch> = {
    readSpecial: readSpecial(),
    writeSpecial: writeSpecial(device),
    holdIfIdle: holdIfIdle(),
    isIdle: idle(device),
    read32: read32(device),
    write32: write32(device),
    read64: read64(device),
    write64: write64(device),
    poll32: poll32(device),
    deviceLoad: { parameters: ["i32"], results: ["i32"], body: device.load32(get(0)) },
    deviceStore: { parameters: ["i32", "i32"], body: device.store32(get(0), get(1)) },
  };
  const { read32: r32, write32: w32, read64: r64, write64: w64, poll32: poll, deviceLoad, deviceStore, isIdle } = FN;
  return assemble({
    name: GATE_MODULE_NAME,
    imports: [
      { module: "host", name: "deny", parameters: ["i32", "i32", "i32"] },
      { module: "host", name: "refuse", parameters: ["i32", "i32", "i32", "i32"] },
      { module: "host", name: "pause", parameters: ["i32", "i32"], results: ["i32"] },
    ],
    memory: { pages: GATE_MEMORY_PAGES, from: ["host", "memory"] },
    functions: Object.values(functions),
    exports: { read32: r32, write32: w32, read64: r64, write64: w64, poll32: poll, deviceLoad, deviceStore, isIdle },
  });
}

const anyOf = (...bits: number[]) => i32.const(bits.reduce((all, bit) => all | bit, 0));

/** Where the table describes a window. */
function entryOf(window: Code): Code {
  return i32.shl(i32.and(window, i32.const(WINDOW_COUNT - 1)), i32.const(Math.log2(WINDOW_ENTRY.bytes)));
}

/** Where a window's DMA program is. */
function programOf(window: Code): Code {
  const index = i32.and(window, i32.const(WINDOW_COUNT - 1));
  return i32.add(i32.shl(index, i32.const(Math.log2(PROGRAM.bytes))), i32.const(PROGRAM.offset));
}

function attributesOf(address: Code): Code {
  return i32.load8U(i32.shrU(address, i32.const(2)), ATTRIBUTES_OFFSET);
}

/** Denies what is outside of the window, or not aligned; sets `entry` and `address`. */
function locate(at: { window: number; offset: number; entry: number; address: number }, access: number, bytes: number) {
  const misplaced = i32.and(get(at.offset), i32.const(bytes - 1));
  const outside = i32.geU(get(at.offset), i32.load(get(at.entry), WINDOW_ENTRY.length));
  return [
    ...set(at.entry, entryOf(get(at.window))),
    ...when(
      i32.or(i32.or(i32.xor(i32.load(get(at.entry), WINDOW_ENTRY.id), get(at.window)), misplaced), outside),
      ...deny(at, access),
    ),
    ...set(at.address, i32.add(i32.load(get(at.entry), WINDOW_ENTRY.start), get(at.offset))),
  ];
}

function deny({ window, offset }: { window: number; offset: number }, access: number): Code[] {
  return [call(FN.deny, get(window), get(offset), i32.const(access)), unreachable];
}

function markWritten(entry: Code): Code {
  return i32.store(entry, i32.const(1), WINDOW_ENTRY.written);
}

function read32(device: DeviceAccess): FunctionSketch {
  const at = { window: 0, offset: 1, entry: 2, address: 3 };
  const { notReadable, held, wide, upper } = ATTRIBUTE;
  return {
    parameters: ["i32", "i32"],
    results: ["i32"],
    locals: ["i32", "i32"],
    body: [
      ...locate(at, ACCESS.read32, 4),
      ...when(
        i32.and(attributesOf(get(at.address)), anyOf(notReadable, held, wide, upper)),
        giveBack(call(FN.readSpecial, get(at.window), get(at.offset), get(at.address))),
      ),
      ...device.load32(get(at.address)),
    ],
  };
}

function write32(device: DeviceAccess): FunctionSketch {
  const at = { window: 0, offset: 1, entry: 3, address: 4 };
  const value = 2;
  const { notWritable, held, start, wide, upper } = ATTRIBUTE;
  return {
    parameters: ["i32", "i32", "i32"],
    locals: ["i32", "i32"],
    body: [
      ...locate(at, ACCESS.write32, 4),
      ...when(
        i32.and(attributesOf(get(at.address)), anyOf(notWritable, held, start, wide, upper)),
        call(FN.writeSpecial, get(at.window), get(at.offset), get(at.address), get(value)),
        giveBack(),
      ),
      ...markWritten(get(at.entry)),
      ...device.store32(get(at.address), get(value)),
    ],
  };
}

/** What is held back reads as it was written. */
function readSpecial(): FunctionSketch {
  const [window, offset, address] = [0, 1, 2];
  const { held, wide, upper, notReadable } = ATTRIBUTE;
  return {
    parameters: ["i32", "i32", "i32"],
    results: ["i32"],
    body: [
      ...when(
        i32.and(attributesOf(get(address)), anyOf(wide, upper, notReadable)),
        ...deny({ window, offset }, ACCESS.read32),
      ),
      ...when(i32.and(attributesOf(get(address)), anyOf(held)), giveBack(i32.load(get(address), HELD_DISTANCE))),
      ...unreachable,
    ],
  };
}

/** Locals of `writeSpecial`, its parameters first. */
const AT = {
  window: 0,
  offset: 1,
  address: 2,
  value: 3,
  attributes: 4,
  program: 5,
  entry: 6,
  rest: 7,
  index: 8,
  starts: 9,
  low: 10,
  high: 11,
  middle: 12,
  holds: 13,
  isNext: 14,
  found: 15,
  /** Of memory, as the device will see it. */
  from: 16,
  end: 17,
  length: 18,
} as const;

function writeSpecial(device: DeviceAccess): FunctionSketch {
  const { window, offset, address, value, attributes } = AT;
  const { notWritable, wide, upper, held, start } = ATTRIBUTE;
  return {
    parameters: ["i32", "i32", "i32", "i32"],
    locals: ["i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32", "i64", "i64", "i64"],
    body: [
      ...set(attributes, attributesOf(get(address))),
      ...when(i32.and(get(attributes), anyOf(notWritable, wide, upper)), ...deny({ window, offset }, ACCESS.write32)),
      ...when(
        i32.and(get(attributes), anyOf(held)),
        call(FN.holdIfIdle, get(window), get(offset)),
        i32.store(get(address), get(value), HELD_DISTANCE),
        when(i32.eqz(i32.and(get(attributes), anyOf(start))), giveBack()),
      ),
      ...startTransfers(device),
      ...markWritten(entryOf(get(window))),
      ...device.store32(get(address), get(value)),
    ],
  };
}

/** Refuses to change the parameters of a transfer that may be under way. */
function holdIfIdle(): FunctionSketch {
  const [window, offset, program] = [0, 1, 2];
  return {
    parameters: ["i32", "i32"],
    locals: ["i32"],
    body: [
      ...set(program, programOf(get(window))),
      ...when(
        i32.load(get(program), PROGRAM.started),
        when(
          i32.eqz(call(FN.isIdle, get(program))),
          call(FN.refuse, get(window), get(offset), i32.const(REFUSAL.busy), i32.const(-1)),
          unreachable,
        ),
        i32.store(get(program), i32.const(0), PROGRAM.started),
      ),
    ],
  };
}

function refuse(reason: number, transfer: Code): Code[] {
  return [call(FN.refuse, get(AT.window), get(AT.offset), i32.const(reason), transfer), unreachable];
}

/** Checks the transfers that a write starts, and gives the device what was held back for them. Nothing if it starts none. */
function startTransfers(device: DeviceAccess): Code[] {
  const { address, value, program, entry, rest, index, starts } = AT;
  const isStarted = i32.eqz(
    i32.or(
      i32.ne(i32.load(get(entry), TRANSFER_ENTRY.start), get(address)),
      i32.eqz(i32.and(i32.load(get(entry), TRANSFER_ENTRY.startMask), get(value))),
    ),
  );
  return [
    set(program, programOf(get(AT.window))),
    set(rest, i32.load(get(program), PROGRAM.transferCount)),
    set(entry, i32.add(get(program), i32.const(PROGRAM.transfers.offset))),
    block(
      branchIf(0, i32.eqz(get(rest))),
      loop(
        when(isStarted, ...check(), set(starts, i32.const(1))),
        set(entry, i32.add(get(entry), i32.const(TRANSFER_ENTRY.bytes))),
        set(index, i32.add(get(index), i32.const(1))),
        branchIf(0, i32.ltU(get(index), get(rest))),
      ),
    ),
    when(
      get(starts),
      when(i32.eqz(i32.load(get(program), PROGRAM.turn)), ...refuse(REFUSAL.noTurn, i32.const(-1))),
      when(i32.load(get(program), PROGRAM.started), ...askIdle(device, AT, refuse(REFUSAL.busy, i32.const(-1)))),
      i32.store(get(program), i32.const(1), PROGRAM.started),
      i32.store(get(program), i32.const(1), PROGRAM.everStarted),
      ...giveHeld(device),
    ),
  ];
}

/** Gives the device the values that were held back: those of 32 bits, then those of 64. */
function giveHeld(device: DeviceAccess): Code[] {
  const { program, entry, rest } = AT;
  const address = i32.load(get(entry));
  const giveAll = (give: Code): Code =>
    block(
      branchIf(0, i32.eqz(get(rest))),
      loop(
        give,
        set(entry, i32.add(get(entry), i32.const(HELD_ENTRY_BYTES))),
        set(rest, i32.sub(get(rest), i32.const(1))),
        branchIf(0, get(rest)),
      ),
    );
  return [
    set(entry, i32.add(get(program), i32.const(PROGRAM.held.offset))),
    set(rest, i32.load(get(program), PROGRAM.heldCount)),
    giveAll(device.store32(address, i32.load(address, HELD_DISTANCE))),
    set(rest, i32.load(get(program), PROGRAM.heldWideCount)),
    giveAll(device.store64(address, i64.load(address, HELD_DISTANCE))),
  ];
}

/** Whether all conditions of a program hold. */
function idle(device: DeviceAccess): FunctionSketch {
  const at = { program: 0, entry: 1, rest: 2, holds: 3, isNext: 4, found: 5 };
  return {
    parameters: ["i32"],
    results: ["i32"],
    locals: ["i32", "i32", "i32", "i32", "i32"],
    body: [...askIdle(device, at, giveBack(i32.const(0))), ...i32.const(1)],
  };
}

/** Does `busy` unless all conditions of a program hold; the register is read once for all values of a condition. */
function askIdle(
  device: DeviceAccess,
  {
    program,
    entry,
    rest,
    holds,
    isNext,
    found,
  }: Record<"program" | "entry" | "rest" | "holds" | "isNext" | "found", number>,
  busy: Code,
): Code[] {
  const masked = i32.and(get(found), i32.load(get(entry), IDLE_ENTRY.mask));
  return [
    set(rest, i32.load(get(program), PROGRAM.idleCount)),
    set(entry, i32.add(get(program), i32.const(PROGRAM.idle.offset))),
    set(holds, i32.const(0)),
    set(isNext, i32.const(1)),
    block(
      branchIf(0, i32.eqz(get(rest))),
      loop(
        when(get(isNext), set(found, device.load32(i32.load(get(entry), IDLE_ENTRY.address)))),
        set(holds, i32.or(get(holds), i32.eq(masked, i32.load(get(entry), IDLE_ENTRY.value)))),
        set(isNext, i32.load(get(entry), IDLE_ENTRY.last)),
        when(get(isNext), when(i32.eqz(get(holds)), busy), set(holds, i32.const(0))),
        set(entry, i32.add(get(entry), i32.const(IDLE_ENTRY.bytes))),
        set(rest, i32.sub(get(rest), i32.const(1))),
        branchIf(0, get(rest)),
      ),
    ),
  ];
}

/** Refuses a transfer, as the device would see it, unless all is well with it. */
function check(): Code[] {
  const { entry, index, from, end, length, low: word } = AT;
  const field = (offset: number) => i32.load(get(entry), offset);
  const wide = (offset: number) => i64.load(get(entry), offset);
  const maskOf = (offset: number) => i64.extendU(field(offset));
  const refuseWhen = (condition: Code, reason: number) => when(condition, ...refuse(reason, get(index)));
  const isSet = (value: Code) => i32.eqz(i64.eqz(value));
  const beyondMask = (value: Code) => isSet(i64.and(value, i64.xor(wide(TRANSFER_ENTRY.addressMask), i64.const(-1n))));
  const last = i64.sub(get(end), i64.const(1n));
  return [
    set(from, i64.extendU(i32.load(field(TRANSFER_ENTRY.low)))),
    when(
      field(TRANSFER_ENTRY.high),
      set(from, i64.or(get(from), i64.shl(i64.extendU(i32.load(field(TRANSFER_ENTRY.high))), i64.const(32n)))),
    ),
    when(field(TRANSFER_ENTRY.lowIsWide), set(from, i64.load(field(TRANSFER_ENTRY.low)))),
    refuseWhen(beyondMask(get(from)), REFUSAL.addressBits),

    set(length, wide(TRANSFER_ENTRY.unitBytes)),
    when(
      field(TRANSFER_ENTRY.length),
      set(word, i32.load(field(TRANSFER_ENTRY.length))),
      refuseWhen(i32.and(get(word), i32.xor(field(TRANSFER_ENTRY.lengthMask), i32.const(-1))), REFUSAL.lengthBits),
      set(length, i64.mul(get(length), i64.extendU(get(word)))),
    ),
    refuseWhen(i64.eqz(get(length)), REFUSAL.empty),
    refuseWhen(isSet(i64.and(get(from), maskOf(TRANSFER_ENTRY.alignmentMask))), REFUSAL.unaligned),

    set(end, i64.add(get(from), get(length))),
    refuseWhen(i32.or(i64.leU(get(end), get(from)), beyondMask(last)), REFUSAL.wraps),
    when(
      isSet(i64.and(get(from), maskOf(TRANSFER_ENTRY.burstMask))),
      refuseWhen(i64.ne(i64.shrU(get(from), i64.const(12n)), i64.shrU(last, i64.const(12n))), REFUSAL.crossesBoundary),
    ),
    ...checkGranted(field(TRANSFER_ENTRY.use)),
  ];
}

/** Refuses a transfer unless intervals that a device may use so cover [from, end) without a gap. */
function checkGranted(use: Code): Code[] {
  const { index, from, end, low, high, middle } = AT;
  const startOf = (index: Code) => i64.load(i32.shl(index, i32.const(3)), GRANTS.starts);
  const endOf = (index: Code) => i64.load(i32.shl(index, i32.const(3)), GRANTS.ends);
  const usesOf = (index: Code) => i32.load(i32.add(i32.shl(index, i32.const(Math.log2(USE.bytes))), use), GRANTS.uses);
  const count = i32.load(i32.const(GRANT_COUNT_OFFSET));
  const refuseWhen = (condition: Code) => when(condition, ...refuse(REFUSAL.notGranted, get(index)));
  return [
    set(low, i32.const(0)),
    set(high, count),
    // The first interval that begins behind the address.
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
    refuseWhen(i32.eqz(get(low))),
    set(low, i32.sub(get(low), i32.const(1))),
    block(
      loop(
        refuseWhen(i64.geU(get(from), endOf(get(low)))),
        refuseWhen(i32.eqz(usesOf(get(low)))),
        set(from, endOf(get(low))),
        branchIf(1, i64.geU(get(from), get(end))),
        set(low, i32.add(get(low), i32.const(1))),
        refuseWhen(i32.geU(get(low), count)),
        refuseWhen(i64.ne(startOf(get(low)), get(from))),
        branch(0),
      ),
    ),
  ];
}

function read64(device: DeviceAccess): FunctionSketch {
  const at = { window: 0, offset: 1, entry: 2, address: 3 };
  const attributes = 4;
  return {
    parameters: ["i32", "i32"],
    results: ["i64"],
    locals: ["i32", "i32", "i32"],
    body: [
      ...locate(at, ACCESS.read64, 8),
      ...set(attributes, attributesOf(get(at.address))),
      ...when(
        i32.ne(i32.and(get(attributes), anyOf(ATTRIBUTE.wide, ATTRIBUTE.notReadable)), i32.const(ATTRIBUTE.wide)),
        ...deny(at, ACCESS.read64),
      ),
      ...when(i32.and(get(attributes), anyOf(ATTRIBUTE.held)), giveBack(i64.load(get(at.address), HELD_DISTANCE))),
      ...device.load64(get(at.address)),
    ],
  };
}

function write64(device: DeviceAccess): FunctionSketch {
  const at = { window: 0, offset: 1, entry: 3, address: 4 };
  const [value, attributes] = [2, 5];
  return {
    parameters: ["i32", "i32", "i64"],
    locals: ["i32", "i32", "i32"],
    body: [
      ...locate(at, ACCESS.write64, 8),
      ...set(attributes, attributesOf(get(at.address))),
      ...when(
        i32.ne(i32.and(get(attributes), anyOf(ATTRIBUTE.wide, ATTRIBUTE.notWritable)), i32.const(ATTRIBUTE.wide)),
        ...deny(at, ACCESS.write64),
      ),
      ...when(
        i32.and(get(attributes), anyOf(ATTRIBUTE.held)),
        call(FN.holdIfIdle, get(at.window), get(at.offset)),
        i64.store(get(at.address), get(value), HELD_DISTANCE),
        giveBack(),
      ),
      ...markWritten(get(at.entry)),
      ...device.store64(get(at.address), get(value)),
    ],
  };
}

function poll32(device: DeviceAccess): FunctionSketch {
  const at = { window: 0, offset: 1, entry: 5, address: 6 };
  const [mask, value, timeoutMs, round, spins] = [2, 3, 4, 7, 8];
  const { notReadable, held, wide, upper } = ATTRIBUTE;
  return {
    parameters: ["i32", "i32", "i32", "i32", "i32"],
    results: ["i32"],
    locals: ["i32", "i32", "i32", "i32"],
    body: [
      ...locate(at, ACCESS.read32, 4),
      // What is held back does not change by waiting.
      ...when(
        i32.and(attributesOf(get(at.address)), anyOf(notReadable, held, wide, upper)),
        ...deny(at, ACCESS.read32),
      ),
      ...loop(
        set(spins, i32.const(0)),
        loop(
          when(i32.eq(i32.and(device.load32(get(at.address)), get(mask)), get(value)), giveBack(i32.const(0))),
          set(spins, i32.add(get(spins), i32.const(1))),
          branchIf(0, i32.ltU(get(spins), i32.const(SPINS_PER_ROUND))),
        ),
        when(call(FN.pause, get(timeoutMs), get(round)), giveBack(i32.const(POLL_TIMED_OUT))),
        set(round, i32.add(get(round), i32.const(1))),
        branch(0),
      ),
      ...unreachable,
    ],
  };
}
