import { SourceMap, type SourceMapPayload } from "node:module";
import { isAbsolute, join, relative } from "node:path";
import { AxiscriptError, messageOf, type SourcePosition } from "../errors";
import { GATE_MODULE_NAME } from "../gate/module-file";
import type { CompiledScript } from "./script";
import { isStackOverflow } from "./stack-reserve";

/** A WebAssembly frame as V8 prints it: `at name (wasm://wasm/HASH:wasm-function[7]:0x1a2)`; the name is optional. */
const FRAME = /^\s*at (?:(.*) \()?(wasm:\/\/[^\s]*):wasm-function\[(\d+)\]:0x([0-9a-f]+)\)?$/;
const MAX_FRAMES = 32;
/** How many entries are looked at for one frame: more follow each other without a source of the script's in no map of asc's. */
const MAX_ENTRIES = 10_000;
/** How asc names the function that calls the top level of all files, and those that hold it. */
const PROGRAM_START = "~start";
const FILE_TOP_LEVEL = "start:";

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
 * @param shiftBytes how many bytes the code that ran lies behind where the source map has it
 */
export function scriptError(thrown: unknown, script: CompiledScript, shiftBytes: number): AxiscriptError {
  // Loaded when something went wrong.
  const { reasonOf } = require("./uncatchable") as typeof import("./uncatchable");
  const reason = reasonOf(thrown);
  const error = reason instanceof AxiscriptError ? reason : trap(reason);
  const frames = wasmFrames(thrown).map((frame) => ({ ...frame, offset: frame.offset - shiftBytes }));
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

/** Places in source files, without those in AssemblyScript's library and the SDK if the script's own code is among them. */
function locate(frames: WasmFrame[], script: CompiledScript): SourcePosition[] {
  const map = readSourceMap(script);
  if (!map) return [];
  const positions = frames.slice(0, MAX_FRAMES).flatMap((frame) => positionOf(frame, map, script) ?? []);
  const own = positions.filter(({ file }) => !isLibrary(file));
  return own.length > 0 ? own : positions;
}

function positionOf(
  { functionName, offset }: WasmFrame,
  map: SourceMap,
  script: CompiledScript,
): SourcePosition | undefined {
  const exact = nearestEntry(map, offset, () => true);
  if (!exact) return undefined;
  const inlined = isLibrary(exact.originalSource) && !isLibrary(functionName);
  const own = inlined ? nearestEntry(map, offset, (source) => !isLibrary(source)) : undefined;
  const entry = own ?? exact;
  return {
    file: displayPath(entry.originalSource, script),
    line: entry.originalLine + 1,
    column: entry.originalColumn + 1,
    functionName: shortName(functionName),
    ...(own && { approximate: true }),
  };
}

function isLibrary(name: string): boolean {
  return name.startsWith("~lib/");
}

function readSourceMap(script: CompiledScript): SourceMap | undefined {
  try {
    const text = script.sourceMap();
    return text === undefined ? undefined : new SourceMap(JSON.parse(text) as SourceMapPayload);
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
  if (isLibrary(source)) return source;
  const path = isAbsolute(source) ? source : join(script.sourceDirectory, source);
  const shown = relative(process.cwd(), path);
  return shown.startsWith("../../..") ? path : shown;
}

/** `examples/loop/inner` → `inner`; `start:examples/loop` → the top level. */
function shortName(functionName: string): string {
  if (functionName.startsWith(FILE_TOP_LEVEL) || functionName === PROGRAM_START) return "top level";
  return functionName.replace(/^(?:[^/<]+\/)*/, "");
}
