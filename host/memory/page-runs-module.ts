/**
 * A WebAssembly module that finds runs of page frames, assembled by hand: V8 compiles 64-bit comparisons in it to what a
 * C compiler makes of them, from the first call on, where JavaScript has to take every entry in halves.
 *
 * ```
 *   append(count, page):                                   page: number of the first entry's page
 *     from = ENTRIES_OFFSET; end = from + count * 8; out = RUNS_OFFSET; next = [NEXT_OFFSET]
 *     until from == end:
 *       entry = [from] & (PRESENT | FRAME)
 *       if (entry != next):
 *         if (entry <=u PRESENT) break                     not present, or present without a number
 *         [out] = page; [out + 4] = entry & FRAME; out += 12
 *       next = entry + 1; page += 1; from += 8
 *     [NEXT_OFFSET] = next; [PAGE_OFFSET] = page
 *     return out
 * ```
 *
 * A frame of all ones has no next one: the sum leaves the field, and equals no entry.
 */

/** Memory: where the entry that would continue the last run is kept. */
export const NEXT_OFFSET = 0;
/** Memory: where the number of the page that was not appended any more is left. */
export const PAGE_OFFSET = 8;
/** Memory: where the pagemap's entries are put. */
export const ENTRIES_OFFSET = 64;
/** The most entries of a call: 64 KiB, which stays in the processor's cache until it is decoded. */
export const CHUNK_ENTRIES = 8192;
const ENTRY_BYTES = 8;
/** Memory: where the runs are left. */
export const RUNS_OFFSET = ENTRIES_OFFSET + CHUNK_ENTRIES * ENTRY_BYTES;
/** Size of a run: its first page in 32 bits, the frame of that page in 64. */
export const RUN_BYTES = 12;
/** For the beginning, at NEXT_OFFSET: what no entry equals. */
export const NO_RUN = 1n << 55n;

/** Of a pagemap entry: bit 63, present; bits 54:0, page frame number. */
const PRESENT = 1n << 63n;
const FRAME = (1n << 55n) - 1n;

const MEMORY_PAGES = Math.ceil((RUNS_OFFSET + CHUNK_ENTRIES * RUN_BYTES) / 65536);

const [I32, I64, EMPTY_BLOCK, FUNCTION] = [0x7f, 0x7e, 0x40, 0x60];
const [BLOCK, LOOP, IF, END, BR, BR_IF] = [0x02, 0x03, 0x04, 0x0b, 0x0c, 0x0d];
const [LOCAL_GET, LOCAL_SET, LOCAL_TEE] = [0x20, 0x21, 0x22];
const [I32_CONST, I64_CONST, I32_EQ, I64_NE, I64_LE_U] = [0x41, 0x42, 0x46, 0x52, 0x58];
const [I32_ADD, I32_SHL, I64_ADD, I64_AND] = [0x6a, 0x74, 0x7c, 0x83];
/** Loads and stores: opcode and alignment as a power of two; the offset follows. */
const I64_LOAD = [0x29, 3];
const I32_STORE = [0x36, 2];
const I64_STORE = [0x37, 3];
const I64_STORE_HALF_ALIGNED = [0x37, 2];

/** Builds the module. Exports: `append`, as above, and `memory`. */
export function pageRunsModule(): Uint8Array {
  return new Uint8Array([
    ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, [FUNCTION, 2, I32, I32, 1, I32]),
    ...section(3, [0]),
    ...section(5, [1, MEMORY_PAGES, MEMORY_PAGES]),
    ...section(7, [...name("append"), 0, 0], [...name("memory"), 2, 0]),
    ...section(10, sized([2, 3, I32, 2, I64, ...appendBody(), END])),
  ]);
}

function appendBody(): number[] {
  const [count, page, from, end, out, next, entry] = [0, 1, 2, 3, 4, 5, 6];
  return [
    ...[...i32(ENTRIES_OFFSET), LOCAL_TEE, from, LOCAL_GET, count, ...i32(3), I32_SHL, I32_ADD, LOCAL_SET, end],
    ...[...i32(RUNS_OFFSET), LOCAL_SET, out],
    ...[...i32(NEXT_OFFSET), ...I64_LOAD, 0, LOCAL_SET, next],
    ...[BLOCK, EMPTY_BLOCK, LOOP, EMPTY_BLOCK],
    ...[LOCAL_GET, from, LOCAL_GET, end, I32_EQ, BR_IF, 1],
    ...[LOCAL_GET, from, ...I64_LOAD, 0, ...i64(PRESENT | FRAME), I64_AND, LOCAL_TEE, entry],
    ...[LOCAL_GET, next, I64_NE, IF, EMPTY_BLOCK],
    ...[LOCAL_GET, entry, ...i64(PRESENT), I64_LE_U, BR_IF, 2],
    ...[LOCAL_GET, out, LOCAL_GET, page, ...I32_STORE, 0],
    ...[LOCAL_GET, out, LOCAL_GET, entry, ...i64(FRAME), I64_AND, ...I64_STORE_HALF_ALIGNED, 4],
    ...[LOCAL_GET, out, ...i32(RUN_BYTES), I32_ADD, LOCAL_SET, out, END],
    ...[LOCAL_GET, entry, ...i64(1n), I64_ADD, LOCAL_SET, next],
    ...[LOCAL_GET, page, ...i32(1), I32_ADD, LOCAL_SET, page],
    ...[LOCAL_GET, from, ...i32(ENTRY_BYTES), I32_ADD, LOCAL_SET, from],
    ...[BR, 0, END, END],
    ...[...i32(NEXT_OFFSET), LOCAL_GET, next, ...I64_STORE, 0],
    ...[...i32(PAGE_OFFSET), LOCAL_GET, page, ...I32_STORE, 0],
    ...[LOCAL_GET, out],
  ];
}

function section(id: number, ...entries: number[][]): number[] {
  return [id, ...sized([entries.length, ...entries.flat()])];
}

/** Bytes after their number. */
function sized(bytes: number[]): number[] {
  return bytes.length < 0x80 ? [bytes.length, ...bytes] : [(bytes.length & 0x7f) | 0x80, bytes.length >>> 7, ...bytes];
}

function name(text: string): number[] {
  return sized([...Buffer.from(text)]);
}

function i32(value: number): number[] {
  return [I32_CONST, ...signed(BigInt(value))];
}

function i64(value: bigint): number[] {
  return [I64_CONST, ...signed(BigInt.asIntN(64, value))];
}

/** LEB128 of a signed number. */
function signed(value: bigint): number[] {
  if (value >= -64n && value < 64n) return [Number(BigInt.asUintN(7, value))];
  return [Number(BigInt.asUintN(7, value)) | 0x80, ...signed(value >> 7n)];
}
