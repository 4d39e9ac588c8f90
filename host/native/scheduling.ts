import koffi from "koffi";
import { SystemCallError } from "./libc";

/**
 * How the kernel shares the processors out. Loaded by a board's thread alone.
 *
 * Sources: sched_setattr(2), and the header `linux/sched/types.h`.
 */
const libc = koffi.load(null);

const SYS_SCHED_SETATTR = process.arch === "arm64" ? 274 : 314;
const SYS_SCHED_GETATTR = process.arch === "arm64" ? 275 : 315;
/** SCHED_ATTR_SIZE_VER0; the size comes first, in 32 bits. */
const ATTRIBUTES_BYTES = 48;
/** `sched_runtime`: nanoseconds, in 64 bits. */
const RUNTIME_OFFSET = 24;

const rawGetAttributes: (
  number: number,
  thread: number,
  attributes: Uint8Array,
  size: number,
  flags: number,
) => number = libc.func("syscall", "long", ["long", "long", "void *", "long", "long"]);
const rawSetAttributes: (number: number, thread: number, attributes: Uint8Array, flags: number) => number = libc.func(
  "syscall",
  "long",
  ["long", "long", "void *", "long"],
);

/**
 * How long a thread of the ordinary kind runs at a time while others wait, in nanoseconds. Kernels before 6.12 say 0.
 *
 * @param thread its number; 0: the caller
 * @throws SystemCallError ESRCH if there is no such thread
 */
export function timeSliceOf(thread: number): bigint {
  return attributesOf(thread).readBigUInt64LE(RUNTIME_OFFSET);
}

/**
 * Has the calling thread take its turn sooner, in return for shorter ones. Anybody may ask for that. Linux 6.12 and later
 * heed it for threads of the ordinary kind (`kernel/sched/fair.c`: the shorter the slice, the nearer is the deadline, and
 * who wakes up with a shorter one may go before who runs); earlier ones do not.
 *
 * @param nanoseconds the kernel takes 0.1 to 100 ms
 * @throws SystemCallError EPERM where a sandbox forbids it
 */
export function takeTimeSlices(nanoseconds: bigint): void {
  const attributes = attributesOf(0);
  attributes.writeBigUInt64LE(nanoseconds, RUNTIME_OFFSET);
  if (rawSetAttributes(SYS_SCHED_SETATTR, 0, attributes, 0) === -1) {
    throw new SystemCallError("sched_setattr", koffi.errno());
  }
}

function attributesOf(thread: number): Buffer {
  const attributes = Buffer.alloc(ATTRIBUTES_BYTES);
  if (rawGetAttributes(SYS_SCHED_GETATTR, thread, attributes, ATTRIBUTES_BYTES, 0) === -1) {
    throw new SystemCallError("sched_getattr", koffi.errno());
  }
  return attributes;
}
