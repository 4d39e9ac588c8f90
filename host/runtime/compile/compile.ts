import { extname, join, relative, resolve } from "node:path";
import type { Transform } from "assemblyscript/asc";
import { AxiscriptError, errnoCode, messageOf } from "../../util/errors";
import { escapeControls } from "../../util/escape";
import { checkOptions, KIND, oneOf, type OptionKinds } from "../check-options";
import type { SourceFile } from "./compile-cache";
import { findInstalled, incompleteInstallation, PACKAGE, packageVersion, readPackageFile } from "../installation";
import { type CompiledScript, loadWasm, readScript } from "../module/script";
import { SourceFiles } from "./source-files";
import { KeepSourcePositions } from "./source-positions";

/** asc's optimisation levels: speed 0 to 3, `s` and `z` for size. */
export const OPTIMIZATION_LEVELS = ["0", "1", "2", "3", "s", "z"] as const;
export type OptimizationLevel = (typeof OPTIMIZATION_LEVELS)[number];

export interface CompileOptions {
  /** `"2"` if absent. */
  readonly optimize?: OptimizationLevel;
  /** Where compiled scripts are kept, by content; `false`: nowhere. Absent: `axiscript` in the user's cache directory. */
  readonly cacheDirectory?: string | false;
  /** Called when the compiler is started, which takes a second or two; not when the result was in the cache. */
  readonly onCompile?: (path: string) => void;
  /** Also produce the text format (never cached). */
  readonly textFormat?: (wat: string) => void;
}

export const COMPILE_KINDS: OptionKinds<CompileOptions> = {
  optimize: oneOf(OPTIMIZATION_LEVELS),
  cacheDirectory: KIND.textOrFalse,
  onCompile: KIND.function,
  textFormat: KIND.function,
};

/** The compiler options, relative to the package. */
const CONFIG = "asconfig.json";
const WASI_SHIM = "@assemblyscript/wasi-shim";
const OUTPUT = "script.wasm";

/**
 * Makes a script ready to run: loads a `.wasm`, compiles a `.ts`.
 *
 * The compiler is loaded only when it is needed: compiled scripts run where AssemblyScript is not installed.
 *
 * @param path a `.ts` or `.wasm` file
 * @throws AxiscriptError ERR_AXI_USAGE for another sort of file; ERR_AXI_SCRIPT_NOT_FOUND; ERR_AXI_COMPILE with the
 *   compiler's diagnostics; ERR_AXI_NO_COMPILER; ERR_AXI_IO
 * @example
 * const script = await compileScript("examples/numpy-acceleration.ts", { optimize: "3" });
 */
export async function compileScript(path: string, options: CompileOptions = {}): Promise<CompiledScript> {
  checkOptions("compile a script", options, COMPILE_KINDS);
  return compileScriptWith(path, options, compile);
}

/** Starts the compiler; for the options see asc. */
export type Compiler = (
  path: string,
  flags: readonly string[],
  options: Pick<CompileOptions, "onCompile" | "textFormat">,
) => Promise<CompilerOutput>;

/** As {@link compileScript}, with a compiler that is called if the result is not in the cache. */
export async function compileScriptWith(
  path: string,
  options: CompileOptions,
  compiler: Compiler,
): Promise<CompiledScript> {
  const extension = extname(path);
  if (extension === ".wasm") return loadWasm(path);
  if (extension !== ".ts") {
    throw new AxiscriptError("ERR_AXI_USAGE", `Cannot run ${path}: a script is a .ts or a .wasm file.`);
  }
  readScript(path);

  const { CompileCache } = await import("./compile-cache.js");
  const flags = [`-O${options.optimize ?? "2"}`];
  const directory = options.textFormat ? false : options.cacheDirectory;
  // Another copy of the package has another library of its own: what was compiled with that one is not this one's.
  const cache = new CompileCache(directory, [resolve(path), process.cwd(), PACKAGE, packageVersion(), ...flags]);
  const cached = cache.load();
  const output = cached ?? (await compiler(path, flags, options));
  if (!cached) cache.store(output);
  return { path, wasm: output.wasm, sourceMap: output.sourceMap, sourceDirectory: process.cwd() };
}

/** What the compiler makes of a script. */
export interface CompilerOutput {
  readonly wasm: Uint8Array;
  readonly sourceMap: () => string;
  readonly sources: readonly SourceFile[];
}

/**
 * Compiles on the calling thread, which is blocked for a second or two.
 *
 * @throws AxiscriptError ERR_AXI_COMPILE, ERR_AXI_NO_COMPILER
 */
export const compile: Compiler = async (path, flags, options) => {
  const { main } = await loadCompiler();
  // Without them the compiler would go on, and find fault with the script.
  readPackageFile(CONFIG);
  if (findInstalled(PACKAGE, WASI_SHIM) === undefined) throw incompleteInstallation(`there is no package ${WASI_SHIM}`);
  options.onCompile?.(path);
  const files = new SourceFiles(path, PACKAGE);
  class Positions extends KeepSourcePositions {
    protected override kindOf(source: string) {
      return files.kindOf(source);
    }
  }
  const written = new Map<string, string | Uint8Array>();
  const output = [`--outFile=${OUTPUT}`, ...(options.textFormat ? ["--textFile=script.wat"] : [])];
  // With "./", so that a name that begins with a dash is not taken for an option.
  const entry = `./${relative(process.cwd(), path)}`;
  const compiling = main([entry, ...output, ...flags, `--config=${join(PACKAGE, CONFIG)}`], {
    transforms: [Positions as unknown as Transform],
    readFile: (name, base) => files.read(resolve(base, name)),
    writeFile: (name, contents) => {
      written.set(name, contents);
    },
    listFiles: (name, base) => files.list(resolve(base, name)),
  });
  const result = await compiling.catch((cause: unknown) => {
    throw new AxiscriptError("ERR_AXI_COMPILE", `Cannot compile ${path}: the compiler failed, ${messageOf(cause)}`, {
      cause,
    });
  });
  const wasm = written.get(OUTPUT);
  if (result.error || typeof wasm !== "object") {
    // asc collects its output in a stream with a toString of its own.
    // eslint-disable-next-line @typescript-eslint/no-base-to-string
    const diagnostics = files.named(result.stderr.toString().trim() || messageOf(result.error));
    throw new AxiscriptError("ERR_AXI_COMPILE", `Cannot compile ${escapeControls(path)}:\n${diagnostics}`, {
      lines: true,
    });
  }
  const text = written.get("script.wat");
  if (typeof text === "string") options.textFormat?.(text);
  const map = files.inSourceMap(String(written.get(`${OUTPUT}.map`)));
  return { wasm, sourceMap: () => map, sources: files.seen() };
};

async function loadCompiler() {
  try {
    return await import("assemblyscript/asc");
  } catch (cause) {
    if (errnoCode(cause) !== "ERR_MODULE_NOT_FOUND") throw cause;
    // Perhaps only a package is missing that it needs.
    const [, missing = "assemblyscript"] = /package '([^']+)'/.exec(messageOf(cause)) ?? [];
    throw new AxiscriptError(
      "ERR_AXI_NO_COMPILER",
      `Cannot compile: the package ${missing} is not installed. Install assemblyscript, or compile the script elsewhere with ` +
        "axiscript build and run the .wasm here.",
      { cause },
    );
  }
}
