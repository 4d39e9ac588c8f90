import type { LinearMemory } from "../../memory/linear-memory";

const IOVEC_BYTES = 8;
/** More vectors than any library passes; a count beyond is a mistake of the script's. */
const MAX_IOVECS = 1024;
const ERRNO_INVAL = 28;

/** Bytes moved, and 0 or an errno of WASI. */
export interface Transfer {
  readonly count: number;
  readonly errno: number;
}

/** Moves bytes for each vector of a script until one is not filled, and stores how many there were. Gives an errno. */
export function transferVectors(
  memory: LinearMemory,
  { iovs, count, result }: { readonly iovs: number; readonly count: number; readonly result: number },
  each: (bytes: Uint8Array, before: number) => Transfer,
): number {
  if (count >>> 0 > MAX_IOVECS) return ERRNO_INVAL;
  const vectors = Buffer.from(memory.view(iovs, count * IOVEC_BYTES));
  let total = 0;
  for (let i = 0; i < count; i++) {
    const bytes = memory.view(vectors.readUInt32LE(i * IOVEC_BYTES), vectors.readUInt32LE(i * IOVEC_BYTES + 4));
    const { count: moved, errno } = each(bytes, total);
    if (errno !== 0) return errno;
    total += moved;
    if (moved < bytes.length) break;
  }
  storeU32(memory, result, total);
  return 0;
}

/** Stores a number of 32 bits in the script's memory. */
export function storeU32(memory: LinearMemory, guestPtr: number, value: number): void {
  dataView(memory, guestPtr, 4).setUint32(0, value, true);
}

/** A view of the script's memory to store numbers in. */
export function dataView(memory: LinearMemory, guestPtr: number, lengthBytes: number): DataView {
  const bytes = memory.view(guestPtr, lengthBytes);
  return new DataView(bytes.buffer, bytes.byteOffset, lengthBytes);
}
