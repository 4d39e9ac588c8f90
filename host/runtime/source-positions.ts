/** The parts of asc's and binaryen's interfaces that {@link KeepSourcePositions} uses (asc 0.28.20, pinned). */
interface Binaryen {
  setPassArgument(name: string, value: string): void;
  clearPassArguments(): void;
  getFunctionInfo(functionRef: number): { readonly name: string };
}
interface AscFunction {
  readonly internalName: string;
}
interface AscProgram {
  readonly filesByName: ReadonlyMap<string, { readonly startFunction: AscFunction }>;
  searchFunctionByRef(functionRef: number): AscFunction | null;
}

/**
 * A step of the compiler by which an error can be traced to the line of the script that it belongs to, at every
 * optimisation level. asc makes an instance and provides `binaryen`.
 */
export class KeepSourcePositions {
  declare readonly binaryen: Binaryen;

  /**
   * The pass that tells the garbage collector what is on the stack replaces functions, and then looks up their source
   * positions by function. It does not find those of a file's top level, which is where a script does its work.
   */
  afterInitialize(program: AscProgram): void {
    const search = program.searchFunctionByRef.bind(program);
    program.searchFunctionByRef = (functionRef) => search(functionRef) ?? this.#topLevel(program, functionRef);
  }

  /** Keeps the SDK's functions out of their callers: code that was inlined only knows the line in the SDK. */
  afterCompile(module: { runPasses(passes: string[]): void }): void {
    this.binaryen.setPassArgument("no-inline", "~lib/axiscript/*");
    module.runPasses(["no-inline"]);
    this.binaryen.clearPassArguments();
  }

  #topLevel(program: AscProgram, functionRef: number): AscFunction | null {
    const { name } = this.binaryen.getFunctionInfo(functionRef);
    for (const { startFunction } of program.filesByName.values()) {
      if (startFunction.internalName === name) return startFunction;
    }
    return null;
  }
}
