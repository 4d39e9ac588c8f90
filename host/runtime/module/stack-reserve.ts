/*
 * A function that does nothing, with a stack frame of 95 KiB, which V8 refuses to enter where there is less left:
 *
 *   (module
 *     (import "host" "nothing" (func $nothing))
 *     (import "host" "values" (func $values (result v128 × 60)))
 *     (import "host" "take" (func $take (param v128 × 60)))
 *     (func (export "reserve") (param i32)
 *       call $nothing              ;; so that the frame is made at the entry, not in a branch
 *       (if (i32.eqz (local.get 0)) (then return))
 *       call $values × 101          ;; never: but if it were, 6060 values of 16 bytes would wait in the frame
 *       call $take × 101))
 *
 * It returns early: V8 counts the code up to there as the function's work when it looks for what is worth optimising.
 * What it calls are JavaScript functions, which V8 knows nothing of: functions of the module itself it inlines, and then
 * neither the values nor the frame are left. V8 refuses JavaScript a v128, and does so when such a function is called.
 */
const VALUES = 60;
const CALLS = 101;
const [VALUES_TYPE, TAKE_TYPE, RESERVE_TYPE, NOTHING_TYPE] = ["00", "01", "02", "03"] as const;

const types = `0460003c${"7b".repeat(VALUES)}603c${"7b".repeat(VALUES)}0060017f00600000`;
const imports = `03${imported("nothing", NOTHING_TYPE)}${imported("values", VALUES_TYPE)}${imported("take", TAKE_TYPE)}`;
const body = `00100020004504400f0b${"1001".repeat(CALLS)}${"1002".repeat(CALLS)}0b`;
const MODULE =
  `0061736d0100000001${sized(types)}02${sized(imports)}030201${RESERVE_TYPE}` +
  `07${sized(`01${text("reserve")}0003`)}0a${sized(`01${sized(body)}`)}`;

type Reserve = (never: 0) => void;
let reserve: Reserve | undefined;

/** Whether something was thrown since the stack is exhausted. */
export function isStackOverflow(thrown: unknown): boolean {
  return thrown instanceof RangeError && thrown.message.includes("call stack");
}

/**
 * Throws a RangeError, as V8 itself does when the stack is exhausted, unless the host has room on it for what it does: a
 * script may call it from as deep as it likes, and a host function that ran out of stack halfway would lose what it holds.
 * V8 itself ends the process if it runs out of stack while it compiles a regular expression. The most that was seen to be
 * needed is 32 KiB, where modules are loaded on the way.
 */
export function reserveStack(): void {
  reserve ??= makeReserve();
  reserve(0);
}

function makeReserve(): Reserve {
  const module = new WebAssembly.Module(Buffer.from(MODULE, "hex"));
  const nothing = () => {};
  const host = { nothing, values: nothing, take: nothing };
  return new WebAssembly.Instance(module, { host }).exports["reserve"] as Reserve;
}

/** Bytes in hexadecimal behind their number, in LEB128 of two bytes at most. */
function sized(hex: string): string {
  const count = hex.length / 2;
  const bytes = count < 0x80 ? [count] : [(count & 0x7f) | 0x80, count >> 7];
  return Buffer.from(bytes).toString("hex") + hex;
}

/** The entry of a function that is imported. */
function imported(name: string, type: string): string {
  return `${text("host")}${text(name)}00${type}`;
}

function text(value: string): string {
  return sized(Buffer.from(value).toString("hex"));
}
