import { type CompileOptions } from "./compile";
import { compileScriptBeside } from "./compile-thread";
import { loadModuleBeside } from "./module";
import type { RunLimits, RunResult } from "./run";
import type { CompiledScript } from "./script";
import type { RunJob } from "./script-thread";
import { aborted, type RunHooks, ScriptThreads } from "./script-threads";
import { scriptError } from "./traps";

/** Gives a script that is ready to run, while the event loop goes on turning. Throws ERR_AXI_ABORTED besides. */
export async function compile(
  script: string | CompiledScript,
  options: CompileOptions,
  signal: AbortSignal | undefined,
): Promise<CompiledScript> {
  throwIfAborted(signal);
  if (typeof script === "object") return script;
  try {
    return await compileScriptBeside(script, options, signal);
  } finally {
    throwIfAborted(signal);
  }
}

export function createThreads(): ScriptThreads {
  return new ScriptThreads();
}

/**
 * Runs a script in a thread of its own.
 *
 * @throws AxiscriptError whatever ended the script, with its place in the source
 */
export async function run(
  threads: ScriptThreads,
  script: CompiledScript,
  job: Pick<RunJob, "board" | "streams" | "settings">,
  { timeoutMs, maxMemoryBytes }: RunLimits,
  hooks: RunHooks,
): Promise<RunResult> {
  const loaded = await unlessAborted(loadModuleBeside(script, maxMemoryBytes), hooks.signal);
  try {
    const wasm = job.settings.audit === undefined ? new Uint8Array() : script.wasm;
    return await threads.run({ ...job, script: loaded, identity: { path: script.path, wasm }, timeoutMs }, hooks);
  } catch (error) {
    throw scriptError(error, script, loaded);
  }
}

/** What a promise gives, or the error of a signal that comes first. Nothing else is stopped. */
async function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  throwIfAborted(signal);
  if (!signal) return promise;
  let onAbort: (() => void) | undefined;
  const abort = new Promise<never>((_, reject) => {
    onAbort = () => reject(aborted(signal));
    signal.addEventListener("abort", onAbort);
  });
  try {
    return await Promise.race([promise, abort]);
  } finally {
    if (onAbort) signal.removeEventListener("abort", onAbort);
  }
}

function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw aborted(signal);
}
