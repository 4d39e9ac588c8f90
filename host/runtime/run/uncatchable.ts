import type { AxiscriptError } from "../../util/errors";

/** `(module (func (export "trap") unreachable))` */
const TRAP_MODULE = "0061736d0100000001040160000003020100070801047472617000000a05010300000b";

const reasons = new WeakMap<object, unknown>();
let trap: (() => never) | undefined;

/**
 * Ends a script from within a function that it called, so that it cannot go on.
 *
 * What a host function throws otherwise, a script can catch (`catch_all` of WebAssembly's exceptions). A trap it cannot.
 */
export function endScript(reason: AxiscriptError): never {
  throw uncatchable(reason);
}

/** Something to throw that a script cannot catch, for a reason; the reason itself if that is such a thing already. */
export function uncatchable(reason: unknown): unknown {
  if (reasonOf(reason) !== reason) return reason;
  trap ??= makeTrap();
  try {
    return trap();
  } catch (thrown) {
    // A trap of our own, or an exhausted stack: an Error in any case.
    reasons.set(thrown as Error, reason);
    return thrown;
  }
}

/** What {@link endScript} or {@link uncatchable} was called with, if that is what ended the script. */
export function reasonOf(thrown: unknown): unknown {
  const isObject = typeof thrown === "object" && thrown !== null;
  return isObject && reasons.has(thrown) ? reasons.get(thrown) : thrown;
}

function makeTrap(): () => never {
  const module = new WebAssembly.Module(Buffer.from(TRAP_MODULE, "hex"));
  return new WebAssembly.Instance(module, {}).exports["trap"] as () => never;
}
