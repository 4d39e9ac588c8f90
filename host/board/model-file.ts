import { statSync } from "node:fs";
import { resolve } from "node:path";
import { setTimeout } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { errnoCode, messageOf } from "../errors";
import { checkBeside } from "./model-conflicts";
import { cannotUse, checkDescription } from "./model-description";
import type { LoadedModel } from "./user-core";

/** A module that waits for longer before it is loaded waits for something that never comes. */
const LOAD_TIMEOUT_MS = 10_000;

/**
 * Loads models of the user's own, and sees that they can be together on one board.
 *
 * @param paths of JavaScript modules, relative to the working directory
 * @throws AxiscriptError ERR_AXI_MODEL
 */
export async function loadModels(paths: readonly string[]): Promise<LoadedModel[]> {
  const models: LoadedModel[] = [];
  for (const path of paths) {
    const model = await loadModel(resolve(path));
    checkBeside(model, models);
    models.push(model);
  }
  return models;
}

async function loadModel(path: string): Promise<LoadedModel> {
  const module = await importFile(path);
  const found: unknown = module["default"];
  if (found === undefined) {
    const others = Object.keys(module).join(", ") || "nothing";
    throw cannotUse(
      path,
      `it has no default export (it exports ${others}), and should have: export default { kind, … }`,
    );
  }
  return { path, description: checkDescription(path, found) };
}

async function importFile(path: string): Promise<Record<string, unknown>> {
  if (!statSync(path, { throwIfNoEntry: false })?.isFile()) {
    throw cannotUse(path, "there is no such file. A model is a JavaScript module, as my-core.mjs");
  }
  const late = new AbortController();
  try {
    const loading = import(pathToFileURL(path).href) as Promise<Record<string, unknown>>;
    const timeout = setTimeout(LOAD_TIMEOUT_MS, undefined, { signal: late.signal }).then(() => {
      throw new Error(`it is not loaded after ${LOAD_TIMEOUT_MS / 1000} s; is there an await that never ends?`);
    });
    timeout.catch(() => {});
    return await Promise.race([loading, timeout]);
  } catch (cause) {
    throw cannotUse(path, reasonOf(cause), cause);
  } finally {
    late.abort();
  }
}

/** What a module failed of, and where: the stack of a syntax error begins with the place, others have it in a line. */
function reasonOf(cause: unknown): string {
  const [first = "", ...lines] = (cause instanceof Error && cause.stack?.split("\n")) || [];
  const place = first.startsWith("file://") ? first : lines.find((line) => line.includes("file://"))?.trim();
  const advice = errnoCode(cause) === "ERR_UNKNOWN_FILE_EXTENSION" ? ". Compile TypeScript to JavaScript first" : "";
  return `${messageOf(cause)}${place === undefined ? "" : ` (${place})`}${advice}`;
}
