import type { SourceKind } from "./source-files";

/** The parts of asc's and binaryen's interfaces that {@link KeepSourcePositions} uses (asc 0.28.20, pinned). */
interface Binaryen {
  readonly ConstId: number;
  readonly CallId: number;
  readonly CallIndirectId: number;
  readonly NopId: number;
  readonly RefNullId: number;
  readonly UnreachableId: number;
  addPassToSkip(name: string): void;
  setPassArgument(name: string, value: string): void;
  clearPassArguments(): void;
  getFunctionInfo(functionRef: number): { readonly body: number };
  getExpressionId(expressionRef: number): number;
  /** Not for every kind of expression that has no parts. */
  getExpressionInfo(expressionRef: number): Readonly<Record<string, unknown>>;
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
  readonly internalPath: string;
  readonly normalizedPath: string;
  readonly debugInfoIndex: number;
  lineAt(position: number): number;
  /** Of the position that `lineAt` was asked for last; the first is 1. */
  columnAt(): number;
}
interface AscFunction {
  readonly internalName: string;
  /** By expression; what the compiler puts around an expression, or within it, may have none. */
  readonly debugLocations: ReadonlyMap<number, AscRange>;
}
interface AscProperty {
  readonly isField: boolean;
  readonly getterInstance: AscFunction | null;
  readonly setterInstance: AscFunction | null;
}
interface AscProgram {
  readonly sources: readonly AscSource[];
  readonly filesByName: ReadonlyMap<string, { readonly startFunction: AscFunction }>;
  readonly instancesByName: ReadonlyMap<string, Partial<AscFunction & AscProperty>>;
}

const TOP_LEVEL = "start:";
/** Functions of AssemblyScript's that allocate: where memory runs out, and too large to be worth inlining. */
const ALLOCATES = /^~lib\/(?:rt\/(?:itcms|tlsf)\/__(?:new|renew|alloc|realloc)|memory\/heap\.\w+)$/;
/** Where binaryen's descriptions of expressions name the parts of an expression. */
const PARTS =
  "children body operands value left right condition ifTrue ifFalse ptr target delta dest source size vec a b c".split(
    " ",
  );

/** Passes that make one of equal pieces of code, which then has the line of one of them. */
const MERGING_PASSES = ["code-folding", "duplicate-function-elimination", "merge-similar-functions"];

/**
 * A step of the compiler by which an error can be traced to the line of the script that it belongs to, at every
 * optimisation level. asc makes an instance of a subclass and provides `binaryen`.
 */
export abstract class KeepSourcePositions {
  declare readonly binaryen: Binaryen;
  #program: AscProgram | undefined;

  /** Whose a file is, by the path that the compiler knows it by. */
  protected abstract kindOf(path: string): SourceKind;

  afterInitialize(program: AscProgram): void {
    this.#program = program;
  }

  afterCompile(module: BinaryenModule): void {
    if (!this.#program) return;
    for (const pass of MERGING_PASSES) this.binaryen.addPassToSkip(pass);
    const { sources } = this.#program;
    const kinds = new Map(
      sources.map(({ internalPath, normalizedPath }) => [internalPath, this.kindOf(normalizedPath)]),
    );
    const fieldAccessors = fieldAccessorsOf(this.#program);
    for (const each of functionsOf(this.#program)) {
      const functionRef = module.getFunction(each.internalName);
      if (functionRef === 0) continue;
      const kind = kindOfFunction(each, kinds);
      const { body } = this.binaryen.getFunctionInfo(functionRef);
      // A function that the script imports has none.
      if (body === 0) continue;
      if (kind !== "sdk" && kind !== "library") this.#locate(each, kind, functionRef, body, module);
      const isKept =
        ["sdk", "generated"].includes(kind) ||
        ALLOCATES.test(each.internalName) ||
        (kind === "package" && this.#callsOrTraps(body));
      if (isKept && !fieldAccessors.has(each)) this.#keepOut(each, module);
    }
  }

  /** Keeps a function out of its callers: code that binaryen has inlined only knows its own line. */
  #keepOut({ internalName }: AscFunction, module: BinaryenModule): void {
    this.binaryen.setPassArgument("no-inline", internalName);
    module.runPasses(["no-inline"]);
    this.binaryen.clearPassArguments();
  }

  /**
   * Gives each expression of a function a line of its own file: what has none (a call within a conversion, or whose
   * result is dropped) gets that of the expression around it, and what asc has inlined from a library that of the call.
   * Besides, the pass that tells the garbage collector what is on the stack replaces functions, and those of a file's
   * top level, which is where a script does its work, lose their positions by that.
   */
  #locate(
    { debugLocations }: AscFunction,
    kind: SourceKind,
    functionRef: number,
    body: number,
    module: BinaryenModule,
  ): void {
    const isShown = ({ source }: AscRange) => [kind, "script", "package"].includes(this.kindOf(source.normalizedPath));
    this.#walk(body, undefined, (expressionRef, around: AscRange | undefined) => {
      const own = debugLocations.get(expressionRef);
      const place = !around || (own && isShown(own)) ? own : around;
      if (!place) return undefined;
      const { source, start } = place;
      const line = source.lineAt(start);
      // Source maps count columns from 0.
      module.setDebugLocation(functionRef, expressionRef, source.debugInfoIndex, line, source.columnAt() - 1);
      return isShown(place) ? place : undefined;
    });
  }

  /** Whether a function may end the script in a way that shows: by a call, or on purpose. */
  #callsOrTraps(body: number): boolean {
    const { CallId, CallIndirectId, UnreachableId } = this.binaryen;
    let found = false;
    this.#walk(body, undefined, (_, __, id) => {
      found ||= id === CallId || id === CallIndirectId || id === UnreachableId;
      return undefined;
    });
    return found;
  }

  /** Visits an expression and its parts from outside in; `visit` gets what it gave for the expression around. */
  #walk<T>(root: number, around: T, visit: (expressionRef: number, around: T, id: number) => T): void {
    const pending = [{ expressionRef: root, around }];
    for (let next = pending.pop(); next; next = pending.pop()) {
      const id = this.binaryen.getExpressionId(next.expressionRef);
      const inner = visit(next.expressionRef, next.around, id);
      for (const part of this.#partsOf(next.expressionRef, id)) pending.push({ expressionRef: part, around: inner });
    }
  }

  #partsOf(expressionRef: number, id: number): number[] {
    const { ConstId, NopId, RefNullId, UnreachableId } = this.binaryen;
    if ([ConstId, NopId, RefNullId, UnreachableId].includes(id)) return [];
    const info = this.binaryen.getExpressionInfo(expressionRef);
    return PARTS.flatMap((part) => info[part]).filter((part): part is number => typeof part === "number" && part !== 0);
  }
}

function functionsOf({ instancesByName, filesByName }: AscProgram): AscFunction[] {
  const instances = [...instancesByName.values()].filter(isFunction);
  return [...instances, ...[...filesByName.values()].map(({ startFunction }) => startFunction)];
}

function isFunction(element: Partial<AscFunction>): element is AscFunction {
  return element.debugLocations !== undefined;
}

/** Whose a function is: its name begins with the path of its file. */
function kindOfFunction({ internalName }: AscFunction, kinds: ReadonlyMap<string, SourceKind>): SourceKind {
  let path = internalName.startsWith(TOP_LEVEL) ? internalName.slice(TOP_LEVEL.length) : internalName;
  for (;;) {
    const kind = kinds.get(path);
    if (kind) return kind;
    const end = path.lastIndexOf("/");
    if (end < 0) return "script";
    path = path.slice(0, end);
  }
}

/** They only load, or store, and are worth inlining. */
function fieldAccessorsOf({ instancesByName }: AscProgram): Set<AscFunction | null | undefined> {
  const fields = [...instancesByName.values()].filter(({ isField }) => isField === true);
  return new Set(fields.flatMap(({ getterInstance, setterInstance }) => [getterInstance, setterInstance]));
}
