import { extname } from "node:path";
import { AxiscriptError } from "../../util/errors";
import type { MemoryLimits } from "../../memory/linear-memory";
import type { PermissionLists } from "../permissions/permission";
import { linkProblems } from "./link";
import { formatFlag } from "../permissions/flags";
import { PERMISSION_KEYS, PERMISSION_NAMES, type PermissionKey } from "../permissions/keys";
import { NEEDS } from "../permissions/needs";
import { readScript } from "./script";
import { readData, readInterface, type WasmExport, type WasmImport } from "./wasm-binary";
import { findStrings } from "./wasm-strings";

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

/** Inspects a compiled script. Throws as `inspectScript` says. */
export function inspect(path: string): Inspection {
  if (extname(path) === ".ts") {
    throw new AxiscriptError(
      "ERR_AXI_USAGE",
      `Cannot inspect ${path}: it is source. Build it first: axiscript build ${path}`,
    );
  }
  const bytes = readScript(path);
  if (!WebAssembly.validate(bytes)) {
    throw new AxiscriptError("ERR_AXI_NOT_WASM", `Cannot inspect ${path}: it is not a valid WebAssembly module.`);
  }
  const script = readInterface(bytes);
  const memory = script.imports.find(({ type }) => type.kind === "memory")?.type;
  const permissions = askedPermissions(script.imports);
  return {
    path,
    lengthBytes: bytes.length,
    permissions,
    imports: script.imports.map(({ module, name }) => `${module}.${name}`),
    exports: script.exports,
    ...(memory?.kind === "memory" && { memory: memory.limits }),
    problems: linkProblems(script),
    hints: hintsOf(bytes, permissions),
  };
}

function askedPermissions(imports: readonly WasmImport[]): AskedPermission[] {
  return PERMISSION_KEYS.flatMap((permission) => {
    const asking = imports.filter(({ module, name }) => needsOf(module, name).includes(permission));
    if (asking.length === 0) return [];
    const flag = formatFlag("allow", PERMISSION_NAMES[permission], permission === "uncheckedDma" ? ["NAME"] : []);
    return [{ permission, flag, imports: asking.map(({ module, name }) => `${module}.${name}`) }];
  });
}

/** Names are the script's: no look-up may find what every object has. */
function needsOf(module: string, name: string): readonly PermissionKey[] {
  const functions = Object.hasOwn(NEEDS, module) ? NEEDS[module] : undefined;
  return functions && Object.hasOwn(functions, name) ? (functions[name] ?? []) : [];
}

const FIRMWARE = /^(?:\/lib\/firmware\/.*|[^\s.]\S*\.(?:bin|bit|pdi|dtbo))$/;
const DEVICE = /^[A-Za-z][\w.-]{2,39}(?::[\w.@-]{1,20})?$/;
/** What device names hold, or two words in one. */
const DEVICE_WORDS = /axi|dma|uio|gpio|fpga|[A-Z][a-z]+[A-Z]/;
const MAX_HINTS = 50;

function hintsOf(bytes: Uint8Array, permissions: readonly AskedPermission[]): Inspection["hints"] {
  const asks = (key: PermissionKey) => permissions.some(({ permission }) => permission === key);
  const texts = asks("device") || asks("fpga") ? findStrings(readData(bytes)) : [];
  const select = (isOne: (text: string) => boolean) => [...new Set(texts.filter(isOne))].sort().slice(0, MAX_HINTS);
  const isFirmware = (text: string) => FIRMWARE.test(text);
  return {
    devices: asks("device")
      ? select((text) => DEVICE.test(text) && DEVICE_WORDS.test(text) && !isFirmware(text) && !/^ERR_/.test(text))
      : [],
    firmware: asks("fpga") ? select(isFirmware) : [],
  };
}
