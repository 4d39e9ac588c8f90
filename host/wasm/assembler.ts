/**
 * A small assembler for WebAssembly modules that are written by hand: expressions are calls, operands are arguments, and
 * the result is the binary format. Source: WebAssembly Core Specification 2.0, chapter 5, and the threads proposal.
 *
 * @example
 * // Doubles a number.
 * const double: FunctionSketch = { parameters: ["i32"], results: ["i32"], body: i32.shl(get(0), i32.const(1)) };
 * new WebAssembly.Module(assemble({ functions: [double], exports: { double: 0 } }));
 */

/** Instructions in the binary format, in the order of the bytes; nested, since copying them at each level takes long. */
export type Code = readonly (number | Code)[];

const TYPES = { i32: 0x7f, i64: 0x7e } as const;
/** A value type. Fewer than 128 locals, functions and levels of blocks are assumed: one byte each. */
export type TypeName = keyof typeof TYPES;

/** Parameters and results. */
export interface TypeSketch {
  readonly parameters?: readonly TypeName[];
  readonly results?: readonly TypeName[];
}

/** A function; its locals are numbered after its parameters. */
export interface FunctionSketch extends TypeSketch {
  readonly locals?: readonly TypeName[];
  readonly body: Code;
}

/** A module with at most one memory. Functions are numbered from the imports on. */
export interface ModuleSketch {
  /** V8 shows it in the URL of stack frames. */
  readonly name?: string;
  readonly imports?: readonly (TypeSketch & { readonly module: string; readonly name: string })[];
  /** Its size in pages of 64 KiB, which it keeps; imported, if `from` says from where, else exported as `memory`. */
  readonly memory?: {
    readonly pages: number;
    readonly shared?: boolean;
    readonly from?: readonly [module: string, name: string];
  };
  readonly functions: readonly FunctionSketch[];
  /** Names of functions, by their number. */
  readonly exports: Readonly<Record<string, number>>;
}

const HAS_MAXIMUM = 1;
const SHARED = 2;
const EMPTY_BLOCK = 0x40;
const END = 0x0b;

export const get = (local: number): Code => [0x20, local];
export const set = (local: number, value: Code): Code => [value, 0x21, local];
export const tee = (local: number, value: Code): Code => [value, 0x22, local];
export const call = (target: number, ...operands: Code[]): Code => [operands, 0x10, target];
export const block = (...body: Code[]): Code => [0x02, EMPTY_BLOCK, body, END];
export const loop = (...body: Code[]): Code => [0x03, EMPTY_BLOCK, body, END];
export const when = (condition: Code, ...body: Code[]): Code => [condition, 0x04, EMPTY_BLOCK, body, END];
/** Leaves, or repeats, the block that is `depth` levels out. */
export const branch = (depth: number): Code => [0x0c, depth];
export const branchIf = (depth: number, condition: Code): Code => [condition, 0x0d, depth];
export const giveBack = (...value: Code[]): Code => [value, 0x0f];
export const unreachable: Code = [0x00];

const binary =
  (opcode: number) =>
  (a: Code, b: Code): Code => [a, b, opcode];
const unary =
  (opcode: number) =>
  (a: Code): Code => [a, opcode];
/** `alignment` as a power of two. */
const load =
  (opcode: Code, alignment: number) =>
  (address: Code, offset = 0): Code => [address, opcode, alignment, unsigned(offset)];
const store =
  (opcode: Code, alignment: number) =>
  (address: Code, value: Code, offset = 0): Code => [address, value, opcode, alignment, unsigned(offset)];

export const i32 = {
  const: (value: number): Code => [0x41, signed(value)],
  /** The first value if the condition is not 0, else the second. */
  select: (ifTrue: Code, ifFalse: Code, condition: Code): Code => [ifTrue, ifFalse, condition, 0x1b],
  eqz: unary(0x45),
  eq: binary(0x46),
  ne: binary(0x47),
  ltU: binary(0x49),
  leU: binary(0x4d),
  geU: binary(0x4f),
  add: binary(0x6a),
  sub: binary(0x6b),
  and: binary(0x71),
  or: binary(0x72),
  xor: binary(0x73),
  shl: binary(0x74),
  shrU: binary(0x76),
  rotr: binary(0x78),
  load: load([0x28], 2),
  load8U: load([0x2d], 0),
  store: store([0x36], 2),
  store8: store([0x3a], 0),
  atomicLoad: load([0xfe, 0x10], 2),
  atomicStore: store([0xfe, 0x17], 2),
} as const;

export const i64 = {
  const: (value: bigint): Code => [0x42, signedLong(BigInt.asIntN(64, value))],
  eqz: unary(0x50),
  eq: binary(0x51),
  ne: binary(0x52),
  ltU: binary(0x54),
  leU: binary(0x58),
  geU: binary(0x5a),
  extendU: unary(0xad),
  add: binary(0x7c),
  sub: binary(0x7d),
  mul: binary(0x7e),
  and: binary(0x83),
  or: binary(0x84),
  xor: binary(0x85),
  shl: binary(0x86),
  shrU: binary(0x88),
  load: load([0x29], 3),
  store: store([0x37], 3),
  /** As {@link i64.store}, to an address that is a multiple of 4. */
  storeHalfAligned: store([0x37], 2),
  atomicLoad: load([0xfe, 0x11], 3),
  atomicStore: store([0xfe, 0x18], 3),
} as const;

/** The module in the binary format. */
export function assemble({ name, imports = [], memory, functions, exports }: ModuleSketch): Uint8Array {
  const types = [...imports, ...functions].map(functionType);
  const limits = memory && [
    memory.shared ? HAS_MAXIMUM | SHARED : HAS_MAXIMUM,
    ...unsigned(memory.pages),
    ...unsigned(memory.pages),
  ];
  const exported = Object.entries(exports).map(([key, index]) => [...text(key), 0, ...unsigned(index)]);
  return new Uint8Array([
    ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00],
    ...section(1, types),
    ...section(2, [
      ...imports.map((entry, index) => [...text(entry.module), ...text(entry.name), 0, ...unsigned(index)]),
      ...(limits && memory.from ? [[...text(memory.from[0]), ...text(memory.from[1]), 2, ...limits]] : []),
    ]),
    ...section(
      3,
      functions.map((_, index) => unsigned(imports.length + index)),
    ),
    ...section(5, limits && !memory.from ? [limits] : []),
    ...section(7, [...exported, ...(limits && !memory.from ? [[...text("memory"), 2, 0]] : [])]),
    ...section(10, functions.map(functionBody)),
    ...(name === undefined ? [] : nameSection(name)),
  ]);
}

function functionType({ parameters = [], results = [] }: TypeSketch): number[] {
  const types = (names: readonly TypeName[]) => vector(names.map((type) => [TYPES[type]]));
  return [0x60, ...types(parameters), ...types(results)];
}

function functionBody({ locals = [], body }: FunctionSketch): number[] {
  const bytes = [...vector(locals.map((type) => [1, TYPES[type]])), ...flattened(body), END];
  return [...unsigned(bytes.length), ...bytes];
}

function section(id: number, entries: readonly (readonly number[])[]): number[] {
  if (entries.length === 0) return [];
  const bytes = vector(entries);
  return [id, ...unsigned(bytes.length), ...bytes];
}

function nameSection(moduleName: string): number[] {
  const bytes = [...text("name"), 0, ...unsigned(text(moduleName).length), ...text(moduleName)];
  return [0, ...unsigned(bytes.length), ...bytes];
}

function vector(entries: readonly (readonly number[])[]): number[] {
  return [...unsigned(entries.length), ...entries.flat()];
}

function text(value: string): number[] {
  const bytes = [...Buffer.from(value, "utf8")];
  return [...unsigned(bytes.length), ...bytes];
}

/** LEB128 of a number that is not negative. */
function unsigned(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...unsigned(value >>> 7)];
}

/** LEB128 of a signed number of 32 bits. */
function signed(value: number): number[] {
  const word = value | 0;
  return word >= -64 && word < 64 ? [word & 0x7f] : [(word & 0x7f) | 0x80, ...signed(word >> 7)];
}

/** LEB128 of a signed number of 64 bits. */
function signedLong(value: bigint): number[] {
  if (value >= -64n && value < 64n) return [Number(BigInt.asUintN(7, value))];
  return [Number(BigInt.asUintN(7, value)) | 0x80, ...signedLong(value >> 7n)];
}

function flattened(code: Code, bytes: number[] = []): number[] {
  for (const part of code) {
    if (typeof part === "number") bytes.push(part);
    else flattened(part, bytes);
  }
  return bytes;
}
