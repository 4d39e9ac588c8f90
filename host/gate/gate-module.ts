import {
  assemble,
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
  HELD_DISTANCE,
  POLL_TIMED_OUT,
  PROGRAM,
  REFUSAL,
  WINDOW_COUNT,
  WINDOW_ENTRY,
} from "./layout";
import { GATE_MODULE_NAME } from "./module-file";
import type { DeviceAccess } from "./device-access";
import { readHeld } from "./held-registers";
import { channelIsIdle, isIdle } from "./idle-check";
import { channelsAt, setBits, word } from "./program-code";
import { haveEnded, isEvidence, observe, settle } from "./start-evidence";
import { startTransfers } from "./start-check";

/**
 * The gate's WebAssembly module, assembled by hand: some hundred instructions that are worth reading.
 *
 * Its memory is its own (see `layout.ts`). Nobody but the host can map anything into it, and a script reaches it only
 * through the exports below, so that every register access passes the checks.
 *
 * ```
 *   read32(window, offset):
 *     entry = (window & 255) * 16
 *     if ((entry.id ^ window) | (rotr(offset, 2) >=u entry.words)) deny
 *     address = entry.start + offset
 *     if (attributes[address / 4] & (notReadable | held | wide | upper | watched)) readSpecial
 *     else i32.load(address)
 *   write32: the same, with writeSpecial for what is not writable, held, a start, or 64 bits wide
 *   writeSpecial, held:   the channels that depend on it must be idle; the value is kept for the next start
 *   writeSpecial, start:  every transfer that the value starts passes `check`, and its channel is idle; only then the
 *                         device gets what was held back for these, and the start. The check is in that function: a
 *                         call would take as long
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
  wait: 3,
  readSpecial: 4,
  writeSpecial: 5,
  readHeld: 6,
  observe: 7,
  settle: 8,
  isIdle: 9,
  channelIsIdle: 10,
  isEvidence: 11,
  haveEnded: 12,
  read32: 13,
  write32: 14,
  read64: 15,
  write64: 16,
  poll32: 17,
  deviceLoad: 18,
  deviceStore: 19,
} as const;

/**
 * Builds the gate's module.
 *
 * Imports: `host.deny(window, offset, access)` and `host.refuse(window, offset, reason, transfer)`, which must throw;
 * `host.pause(timeoutMs, round) -> i32`, 1 when time is up; `host.wait(us)`; `host.memory`. Exports for scripts: `read32`,
 * `write32`, `read64`, `write64`, `poll32`; for the host alone: `deviceLoad(address)`, `deviceStore(address, value)`,
 * `isIdle(program, channels) -> i32`.
 *
 * @param architecture as `process.arch` names it
 */
export function gateModule(architecture: "x64" | "arm64"): Uint8Array {
  const device: DeviceAccess =
    architecture === "arm64"
      ? { load32: i32.atomicLoad, store32: i32.atomicStore, load64: i64.atomicLoad, store64: i64.atomicStore }
      : { load32: i32.load, store32: i32.store, load64: i64.load, store64: i64.store };
  const functions: Record<Exclude<keyof typeof FN, "deny" | "refuse" | "pause" | "wait">, FunctionSketch> = {
    readSpecial: readSpecial(device),
    writeSpecial: writeSpecial(device),
    readHeld: readHeld(device, FN),
    observe: observe(FN),
    settle: settle(device, FN),
    isIdle: isIdle(FN),
    channelIsIdle: channelIsIdle(device, FN),
    isEvidence: isEvidence(),
    haveEnded: haveEnded(device),
    read32: read32(device),
    write32: write32(device),
    read64: read64(device),
    write64: write64(device),
    poll32: poll32(device),
    deviceLoad: { parameters: ["i32"], results: ["i32"], body: device.load32(get(0)) },
    deviceStore: { parameters: ["i32", "i32"], body: device.store32(get(0), get(1)) },
  };
  const { read32: r32, write32: w32, read64: r64, write64: w64, poll32: poll, deviceLoad, deviceStore } = FN;
  return assemble({
    name: GATE_MODULE_NAME,
    imports: [
      { module: "host", name: "deny", parameters: ["i32", "i32", "i32"] },
      { module: "host", name: "refuse", parameters: ["i32", "i32", "i32", "i32"] },
      { module: "host", name: "pause", parameters: ["i32", "i32"], results: ["i32"] },
      { module: "host", name: "wait", parameters: ["i32"] },
    ],
    memory: { pages: GATE_MEMORY_PAGES, shared: true, from: ["host", "memory"] },
    functions: Object.values(functions),
    exports: {
      ...{ read32: r32, write32: w32, read64: r64, write64: w64, poll32: poll },
      ...{ deviceLoad, deviceStore, isIdle: FN.isIdle },
    },
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
function locate(at: { window: number; offset: number; entry: number; address: number }, access: number, bytes: 4 | 8) {
  // What is not aligned is larger than any number of words that way round.
  const index = i32.rotr(get(at.offset), i32.const(Math.log2(bytes)));
  const words = i32.load(get(at.entry), WINDOW_ENTRY.words);
  const outside = i32.geU(index, bytes === 8 ? i32.shrU(words, i32.const(1)) : words);
  return [
    ...set(at.entry, entryOf(get(at.window))),
    ...when(i32.or(i32.xor(i32.load(get(at.entry), WINDOW_ENTRY.id), get(at.window)), outside), ...deny(at, access)),
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
  const { notReadable, held, wide, upper, watched } = ATTRIBUTE;
  return {
    parameters: ["i32", "i32"],
    results: ["i32"],
    locals: ["i32", "i32"],
    body: [
      ...locate(at, ACCESS.read32, 4),
      ...when(
        i32.and(attributesOf(get(at.address)), anyOf(notReadable, held, wide, upper, watched)),
        giveBack(call(FN.readSpecial, get(at.window), get(at.offset), get(at.address))),
      ),
      ...device.load32(get(at.address)),
    ],
  };
}

function write32(device: DeviceAccess): FunctionSketch {
  const at = { window: 0, offset: 1, entry: 3, address: 4 };
  const [value, attributes] = [2, 5];
  const { notWritable, held, start, wide, upper, watched } = ATTRIBUTE;
  return {
    parameters: ["i32", "i32", "i32"],
    locals: ["i32", "i32", "i32"],
    body: [
      ...locate(at, ACCESS.write32, 4),
      ...set(attributes, attributesOf(get(at.address))),
      ...when(
        i32.and(get(attributes), anyOf(notWritable, held, start, wide, upper, watched)),
        call(FN.writeSpecial, get(at.window), get(at.offset), get(at.address), get(value), get(attributes)),
        giveBack(),
      ),
      ...markWritten(get(at.entry)),
      ...device.store32(get(at.address), get(value)),
    ],
  };
}

/** What is held back reads as it was written; what shows the state of a channel is noted. */
function readSpecial(device: DeviceAccess): FunctionSketch {
  const [window, offset, address, value] = [0, 1, 2, 3];
  const { held, wide, upper, notReadable } = ATTRIBUTE;
  return {
    parameters: ["i32", "i32", "i32"],
    results: ["i32"],
    locals: ["i32"],
    body: [
      ...when(
        i32.and(attributesOf(get(address)), anyOf(wide, upper, notReadable)),
        ...deny({ window, offset }, ACCESS.read32),
      ),
      ...when(
        i32.and(attributesOf(get(address)), anyOf(held)),
        giveBack(call(FN.readHeld, programOf(get(window)), get(address))),
      ),
      ...set(value, device.load32(get(address))),
      ...call(FN.observe, programOf(get(window)), entryOf(get(window)), get(address), get(value)),
      ...get(value),
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
  starts: 7,
  several: 8,
  mask: 9,
  found: 10,
  grant: 11,
  low: 12,
  high: 13,
  from: 14,
  end: 15,
  length: 16,
  first: 17,
} as const;

function writeSpecial(device: DeviceAccess): FunctionSketch {
  const { window, offset, address, value, attributes, program, starts } = AT;
  const { notWritable, wide, upper, held, start, watched, dirty } = ATTRIBUTE;
  const refuse = (reason: number, transfer: Code): Code[] => [
    call(FN.refuse, get(window), get(offset), i32.const(reason), transfer),
    unreachable,
  ];
  const has = (...bits: number[]) => i32.and(get(attributes), anyOf(...bits));
  const noTransfer = i32.const(-1);
  const active = i32.and(word(program, PROGRAM.active), channelsAt(get(address)));
  const fresh = i32.and(word(program, PROGRAM.fresh), channelsAt(get(address)));
  return {
    parameters: ["i32", "i32", "i32", "i32", "i32"],
    locals: [...Array.from({ length: 9 }, () => "i32" as const), "i64", "i64", "i64", "i32"],
    body: [
      ...when(has(notWritable, wide, upper), ...deny({ window, offset }, ACCESS.write32)),
      ...set(program, programOf(get(window))),
      ...when(has(start, watched), when(i32.eqz(word(program, PROGRAM.owner)), ...refuse(REFUSAL.noTurn, noTransfer))),
      ...when(
        has(start, watched),
        when(fresh, when(i32.eqz(call(FN.settle, get(program), get(address))), ...refuse(REFUSAL.unseen, noTransfer))),
      ),
      ...when(
        has(held),
        when(
          active,
          when(
            i32.eqz(call(FN.isIdle, get(program), active)),
            when(fresh, ...refuse(REFUSAL.unseen, noTransfer)),
            ...refuse(REFUSAL.busy, noTransfer),
          ),
        ),
        i32.store(get(address), get(value), HELD_DISTANCE),
        i32.store8(i32.shrU(get(address), i32.const(2)), i32.or(get(attributes), i32.const(dirty)), ATTRIBUTES_OFFSET),
        when(i32.eqz(has(start)), giveBack()),
      ),
      ...when(has(start), ...startTransfers(device, AT, FN.isIdle, refuse)),
      // Of a board that looks, it shows what is written now until the board has put it back.
      ...when(has(watched), when(i32.eqz(get(starts)), setBits(program, PROGRAM.tainted, channelsAt(get(address))))),
      ...markWritten(entryOf(get(window))),
      ...device.store32(get(address), get(value)),
    ],
  };
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
      ...markWritten(get(at.entry)),
      ...device.store64(get(at.address), get(value)),
    ],
  };
}

function poll32(device: DeviceAccess): FunctionSketch {
  const at = { window: 0, offset: 1, entry: 5, address: 6 };
  const [mask, value, timeoutMs, round, spins, special, found] = [2, 3, 4, 7, 8, 9, 10];
  const { notReadable, held, wide, upper, watched } = ATTRIBUTE;
  return {
    parameters: ["i32", "i32", "i32", "i32", "i32"],
    results: ["i32"],
    locals: ["i32", "i32", "i32", "i32", "i32", "i32"],
    body: [
      ...locate(at, ACCESS.read32, 4),
      ...when(i32.and(attributesOf(get(at.address)), anyOf(notReadable, wide, upper)), ...deny(at, ACCESS.read32)),
      ...set(special, i32.and(attributesOf(get(at.address)), anyOf(held, watched))),
      ...loop(
        set(spins, i32.const(0)),
        loop(
          when(get(special), set(found, call(FN.readSpecial, get(at.window), get(at.offset), get(at.address)))),
          when(i32.eqz(get(special)), set(found, device.load32(get(at.address)))),
          when(i32.eq(i32.and(get(found), get(mask)), get(value)), giveBack(i32.const(0))),
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
