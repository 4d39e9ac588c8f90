import type { MemoryLimits } from "../../memory/linear-memory";
import { BinaryReader, unknown } from "./binary-reader";

/** A WebAssembly value type by the name that the text format gives it. */
export type ValueType = "i32" | "i64" | "f32" | "f64" | "v128" | "funcref" | "externref";

/** Parameters and results of a function. */
export interface Signature {
  readonly parameters: readonly ValueType[];
  readonly results: readonly ValueType[];
}

/** Something that a module asks its host for. */
export interface WasmImport {
  readonly module: string;
  readonly name: string;
  readonly type:
    | { readonly kind: "function"; readonly signature: Signature }
    | { readonly kind: "memory"; readonly limits: MemoryLimits; readonly shared: boolean; readonly wide: boolean }
    | { readonly kind: "table" | "global" | "tag" };
}

/** Limits of a table in entries. */
export interface TableLimits {
  readonly initial: number;
  /** Absent: as many as V8 allows. */
  readonly maximum?: number;
}

/** Something that a module offers. */
export interface WasmExport {
  readonly name: string;
  readonly kind: "function" | "table" | "memory" | "global" | "tag";
}

/** What the host needs to know of a module and Node 20 does not tell: import signatures, memory and table limits. */
export interface WasmInterface {
  readonly imports: readonly WasmImport[];
  /** Names of exported functions. */
  readonly functionExports: readonly string[];
  /** Everything that is exported, functions included. */
  readonly exports: readonly WasmExport[];
  /** Whether the module defines a memory of its own. */
  readonly definesMemory: boolean;
  /** The tables that the module defines. */
  readonly tables: readonly TableLimits[];
}

/** How many tables a module may define. */
export const MAX_TABLES = 16;

const HEADER = Buffer.from("0061736d01000000", "hex");
const SECTION = { custom: 0, type: 1, import: 2, table: 4, memory: 5, export: 7, data: 11 } as const;
const SOURCE_MAP_SECTION = "sourceMappingURL";
const FUNCTION_TYPE = 0x60;
const EXPORT_KINDS = ["function", "table", "memory", "global", "tag"] as const;
const END = 0x0b;
const FUNCREF = 0x70;
const EXTERNREF = 0x6f;
const VALUE_TYPES = new Map<number, ValueType>([
  [0x7f, "i32"],
  [0x7e, "i64"],
  [0x7d, "f32"],
  [0x7c, "f64"],
  [0x7b, "v128"],
  [FUNCREF, "funcref"],
  [EXTERNREF, "externref"],
]);

/** As the text format writes it: `(i32, i64) -> (i32)`. */
export function formatSignature({ parameters, results }: Signature): string {
  return `(${parameters.join(", ")}) -> (${results.join(", ")})`;
}

/**
 * Reads a module's imports, exports and memory limits. The module must have passed V8's validation.
 * Source: WebAssembly Core Specification 2.0, chapter 5, and the threads and memory64 proposals for limits.
 *
 * @throws AxiscriptError ERR_AXI_NOT_WASM for constructs that this reader does not know
 */
export function readInterface(bytes: Uint8Array): WasmInterface {
  const reader = new InterfaceReader(bytes);
  reader.skip(HEADER.length);
  const types: Signature[] = [];
  const tables: TableLimits[] = [];
  const imports: WasmImport[] = [];
  const exports: WasmExport[] = [];
  let definesMemory = false;
  while (!reader.done) {
    const id = reader.byte();
    const end = reader.unsigned() + reader.position;
    if (id === SECTION.type) reader.each(() => types.push(reader.functionType()));
    if (id === SECTION.import) reader.each(() => imports.push(reader.import(types)));
    if (id === SECTION.table) reader.each(() => tables.push(reader.table()));
    if (id === SECTION.memory) definesMemory = reader.unsigned() > 0;
    if (id === SECTION.export) reader.each(() => exports.push(reader.export()));
    reader.position = end;
  }
  const functionExports = exports.filter(({ kind }) => kind === "function").map(({ name }) => name);
  return { imports, functionExports, exports, definesMemory, tables };
}

/**
 * The bytes that a module brings for its memory, one piece a data segment. The module must have passed validation.
 *
 * @throws AxiscriptError ERR_AXI_NOT_WASM for constructs that this reader does not know
 */
export function readData(bytes: Uint8Array): Uint8Array[] {
  const reader = new InterfaceReader(bytes);
  reader.skip(HEADER.length);
  while (!reader.done) {
    const id = reader.byte();
    const end = reader.unsigned() + reader.position;
    if (id === SECTION.data) return reader.vector(() => reader.dataSegment());
    reader.position = end;
  }
  return [];
}

/**
 * A copy of a module that names `url` as its source map.
 *
 * @param url as in the section `sourceMappingURL`; below 128 bytes is usual, any length will do
 */
export function withSourceMapUrl(bytes: Uint8Array, url: string): Uint8Array {
  const reader = new BinaryReader(bytes);
  reader.skip(HEADER.length);
  const kept = [bytes.subarray(0, HEADER.length)];
  while (!reader.done) {
    const start = reader.position;
    const id = reader.byte();
    const end = reader.unsigned() + reader.position;
    if (id !== SECTION.custom || reader.text() !== SOURCE_MAP_SECTION) kept.push(bytes.subarray(start, end));
    reader.position = end;
  }
  const content = Buffer.concat([lengthPrefixed(SOURCE_MAP_SECTION), lengthPrefixed(url)]);
  return Buffer.concat([...kept, Buffer.of(SECTION.custom), lengthPrefixed(content)]);
}

/** The source map that a module names, if it names one. The module must have passed validation. */
export function sourceMapUrl(bytes: Uint8Array): string | undefined {
  const reader = new BinaryReader(bytes);
  reader.skip(HEADER.length);
  while (!reader.done) {
    const id = reader.byte();
    const end = reader.unsigned() + reader.position;
    if (id === SECTION.custom && reader.text() === SOURCE_MAP_SECTION) return reader.text();
    reader.position = end;
  }
  return undefined;
}

/**
 * A copy of a module whose tables cannot grow beyond `most` entries: one that may gets a lower maximum, or the one that it
 * lacks. More than {@link MAX_TABLES}, and bytes that this reader cannot follow, are given back as they are.
 *
 * @returns the module, and by how many bytes what follows the tables has moved
 */
export function withBoundedTables(bytes: Uint8Array, most: number): { wasm: Uint8Array; shiftBytes: number } {
  try {
    const reader = new InterfaceReader(bytes);
    reader.skip(HEADER.length);
    while (!reader.done) {
      const start = reader.position;
      const id = reader.byte();
      const content = reader.unsigned() + reader.position;
      if (id === SECTION.table) {
        const count = reader.unsigned();
        if (count > MAX_TABLES) break;
        const tables = Array.from({ length: count }, () => reader.boundedTable(most));
        const section = lengthPrefixed(Buffer.concat([unsigned(tables.length), ...tables]));
        const wasm = Buffer.concat([bytes.subarray(0, start), Buffer.of(id), section, bytes.subarray(content)]);
        return { wasm, shiftBytes: wasm.length - bytes.length };
      }
      reader.position = content;
    }
  } catch {
    // V8 says what is wrong with it.
  }
  return { wasm: bytes, shiftBytes: 0 };
}

function lengthPrefixed(content: string | Uint8Array): Buffer {
  const bytes = Buffer.from(content);
  return Buffer.concat([unsigned(bytes.length), bytes]);
}

/** LEB128 of a number of up to 32 bits. */
function unsigned(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 0x80; rest >>>= 7) bytes.push((rest & 0x7f) | 0x80);
  return Buffer.of(...bytes, rest);
}

class InterfaceReader extends BinaryReader {
  functionType(): Signature {
    const form = this.byte();
    if (form !== FUNCTION_TYPE) throw unknown(`type form 0x${form.toString(16)}`);
    return { parameters: this.vector(() => this.#valueType()), results: this.vector(() => this.#valueType()) };
  }

  import(types: readonly Signature[]): WasmImport {
    const module = this.text();
    const name = this.text();
    return { module, name, type: this.#importType(types) };
  }

  export(): WasmExport {
    const name = this.text();
    const index = this.byte();
    const kind = EXPORT_KINDS[index];
    if (!kind) throw unknown(`export kind ${index}`);
    this.unsigned();
    return { name, kind };
  }

  table(): TableLimits {
    this.#referenceType();
    const { limits, shared, wide } = this.#limits();
    if (shared || wide) throw unknown("a table that is shared or has 64-bit indices");
    return limits;
  }

  /** The bytes of a table with a maximum of at most `most`, or of its initial size if that is more. */
  boundedTable(most: number): Buffer {
    const type = this.#referenceType();
    const { limits, shared, wide } = this.#limits();
    if (shared || wide || limits.initial >= 2 ** 32) throw unknown("a table of another kind");
    const maximum = Math.max(Math.min(limits.maximum ?? most, most), limits.initial);
    return Buffer.concat([Buffer.of(type, 1), unsigned(limits.initial), unsigned(maximum)]);
  }

  #referenceType(): number {
    const type = this.byte();
    if (type !== FUNCREF && type !== EXTERNREF) throw unknown(`a table of type 0x${type.toString(16)}`);
    return type;
  }

  dataSegment(): Uint8Array {
    const mode = this.unsigned();
    if (mode === 2) this.unsigned();
    if (mode !== 1) this.#skipConstant();
    return this.bytes(this.unsigned());
  }

  /** An expression whose instructions all are an opcode and at most one number, as those for offsets are. */
  #skipConstant(): void {
    for (let opcode = this.byte(); opcode !== END; opcode = this.byte()) {
      // i32.const, i64.const, global.get; i32.add to i64.mul have no number.
      if ([0x41, 0x42, 0x23].includes(opcode)) this.unsigned();
      else if (![0x6a, 0x6b, 0x6c, 0x7c, 0x7d, 0x7e].includes(opcode))
        throw unknown(`opcode 0x${opcode.toString(16)} in an offset`);
    }
  }

  #importType(types: readonly Signature[]): WasmImport["type"] {
    const kind = this.byte();
    switch (kind) {
      case 0: {
        const signature = types[this.unsigned()];
        if (!signature) throw unknown("a function type that is not declared");
        return { kind: "function", signature };
      }
      case 1:
        this.byte();
        this.#limits();
        return { kind: "table" };
      case 2:
        return { kind: "memory", ...this.#limits() };
      case 3:
        this.skip(2);
        return { kind: "global" };
      case 4:
        this.skip(1);
        this.unsigned();
        return { kind: "tag" };
      default:
        throw unknown(`import kind ${kind}`);
    }
  }

  #limits(): { limits: MemoryLimits; shared: boolean; wide: boolean } {
    const flags = this.byte();
    const initial = this.unsigned();
    const limits = flags & 1 ? { initial, maximum: this.unsigned() } : { initial };
    return { limits, shared: (flags & 2) !== 0, wide: (flags & 4) !== 0 };
  }

  #valueType(): ValueType {
    const byte = this.byte();
    const type = VALUE_TYPES.get(byte);
    if (!type) throw unknown(`value type 0x${byte.toString(16)}`);
    return type;
  }
}
