import { join } from "node:path";
import { HOST_DIRECTORY } from "../util/host-directory";

/** The module's name, which V8 shows in the URL of its stack frames. */
export const GATE_MODULE_NAME = "axiscript.gate";

/** Where the build puts the gate's module for an architecture, as `process.arch` names it. */
export function gateModulePath(architecture: "x64" | "arm64"): string {
  return join(HOST_DIRECTORY, `gate/gate-${architecture}.wasm`);
}
