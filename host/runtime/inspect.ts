import type { MemoryLimits } from "../memory/linear-memory";
import type { PermissionLists } from "./permissions";
import type { WasmExport } from "./wasm-binary";

/** A permission that a script may ask for. */
export interface AskedPermission {
  /** As in `PermissionLists`. */
  readonly permission: keyof PermissionLists;
  /** What allows all of it, to be narrowed down: `--allow-device`. Unchecked DMA takes a name: `--allow-unchecked-dma=NAME`. */
  readonly flag: string;
  /** The imports that ask for it, `module.name`. */
  readonly imports: readonly string[];
}

/** What a compiled script can do, as far as its file tells. */
export interface Inspection {
  readonly path: string;
  readonly lengthBytes: number;
  readonly permissions: readonly AskedPermission[];
  /** Every import, with its type as the text format writes it. */
  readonly imports: readonly string[];
  readonly exports: readonly WasmExport[];
  /** Of the linear memory, in pages of 64 KiB; absent: it imports none. */
  readonly memory?: MemoryLimits;
  /** Why it cannot run here: imports that this host lacks or has with another signature, no entry. Empty: it can. */
  readonly problems: readonly string[];
  /** Texts in its data that look like names. A guess: a script can put names together, or read them from elsewhere. */
  readonly hints: { readonly devices: readonly string[]; readonly firmware: readonly string[] };
}

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
