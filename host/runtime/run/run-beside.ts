import { monotonicMs } from "../../util/clock";
import { type CompileOptions } from "../compile/compile";
import { compileScriptBeside } from "../compile/compile-thread";
import { loadModule, loadModuleBeside } from "../module/module";
import type { RunLimits, RunResult, ScriptIdentity } from "./run";
import type { CompiledScript } from "../module/script";
import type { PlannedRun } from "./script-thread";
import { aborted, after, type RunHooks, ScriptThreads } from "./script-threads";
import { timedOut } from "./time-limit";
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
  job: Pick<PlannedRun, "board" | "streams" | "settings">,
  { timeoutMs, maxMemoryBytes }: RunLimits,
  hooks: RunHooks,
): Promise<RunResult> {
  const begun = monotonicMs();
  const loading = loadModuleBeside(script, maxMemoryBytes, hooks.onStuck === undefined);
  const loaded = await unlessStopped(loading, hooks.signal, timeoutMs);
  const leftMs = timeoutMs === undefined ? undefined : Math.max(timeoutMs - (monotonicMs() - begun), 1);
  try {
    return await threads.run(
      { ...job, script: loaded, identity: identityOf(script, job.settings), timeoutMs, leftMs },
      hooks,
    );
  } catch (error) {
    throw scriptError(error, script, loaded);
  }
}

/** As {@link run}, while the calling thread waits; V8 compiles on that thread, and does not heed the time limit. */
export function runSync(
  threads: ScriptThreads,
  script: CompiledScript,
  job: Pick<PlannedRun, "board" | "streams" | "settings">,
  { timeoutMs, maxMemoryBytes }: RunLimits,
  hooks: Pick<RunHooks, "onNote" | "board">,
): RunResult {
  const loaded = loadModule(script, maxMemoryBytes);
  const identity = identityOf(script, job.settings);
  try {
    return threads.runSync({ ...job, script: loaded, identity, timeoutMs, leftMs: timeoutMs }, hooks);
  } catch (error) {
    throw scriptError(error, script, loaded);
  }
}

function identityOf({ path, wasm }: CompiledScript, { audit }: PlannedRun["settings"]): ScriptIdentity {
  return { path, wasm: audit === undefined ? new Uint8Array() : wasm };
}

/** What a promise gives, or the error of a signal or time limit that comes first. Nothing else is stopped. */
async function unlessStopped<T>(
  promise: Promise<T>,
  signal: AbortSignal | undefined,
  timeoutMs: number | undefined,
): Promise<T> {
  throwIfAborted(signal);
  let forget = () => {};
  const stop = new Promise<never>((_, reject) => {
    const onAbort = () => reject(aborted(signal));
    signal?.addEventListener("abort", onAbort);
    const cancel = timeoutMs === undefined ? () => {} : after(timeoutMs, () => reject(timedOut(timeoutMs)));
    forget = () => {
      signal?.removeEventListener("abort", onAbort);
      cancel();
    };
  });
  // What comes of it later is of no use to anybody.
  promise.catch(() => {});
  try {
    return await Promise.race([promise, stop]);
  } finally {
    forget();
  }
}

function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw aborted(signal);
}
