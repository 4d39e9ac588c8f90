import { writeFileSync } from "node:fs";
import { basename, dirname, join, relative, resolve } from "node:path";
import { AxiscriptError, errnoCode, messageOf, withCause } from "../../util/errors";
import { readRegularFile } from "../../files/regular-file";
import { sourceMapUrl, withSourceMapUrl } from "./wasm-binary";

/** More than V8 takes. */
const MAX_SCRIPT_BYTES = 2 ** 30;
/** Reading a larger source map takes long, and cannot be stopped. asc's have some 30 bytes for each of the module's. */
const MAX_SOURCE_MAP_BYTES = 2 ** 23;

/** A script that is ready to run. */
export interface CompiledScript {
  /** The `.ts` or `.wasm` that it was made from, as it was given. */
  readonly path: string;
  readonly wasm: Uint8Array;
  /** The source map as JSON, read when it is asked for; `undefined` if there is none. */
  readonly sourceMap: () => string | undefined;
  /** What relative paths in the source map are relative to. */
  readonly sourceDirectory: string;
}

/**
 * Reads a compiled script. Its source map is looked for beside it, under the name that the module gives.
 *
 * @throws AxiscriptError ERR_AXI_SCRIPT_NOT_FOUND, ERR_AXI_IO
 */
export function loadWasm(path: string): CompiledScript {
  const wasm = readScript(path);
  let url: { readonly given: string | undefined } | undefined;
  const sourceMap = () => {
    url ??= { given: sourceMapUrl(wasm) };
    return url.given === undefined ? undefined : readBeside(path, url.given);
  };
  return { path, wasm, sourceMap, sourceDirectory: dirname(path) };
}

/**
 * Writes a compiled script as `path` and its source map as `path.map`.
 *
 * @throws AxiscriptError ERR_AXI_IO
 * @example
 * writeScript(await compileScript("script.ts"), "script.wasm");
 */
export function writeScript(script: CompiledScript, path: string): void {
  const mapName = `${basename(path)}.map`;
  try {
    writeFileSync(path, withSourceMapUrl(script.wasm, mapName));
    writeFileSync(`${path}.map`, moveSourceMap(script, dirname(resolve(path))));
  } catch (cause) {
    throw new AxiscriptError("ERR_AXI_IO", `Cannot write ${path}: ${messageOf(cause)}.`, { cause });
  }
}

/** Makes the paths in a source map relative to where it will lie. */
function moveSourceMap(script: CompiledScript, directory: string): string {
  const map = JSON.parse(script.sourceMap() ?? "{}") as { sources?: string[] };
  const sources = (map.sources ?? []).map((source) =>
    source.startsWith("~lib/") ? source : relative(directory, resolve(script.sourceDirectory, source)),
  );
  return JSON.stringify({ ...map, sources });
}

/**
 * Reads a script's file.
 *
 * @throws AxiscriptError ERR_AXI_SCRIPT_NOT_FOUND, ERR_AXI_IO
 */
export function readScript(path: string): Uint8Array {
  try {
    return readRegularFile(path, MAX_SCRIPT_BYTES);
  } catch (cause) {
    const code = errnoCode(cause);
    if (code === "ENOENT" || code === "ENOTDIR") {
      throw new AxiscriptError("ERR_AXI_SCRIPT_NOT_FOUND", `Cannot run ${path}: there is no such file.`, { cause });
    }
    const limit = withCause(cause);
    if (limit instanceof AxiscriptError) throw limit;
    throw new AxiscriptError("ERR_AXI_IO", `Cannot read ${path}: ${code ?? messageOf(cause)}.`, { cause });
  }
}

function readBeside(path: string, url: string): string | undefined {
  try {
    // Only beside the script: a module does not choose what is read.
    return readRegularFile(join(dirname(path), basename(url)), MAX_SOURCE_MAP_BYTES).toString("utf8");
  } catch {
    return undefined;
  }
}
