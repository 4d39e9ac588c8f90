import { AxiscriptError, isErrorCode } from "../../../util/errors";
import type { LinearMemory } from "../../../memory/linear-memory";
import type { HostFunctions } from "../abi";
import type { HostResults } from "./results";
import type { HostServices } from "./services";

/** How a script says that it failed, or what a person should know. */
export function errorFunctions(
  { memory, note }: HostServices,
  results: HostResults,
): HostFunctions["axiscript:error@1"] {
  return {
    raise: () => {
      throw (
        results.lastError ??
        new AxiscriptError("ERR_AXI_ABORT", "The script raised an error, but no host call has failed.")
      );
    },
    note: (messagePtr: number, messageLength: number) => {
      note(memory.text(messagePtr, messageLength));
    },
    fail: (codePtr: number, codeLength: number, messagePtr: number, messageLength: number) => {
      const code = memory.text(codePtr, codeLength);
      const message = memory.text(messagePtr, messageLength);
      throw isErrorCode(code)
        ? new AxiscriptError(code, message)
        : new AxiscriptError("ERR_AXI_ABORT", `${code}: ${message}`);
    },
  };
}

/** AssemblyScript's own way to fail. */
export function abortFunction({ memory }: HostServices): HostFunctions["env"] {
  return {
    abort: (message: number, file: number, line: number, column: number) => {
      const text = assemblyScriptString(memory, message) || "no message";
      const error = new AxiscriptError("ERR_AXI_ABORT", `The script aborted: ${text}`);
      const where = assemblyScriptString(memory, file);
      if (where) error.scriptStack = [{ file: where, line, column }];
      throw error;
    },
  };
}

/** What is shown of a message; the rest is cut off. */
const MAX_ABORT_BYTES = 2 ** 16;

/** AssemblyScript strings are UTF-16; their length in bytes stands in the four bytes before them. */
function assemblyScriptString(memory: LinearMemory, pointer: number): string {
  const start = pointer >>> 0;
  if (start < 4) return "";
  try {
    const lengthBytes = Buffer.from(memory.view(start - 4, 4)).readUInt32LE(0);
    return Buffer.from(memory.view(start, Math.min(lengthBytes, MAX_ABORT_BYTES))).toString("utf16le");
  } catch {
    return "";
  }
}
