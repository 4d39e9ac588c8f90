import { BinaryReader } from "./binary-reader";

const HEADER_BYTES = 8;
const CODE_SECTION = 10;
/** A larger module is not looked through: its compilation takes so long that another one or two do not count. */
const MOST_BYTES = 2 ** 21;

const [BLOCK, LOOP, IF, END, BR_TABLE, SELECT_TYPED] = [0x02, 0x03, 0x04, 0x0b, 0x0e, 0x1c];
const [MEMORY_GROW, I64_CONST, F32_CONST, F64_CONST] = [0x40, 0x42, 0x43, 0x44];
const [MISCELLANEOUS, VECTOR] = [0xfc, 0xfd];
/** Of the miscellaneous ones those up to this only convert numbers. */
const LAST_CONVERSION = 7;
/** Vector instructions by their immediates; up to 0x113 the others have none. */
const [VECTOR_CONST, VECTOR_SHUFFLE, LAST_VECTOR] = [0x0c, 0x0d, 0x113];

/** How many numbers in LEB128 follow an opcode of one byte; -1: not known here. */
const IMMEDIATES = immediates([
  [0x00, 0x01, 0],
  [BLOCK, IF, 1],
  [0x05, 0x05, 0],
  [END, END, 0],
  [0x0c, 0x0d, 1],
  [0x0f, 0x0f, 0],
  [0x10, 0x10, 1],
  [0x11, 0x11, 2],
  [0x1a, 0x1b, 0],
  [0x20, 0x26, 1],
  [0x28, 0x3e, 2],
  [0x3f, I64_CONST, 1],
  [0x45, 0xc4, 0],
  [0xd0, 0xd0, 1],
  [0xd1, 0xd1, 0],
  [0xd2, 0xd2, 1],
]);

/**
 * Whether a module may have a loop with an instruction in it that can take long: one that fills, copies or grows a memory
 * or a table. Where this reader does not know an instruction, there may be one.
 *
 * Source: WebAssembly Core Specification 2.0, section 5.4.
 *
 * @param wasm need not be valid
 */
export function mayLoopRoundBulk(wasm: Uint8Array): boolean {
  if (wasm.length > MOST_BYTES) return true;
  const reader = new BinaryReader(wasm);
  reader.skip(HEADER_BYTES);
  try {
    while (!reader.done) {
      const id = reader.byte();
      const end = reader.unsigned() + reader.position;
      if (id === CODE_SECTION && reader.vector(() => functionLoopsRoundBulk(reader)).includes(true)) return true;
      reader.position = end;
    }
    return false;
  } catch {
    return true;
  }
}

function functionLoopsRoundBulk(reader: BinaryReader): boolean {
  const end = reader.unsigned() + reader.position;
  reader.each(() => {
    reader.unsigned();
    reader.byte();
  });
  /** Whether each open block is in a loop, or is one. */
  const inLoop: boolean[] = [];
  const isInLoop = () => inLoop[inLoop.length - 1] ?? false;
  let found = false;
  while (!found && reader.position < end) {
    const opcode = reader.byte();
    if (opcode === BLOCK || opcode === LOOP || opcode === IF) {
      inLoop.push(opcode === LOOP || isInLoop());
    } else if (opcode === END) inLoop.pop();
    found = skipImmediates(reader, opcode) && isInLoop();
  }
  reader.position = end;
  return found;
}

/** Skips what follows an opcode; true for an instruction that can take long. Throws for one that is not known. */
function skipImmediates(reader: BinaryReader, opcode: number): boolean {
  switch (opcode) {
    case F32_CONST:
      reader.skip(4);
      return false;
    case F64_CONST:
      reader.skip(8);
      return false;
    case BR_TABLE:
      reader.each(() => reader.unsigned());
      reader.unsigned();
      return false;
    case SELECT_TYPED:
      reader.each(() => reader.byte());
      return false;
    case MISCELLANEOUS:
      return skipMiscellaneous(reader);
    case VECTOR:
      skipVector(reader);
      return false;
  }
  const count = IMMEDIATES[opcode] ?? -1;
  if (count < 0) throw new Error(`unknown opcode ${opcode}`);
  for (let index = 0; index < count; index++) reader.unsigned();
  return opcode === MEMORY_GROW;
}

function skipMiscellaneous(reader: BinaryReader): boolean {
  const opcode = reader.unsigned();
  if (opcode <= LAST_CONVERSION) return false;
  const counts: Record<number, number> = { 8: 2, 9: 1, 10: 2, 11: 1, 12: 2, 13: 1, 14: 2, 15: 1, 16: 1, 17: 1 };
  const count = counts[opcode];
  if (count === undefined) throw new Error(`unknown opcode ${MISCELLANEOUS} ${opcode}`);
  for (let index = 0; index < count; index++) reader.unsigned();
  return true;
}

function skipVector(reader: BinaryReader): void {
  const opcode = reader.unsigned();
  if (opcode > LAST_VECTOR) throw new Error(`unknown opcode ${VECTOR} ${opcode}`);
  if (opcode === VECTOR_CONST || opcode === VECTOR_SHUFFLE) reader.skip(16);
  const hasLane = (opcode >= 0x15 && opcode <= 0x22) || (opcode >= 0x54 && opcode <= 0x5b);
  const hasAddress = opcode <= 0x0b || (opcode >= 0x54 && opcode <= 0x5d);
  if (hasAddress) {
    reader.unsigned();
    reader.unsigned();
  }
  if (hasLane) reader.byte();
}

function immediates(ranges: readonly (readonly [first: number, last: number, count: number])[]): Int8Array {
  const counts = new Int8Array(256).fill(-1);
  for (const [first, last, count] of ranges) counts.fill(count, first, last + 1);
  return counts;
}
