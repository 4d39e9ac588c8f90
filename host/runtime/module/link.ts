import { AxiscriptError } from "../../util/errors";
import { escapeControls } from "../../util/escape";
import type { MemoryLimits } from "../../memory/linear-memory";
import { ABI_TABLE, MEMORY_IMPORT } from "../abi/abi";
import { formatSignature, type WasmImport, type WasmInterface } from "./wasm-binary";

/** The function that a script starts with, as WASI names it. */
const ENTRY = "_start";
const NO_MEMORY: MemoryLimits = { initial: 0, maximum: 0 };

/**
 * Checks that everything a module asks for exists and has the right type, before it is instantiated.
 *
 * @returns the limits of the memory that the module imports
 * @throws AxiscriptError ERR_AXI_LINK with module, name, expected and found signature, one line for each misfit;
 *   ERR_AXI_NO_ENTRY
 */
export function checkLinks(script: WasmInterface): MemoryLimits {
  const misfits = misfitsOf(script);
  if (misfits.length > 0) {
    throw new AxiscriptError(
      "ERR_AXI_LINK",
      `Cannot link the script:\n${misfits.map((line) => `  ${escapeControls(line)}`).join("\n")}`,
    );
  }
  if (!script.functionExports.includes(ENTRY)) {
    throw new AxiscriptError(
      "ERR_AXI_NO_ENTRY",
      `Cannot run the script: it exports no function ${ENTRY}. Build it with axiscript build, or asc --exportStart ${ENTRY}.`,
    );
  }
  const memory = script.imports.find(({ type }) => type.kind === "memory");
  return memory?.type.kind === "memory" ? memory.type.limits : NO_MEMORY;
}

/** Why a module cannot be run, one line for each reason; empty if it can. */
export function linkProblems(script: WasmInterface): string[] {
  const hasEntry = script.functionExports.includes(ENTRY);
  return [...misfitsOf(script), ...(hasEntry ? [] : [`${ENTRY}: expected a function that is exported, found none`])];
}

function misfitsOf(script: WasmInterface): string[] {
  const misfits = script.imports.flatMap((item) => misfitOf(item) ?? []);
  if (script.definesMemory) {
    misfits.push(
      `memory: expected an import ${MEMORY_IMPORT.module}.${MEMORY_IMPORT.name}, found a memory of the module's own. ` +
        "Linear memory is created by the host: build with asc --importMemory, or wasm-ld --import-memory.",
    );
  }
  return misfits;
}

/** What is wrong with an import, or `undefined` if it fits. */
function misfitOf({ module, name, type }: WasmImport): string | undefined {
  const what = `${module}.${name}`;
  if (type.kind === "memory") {
    if (module !== MEMORY_IMPORT.module || name !== MEMORY_IMPORT.name) {
      return `${what}: expected the memory import ${MEMORY_IMPORT.module}.${MEMORY_IMPORT.name}, found a memory of another name`;
    }
    if (type.shared || type.wide) {
      return `${what}: expected an unshared 32-bit memory, found a ${type.shared ? "shared" : "64-bit"} one`;
    }
    return undefined;
  }
  const functions = ABI_TABLE.get(module);
  const expected = functions?.get(name);
  const found = type.kind === "function" ? formatSignature(type.signature) : `a ${type.kind}`;
  if (expected) {
    const wanted = formatSignature(expected.signature);
    return wanted === found ? undefined : `${what}: expected ${wanted}, found ${found}`;
  }
  const known = functions
    ? `${module} has: ${[...functions.keys()].join(", ")}`
    : `modules are: ${[...ABI_TABLE.keys()].join(", ")}`;
  return `${what}: expected nothing of that name, found ${found}; ${known}`;
}
