/** The parts of asc's and binaryen's interfaces that {@link KeepSourcePositions} uses (asc 0.28.20, pinned). */
interface Binaryen {
  setPassArgument(name: string, value: string): void;
  clearPassArguments(): void;
}
interface BinaryenModule {
  runPasses(passes: string[]): void;
  getFunction(name: string): number;
  setDebugLocation(functionRef: number, expressionRef: number, file: number, line: number, column: number): void;
}
interface AscRange {
  readonly start: number;
  readonly source: AscSource;
}
interface AscSource {
  readonly normalizedPath: string;
  readonly debugInfoIndex: number;
  lineAt(position: number): number;
  /** Of the position that `lineAt` was asked for last; the first is 1. */
  columnAt(): number;
}
interface AscFunction {
  readonly internalName: string;
  /** By expression, in the order in which they were compiled: an expression comes behind its parts. */
  readonly debugLocations: ReadonlyMap<number, AscRange>;
}
interface AscProperty {
  readonly isField: boolean;
  readonly getterInstance: AscFunction | null;
  readonly setterInstance: AscFunction | null;
}
interface AscProgram {
  readonly filesByName: ReadonlyMap<string, { readonly startFunction: AscFunction }>;
  readonly instancesByName: ReadonlyMap<string, Partial<AscFunction & AscProperty>>;
}

const SDK = "~lib/axiscript/";
const LIBRARY = "~lib/";
const TOP_LEVEL_OF_LIBRARY = `start:${LIBRARY}`;

/**
 * A step of the compiler by which an error can be traced to the line of the script that it belongs to, at every
 * optimisation level. asc makes an instance and provides `binaryen`.
 */
export class KeepSourcePositions {
  declare readonly binaryen: Binaryen;
  #program: AscProgram | undefined;

  afterInitialize(program: AscProgram): void {
    this.#program = program;
  }

  afterCompile(module: BinaryenModule): void {
    if (!this.#program) return;
    const functions = functionsOf(this.#program);
    for (const each of functions) if (!isLibrary(each)) locate(each, module);
    const fieldAccessors = fieldAccessorsOf(this.#program);
    for (const each of functions) {
      if (each.internalName.startsWith(SDK) && !fieldAccessors.has(each)) this.#keepOut(each, module);
    }
  }

  /** Keeps a function out of its callers: code that binaryen has inlined only knows its own line. */
  #keepOut({ internalName }: AscFunction, module: BinaryenModule): void {
    this.binaryen.setPassArgument("no-inline", internalName);
    module.runPasses(["no-inline"]);
    this.binaryen.clearPassArguments();
  }
}

/**
 * Gives each expression of a script's function a line of the script: what asc has inlined from a library gets that of the
 * call. Besides, the pass that tells the garbage collector what is on the stack replaces functions, and those of a file's
 * top level, which is where a script does its work, lose their positions by that.
 */
function locate({ internalName, debugLocations }: AscFunction, module: BinaryenModule): void {
  const functionRef = module.getFunction(internalName);
  if (functionRef === 0) return;
  let place: AscRange | undefined;
  for (const [expressionRef, range] of [...debugLocations].reverse()) {
    if (!place || !range.source.normalizedPath.startsWith(LIBRARY)) place = range;
    const { source, start } = place;
    // Source maps count columns from 0.
    module.setDebugLocation(
      functionRef,
      expressionRef,
      source.debugInfoIndex,
      source.lineAt(start),
      source.columnAt() - 1,
    );
  }
}

function functionsOf({ instancesByName, filesByName }: AscProgram): AscFunction[] {
  const instances = [...instancesByName.values()].filter(isFunction);
  return [...instances, ...[...filesByName.values()].map(({ startFunction }) => startFunction)];
}

function isFunction(element: Partial<AscFunction>): element is AscFunction {
  return element.debugLocations !== undefined;
}

function isLibrary({ internalName }: AscFunction): boolean {
  return internalName.startsWith(LIBRARY) || internalName.startsWith(TOP_LEVEL_OF_LIBRARY);
}

/** They only load, or store, and are worth inlining. */
function fieldAccessorsOf({ instancesByName }: AscProgram): Set<AscFunction | null | undefined> {
  const fields = [...instancesByName.values()].filter(({ isField }) => isField === true);
  return new Set(fields.flatMap(({ getterInstance, setterInstance }) => [getterInstance, setterInstance]));
}
