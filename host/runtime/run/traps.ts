import { SourceMap, type SourceMapPayload, type SourceMapping } from "node:module";
import { basename, isAbsolute, join, relative } from "node:path";
import { AxiscriptError, messageOf, type SourcePosition } from "../../util/errors";
import { GATE_MODULE_NAME } from "../../gate/module-file";
import { type MemoryLimits, WASM_PAGE_BYTES } from "../../memory/linear-memory";
import type { ScriptModule } from "../module/module";
import type { CompiledScript } from "../module/script";
import type { SourceMapFiles } from "../compile/source-files";
import { isStackOverflow } from "../module/stack-reserve";

/** A WebAssembly frame as V8 prints it: `at name (wasm://wasm/HASH:wasm-function[7]:0x1a2)`; the name is optional. */
const FRAME = /^\s*at (?:(.*) \()?(wasm:\/\/[^\s]*):wasm-function\[(\d+)\]:0x([0-9a-f]+)\)?$/;
const MAX_FRAMES = 32;
/** How many entries are looked at for one frame: more follow each other without a source of the script's in no map of asc's. */
const MAX_ENTRIES = 10_000;
/** How asc names the function that calls the top level of all files, and those that hold it. */
const PROGRAM_START = "~start";
const FILE_TOP_LEVEL = "start:";
/** How asc names its library and packages, and what is in them. */
const LIBRARY = "~lib/";
const ALLOCATOR = "~lib/rt/";

interface WasmFrame {
  readonly functionName: string;
  /** Offset in the module, which is the column in its source map. */
  readonly offset: number;
}

/**
 * Turns whatever came out of a script into an error with a place in the script's source.
 *
 * @param thrown an error of axiscript, a trap of V8's, or anything else
 * @param script with its source map, if there is one
 * @param module what ran
 */
export function scriptError(
  thrown: unknown,
  script: CompiledScript,
  { shiftBytes, memory, memoryLimit }: Omit<ScriptModule, "module">,
): AxiscriptError {
  // Loaded when something went wrong.
  const { reasonOf } = require("./uncatchable") as typeof import("./uncatchable");
  const reason = reasonOf(thrown);
  const frames = wasmFrames(thrown).map((frame) => ({ ...frame, offset: frame.offset - shiftBytes }));
  const isOutOfMemory = () => messageOf(reason) === "unreachable" && isInAllocator(frames[0], script);
  const error =
    reason instanceof AxiscriptError ? reason : isOutOfMemory() ? outOfMemory(memory, memoryLimit) : trap(reason);
  if (error.kind !== "stopped" && frames.length > 0) {
    const positions = locate(frames, script);
    // AssemblyScript's abort says where it was called, which is worth something where there is no source map.
    if (positions.length > 0 || error.scriptStack.length === 0) error.scriptStack = positions;
  }
  return error;
}

function trap(thrown: unknown): AxiscriptError {
  const reason = isStackOverflow(thrown) ? "its call stack is exhausted" : messageOf(thrown);
  return new AxiscriptError("ERR_AXI_TRAP", `The script trapped: ${reason}.`, { cause: thrown });
}

/** Whether a frame is in AssemblyScript's runtime: there, `unreachable` means that the memory did not grow. */
function isInAllocator(frame: WasmFrame | undefined, script: CompiledScript): boolean {
  if (!frame) return false;
  const exact = readSourceMap(script)?.map;
  const source = exact && nearestEntry(exact, frame.offset, () => true)?.originalSource;
  return (source ?? frame.functionName).startsWith(ALLOCATOR);
}

function outOfMemory({ maximum = 0 }: MemoryLimits, limit: ScriptModule["memoryLimit"]): AxiscriptError {
  const lengthBytes = maximum * WASM_PAGE_BYTES;
  const advice =
    limit === "module"
      ? "That is the maximum that its module declares; build it with a higher one."
      : "Raise the limit with --max-memory (in the library: maxMemoryBytes), or have the script need less.";
  return new AxiscriptError(
    "ERR_AXI_OUT_OF_MEMORY",
    `The script ran out of memory: its memory may grow to ${lengthBytes} bytes (${lengthBytes / 2 ** 20} MiB), and it ` +
      `asked for more. ${advice}`,
  );
}

function wasmFrames(thrown: unknown): WasmFrame[] {
  const lines = thrown instanceof Error ? (thrown.stack ?? "").split("\n") : [];
  const frames = lines.flatMap((line) => {
    const match = FRAME.exec(line);
    if (!match || match[2]?.includes(GATE_MODULE_NAME)) return [];
    return [{ functionName: match[1] ?? `function ${match[3]}`, offset: Number.parseInt(match[4] ?? "", 16) }];
  });
  // Generated code that calls the top level of each file; at higher levels the file's code is inlined into it.
  const topLevel = frames.some(({ functionName }) => functionName.startsWith(FILE_TOP_LEVEL));
  return topLevel ? frames.filter(({ functionName }) => functionName !== PROGRAM_START) : frames;
}

/** A source map, and whose the files are that it names. */
interface Places {
  readonly map: SourceMap;
  readonly script: CompiledScript;
  readonly kindOf: (source: string) => "script" | "package" | "library";
}

/**
 * Places in source files: first those in the script's own, then those in packages that it uses; those in libraries and
 * generated files only if there are no others.
 */
function locate(frames: WasmFrame[], script: CompiledScript): SourcePosition[] {
  const places = readSourceMap(script);
  if (!places) return [];
  const found = frames.slice(0, MAX_FRAMES).flatMap((frame) => positionsOf(frame, places));
  const of = (wanted: string) => found.filter(({ kind }) => kind === wanted).map(({ position }) => position);
  const shown = [...of("script"), ...of("package")];
  return shown.length > 0 ? shown : of("library");
}

/** The place of a frame, and where code of another file was inlined there, also the nearest one before it outside. */
function positionsOf({ functionName, offset }: WasmFrame, { map, script, kindOf }: Places) {
  const exact = nearestEntry(map, offset, () => true);
  if (!exact) return [];
  const kind = kindOf(exact.originalSource);
  const isOwn = kind === "script" || functionName.startsWith(LIBRARY) || isOf(exact.originalSource, functionName);
  const own = isOwn ? undefined : nearestEntry(map, offset, (source) => kindOf(source) === "script");
  const position = (entry: SourceMapping): SourcePosition => ({
    file: displayPath(entry.originalSource, script),
    line: entry.originalLine + 1,
    column: entry.originalColumn + 1,
    functionName: shortName(functionName),
    ...(entry === own && { approximate: true }),
  });
  return [{ kind, position: position(exact) }, ...(own ? [{ kind: "script", position: position(own) }] : [])];
}

/** Whether a function is one of a file's: its name begins with the file's path, wherever that was when it was compiled. */
function isOf(source: string, functionName: string): boolean {
  return functionName.replace(/<.*/, "").split("/").at(-2) === basename(source, ".ts");
}

function readSourceMap(script: CompiledScript): Places | undefined {
  try {
    const text = script.sourceMap();
    if (text === undefined) return undefined;
    const json = JSON.parse(text) as SourceMapPayload & SourceMapFiles;
    const ignored = new Set(json.ignoreList?.map((index) => json.sources[index]));
    const kindOf = (source: string) => {
      if (source.startsWith(LIBRARY) || ignored.has(source)) return "library";
      return source.includes("node_modules/") ? "package" : "script";
    };
    return { map: new SourceMap(json), script, kindOf };
  } catch {
    return undefined;
  }
}

/** The mapping at an offset, or the nearest earlier one with a source that will do: some segments have none. */
function nearestEntry(map: SourceMap, offset: number, accept: (source: string) => boolean) {
  let column = offset;
  for (let looks = 0; column >= 0 && looks < MAX_ENTRIES; looks++) {
    const entry = map.findEntry(0, column);
    if (!("originalSource" in entry)) return undefined;
    if (entry.originalSource && accept(entry.originalSource)) return entry;
    column = Math.min(column, entry.generatedColumn) - 1;
  }
  return undefined;
}

function displayPath(source: string, script: CompiledScript): string {
  if (source.startsWith(LIBRARY)) return source;
  const path = isAbsolute(source) ? source : join(script.sourceDirectory, source);
  const shown = relative(process.cwd(), path);
  return shown.startsWith("../../..") ? path : shown;
}

/** `examples/loop/inner` → `inner`; `start:examples/loop` → the top level. */
function shortName(functionName: string): string {
  if (functionName.startsWith(FILE_TOP_LEVEL) || functionName === PROGRAM_START) return "top level";
  return functionName.replace(/^(?:[^/<]+\/)*/, "");
}
