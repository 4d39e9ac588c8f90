/** The part of the WebAssembly JavaScript interface that the host uses; otherwise declared only in TypeScript's DOM. */
declare namespace WebAssembly {
  type ImportValue = ((...args: never[]) => unknown) | Memory;
  type Imports = Record<string, Record<string, ImportValue>>;
  type ExportValue = ((...args: (number | bigint)[]) => number | bigint | undefined) | Memory | object;

  function validate(bytes: Uint8Array): boolean;

  class Memory {
    constructor(descriptor: { initial: number; maximum?: number; shared?: boolean });
    readonly buffer: ArrayBufferLike;
    grow(pages: number): number;
  }
  class Module {
    constructor(bytes: Uint8Array);
    static imports(module: Module): { module: string; name: string }[];
    static customSections(module: Module, name: string): ArrayBuffer[];
  }
  function compile(bytes: Uint8Array): Promise<Module>;
  class Instance {
    constructor(module: Module, imports: Imports);
    readonly exports: Record<string, ExportValue>;
  }
  class CompileError extends Error {}
  class RuntimeError extends Error {}
}
