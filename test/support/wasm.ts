/** Assembles small modules for tests, where a compiler would hide what is being tested. */

const TYPE = { i32: 0x7f, i64: 0x7e, f32: 0x7d, f64: 0x7c } as const;
type TypeName = keyof typeof TYPE;

export interface ModuleSketch {
  /** Function imports. */
  readonly imports?: readonly { module: string; name: string; parameters?: TypeName[]; results?: TypeName[] }[];
  /** Limits of `env.memory`. */
  readonly importMemory?: readonly [initial: number, maximum?: number];
  readonly ownMemory?: boolean;
  /** Limits of tables of funcref that the module defines. */
  readonly tables?: readonly (readonly [initial: number, maximum?: number])[];
  /** Body of `_start`, without `end`; absent: no `_start`. */
  readonly start?: readonly number[];
}

/** A valid module. */
export function assemble({ imports = [], importMemory, ownMemory, tables = [], start }: ModuleSketch): Uint8Array {
  const types = [
    [0x60, 0, 0],
    ...imports.map(({ parameters = [], results = [] }) => functionType(parameters, results)),
  ];
  const importEntries = imports.map(({ module, name }, index) => [...text(module), ...text(name), 0, index + 1]);
  if (importMemory) importEntries.push([...text("env"), ...text("memory"), 2, ...limits(importMemory)]);
  const body = start ? [0, ...start, 0x0b] : [];
  return new Uint8Array([
    ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, types),
    ...section(2, importEntries),
    ...(start ? section(3, [[0]]) : []),
    ...section(
      4,
      tables.map((bounds) => [0x70, ...limits(bounds)]),
    ),
    ...(ownMemory ? section(5, [[0, 1]]) : []),
    ...(start ? section(7, [[...text("_start"), 0, imports.length]]) : []),
    ...(start ? section(10, [[...leb(body.length), ...body]]) : []),
  ]);
}

function functionType(parameters: readonly TypeName[], results: readonly TypeName[]): number[] {
  const names = (types: readonly TypeName[]) => [types.length, ...types.map((type) => TYPE[type])];
  return [0x60, ...names(parameters), ...names(results)];
}

function limits([initial, maximum]: readonly [number, number?]): number[] {
  return maximum === undefined ? [0, ...leb(initial)] : [1, ...leb(initial), ...leb(maximum)];
}

function section(id: number, entries: number[][]): number[] {
  if (entries.length === 0) return [];
  const content = [...leb(entries.length), ...entries.flat()];
  return [id, ...leb(content.length), ...content];
}

function text(value: string): number[] {
  const bytes = [...Buffer.from(value)];
  return [...leb(bytes.length), ...bytes];
}

function leb(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...leb(value >>> 7)];
}
