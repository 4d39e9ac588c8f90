import { setFlagsFromString } from "node:v8";
import { AxiscriptError, messageOf } from "../../util/errors";
import { MAX_MEMORY_BYTES, type MemoryLimits, WASM_PAGE_BYTES } from "../../memory/linear-memory";
import { mayLoopRoundBulk } from "./bulk-loops";
import { checkLinks } from "./link";
import type { CompiledScript } from "./script";
import { reserveStack } from "./stack-reserve";
import { MAX_TABLES, readInterface, type WasmInterface, withBoundedTables } from "./wasm-binary";

const MAX_MODULE_BYTES = 2 ** 28;
/** Tables lie on the JavaScript heap, and a heap that is full ends the process. */
const MAX_TABLE_ENTRIES = 2 ** 17;

/** A script's module, checked and compiled; plain data that threads may send each other. */
export interface ScriptModule {
  readonly module: WebAssembly.Module;
  /** Of the memory that it imports. */
  readonly memory: MemoryLimits;
  /** Whether the module itself, or the run, keeps the memory from growing further. */
  readonly memoryLimit: "module" | "run";
  /** How many bytes its code lies behind where the source map has it. */
  readonly shiftBytes: number;
}

/**
 * Compiles a script's module and checks it against the host's functions and limits. Blocks while V8 compiles, once for each
 * script.
 *
 * @param maxMemoryBytes the most that its memory may grow to; absent: half of what is available
 * @throws AxiscriptError ERR_AXI_NOT_WASM, ERR_AXI_LINK, ERR_AXI_NO_ENTRY, ERR_AXI_LIMIT
 */
export function loadModule(script: CompiledScript, maxMemoryBytes?: number): ScriptModule {
  const known = compiled.get(script);
  const bounded = known?.bounded ?? boundedModule(script, true);
  try {
    const module = known?.module ?? new WebAssembly.Module(bounded.wasm);
    compiled.set(script, { bounded, module });
    return check(script.path, bounded, module, maxMemoryBytes);
  } catch (cause) {
    throw notWasm(script.path, cause);
  }
}

const compiled = new WeakMap<
  CompiledScript,
  { readonly bounded: BoundedModule; readonly module: WebAssembly.Module }
>();

/**
 * As {@link loadModule}, with V8 compiling in threads of its own.
 *
 * @param mustStop whether V8 must be able to stop the script at any time, since the process goes on without it
 */
export async function loadModuleBeside(
  script: CompiledScript,
  maxMemoryBytes: number | undefined,
  mustStop: boolean,
): Promise<ScriptModule> {
  const known = compiled.get(script);
  const bounded = known?.bounded ?? boundedModule(script, mustStop);
  try {
    const module = known?.module ?? (await WebAssembly.compile(bounded.wasm));
    compiled.set(script, { bounded, module });
    return check(script.path, bounded, module, maxMemoryBytes);
  } catch (cause) {
    throw notWasm(script.path, cause);
  }
}

interface BoundedModule {
  readonly wasm: Uint8Array;
  readonly shiftBytes: number;
}

let looksInEveryLoop = false;

/**
 * Has V8 look in every round of a loop whether to stop. Where it counts rounds to find out what is worth optimising, it
 * looks only when the count is up, and a loop round `memory.fill` takes hours until then. Instead, it optimises a function
 * when it is first called, which costs a script that ends soon as much again as its start: only where there is such a loop.
 * The setting is the process's, and holds for functions that are compiled from now on.
 */
function lookInEveryLoop(): void {
  if (looksInEveryLoop) return;
  // Compiled before: to optimise it takes long, and all threads use the same code.
  reserveStack();
  setFlagsFromString("--no-wasm-dynamic-tiering");
  looksInEveryLoop = true;
}

/** @param mustStop whether the script cannot be stopped but by V8 */
function boundedModule({ path, wasm }: CompiledScript, mustStop: boolean): BoundedModule {
  if (wasm.length > MAX_MODULE_BYTES) {
    throw new AxiscriptError(
      "ERR_AXI_LIMIT",
      `Cannot run ${path}: a module has at most ${MAX_MODULE_BYTES} bytes; this one has ${wasm.length}. Read large data ` +
        "at run time.",
    );
  }
  if (mustStop && mayLoopRoundBulk(wasm)) lookInEveryLoop();
  return withBoundedTables(wasm, MAX_TABLE_ENTRIES);
}

function check(
  path: string,
  { wasm, shiftBytes }: BoundedModule,
  module: WebAssembly.Module,
  maxMemoryBytes = defaultMemoryBytes(),
): ScriptModule {
  const found = readInterface(wasm);
  const memory = checkLinks(found);
  checkTables(path, found);
  const limits = memoryLimits(path, memory, maxMemoryBytes);
  return { module, shiftBytes, memory: limits, memoryLimit: limits.maximum === memory.maximum ? "module" : "run" };
}

function checkTables(path: string, { tables }: WasmInterface): void {
  const largest = Math.max(
    0,
    ...tables.map(({ initial, maximum }) => maximum ?? Math.max(initial, MAX_TABLE_ENTRIES + 1)),
  );
  if (tables.length <= MAX_TABLES && largest <= MAX_TABLE_ENTRIES) return;
  const has = tables.length > MAX_TABLES ? `has ${tables.length}` : `has one of ${largest} entries`;
  throw new AxiscriptError(
    "ERR_AXI_LIMIT",
    `Cannot run ${path}: a module has at most ${MAX_TABLES} tables of up to ${MAX_TABLE_ENTRIES} entries; this one ${has}.`,
  );
}

/** Half of the memory that is available now: where there is none left, the kernel kills who asks for more. */
function defaultMemoryBytes(): number {
  return Math.min(Math.floor(process.availableMemory() / 2), MAX_MEMORY_BYTES);
}

/** Lowers a memory's maximum to a limit; beyond it, `memory.grow` fails as at any maximum. */
function memoryLimits(path: string, { initial, maximum }: MemoryLimits, maxMemoryBytes: number): MemoryLimits {
  const most = Math.floor(Math.min(maxMemoryBytes, MAX_MEMORY_BYTES) / WASM_PAGE_BYTES);
  if (initial <= most) return { initial, maximum: Math.min(maximum ?? most, most) };
  throw new AxiscriptError(
    "ERR_AXI_LIMIT",
    `Cannot run ${path}: its memory begins with ${initial * WASM_PAGE_BYTES} bytes; the limit is ${maxMemoryBytes}. Raise ` +
      "maxMemoryBytes (--max-memory), or build the script with a smaller initial memory.",
  );
}

function notWasm(path: string, cause: unknown): unknown {
  if (cause instanceof AxiscriptError) return cause;
  return new AxiscriptError(
    "ERR_AXI_NOT_WASM",
    `Cannot run ${path}: it is not a valid WebAssembly module. ${messageOf(cause)}`,
    { cause },
  );
}
