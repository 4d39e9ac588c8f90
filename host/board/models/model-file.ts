import { statSync } from "node:fs";
import { resolve } from "node:path";
import { setTimeout } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { errnoCode, messageOf } from "../../util/errors";
import { checkBeside } from "./model-conflicts";
import { printingToStderr } from "./model-console";
import { cannotUse, checkDescription } from "./model-description";
import type { LoadedModel } from "../cores/user-core";

/** A module that waits for longer before it is loaded waits for something that never comes. */
const LOAD_TIMEOUT_MS = 10_000;

/** What TypeScript makes of a module for `require`. */
interface Transpiled {
  readonly __esModule: true;
  readonly default?: unknown;
}

/**
 * Loads models of the user's own, and sees that they can be together on one board.
 *
 * @param paths of JavaScript modules, relative to the working directory
 * @param timeoutMs how long each may take to be loaded
 * @throws AxiscriptError ERR_AXI_MODEL
 */
export async function loadModels(paths: readonly string[], timeoutMs = LOAD_TIMEOUT_MS): Promise<LoadedModel[]> {
  const models: LoadedModel[] = [];
  for (const path of paths) {
    const model = await loadModel(resolve(path), timeoutMs);
    checkBeside(model, models);
    models.push(model);
  }
  return models;
}

async function loadModel(path: string, timeoutMs: number): Promise<LoadedModel> {
  const module = await importFile(path, timeoutMs);
  const { default: exported } = module;
  const found = isTranspiled(exported) ? exported.default : exported;
  if (found === undefined) {
    const others = Object.keys(module).join(", ") || "nothing";
    throw cannotUse(
      path,
      `it has no default export (it exports ${others}), and should have: export default { kind, … }`,
    );
  }
  return { path, description: checkDescription(path, found) };
}

function isTranspiled(exported: unknown): exported is Transpiled {
  return typeof exported === "object" && exported !== null && "__esModule" in exported;
}

async function importFile(path: string, timeoutMs: number): Promise<Record<string, unknown>> {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (!stat?.isFile()) {
    throw cannotUse(
      path,
      `${stat ? "it is no file" : "there is no such file"}. A model is a JavaScript module, as my-core.mjs`,
    );
  }
  const late = new AbortController();
  try {
    const loading = printingToStderr(() => import(pathToFileURL(path).href) as Promise<Record<string, unknown>>);
    const timeout = setTimeout(timeoutMs, undefined, { signal: late.signal }).then(() => {
      throw new Error(`it is not loaded after ${timeoutMs} ms; is there an await that never ends?`);
    });
    timeout.catch(() => {});
    return await Promise.race([loading, timeout]);
  } catch (cause) {
    throw cannotUse(path, reasonOf(cause, path), cause);
  } finally {
    late.abort();
  }
}

/** What a module failed of, with its place where the engine says it, and what to do. */
function reasonOf(cause: unknown, path: string): string {
  const lines = (cause instanceof Error && cause.stack?.split("\n")) || [];
  const place = lines.find((line) => /^\s+at .*file:\/\//.test(line));
  return `${messageOf(cause)}${place === undefined ? "" : ` (${place.trim()})`}${adviceFor(cause, path)}`;
}

function adviceFor(cause: unknown, path: string): string {
  if (cause instanceof SyntaxError) return `. To see where: node --check ${path}`;
  return errnoCode(cause) === "ERR_UNKNOWN_FILE_EXTENSION" ? ". Compile TypeScript to JavaScript first" : "";
}
