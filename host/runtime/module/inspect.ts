import type { Inspection } from "./inspection";

/**
 * Says what a compiled script can ask for, from its imports. It is not run, and no machine code is made of it.
 *
 * @param path a `.wasm`
 * @throws AxiscriptError ERR_AXI_NOT_WASM; ERR_AXI_SCRIPT_NOT_FOUND, ERR_AXI_IO; ERR_AXI_USAGE for a script's source
 * @example
 * const { permissions } = inspectScript("script.wasm");
 * console.log(permissions.map(({ flag }) => flag).join(" "));
 */
export function inspectScript(path: string): Inspection {
  // Loaded when it is needed: a run does not need it, and its start-up time counts.
  const { inspect } = require("./inspection") as typeof import("./inspection");
  return inspect(path);
}
