import { join } from "node:path";
import type { Worker } from "node:worker_threads";
import { AxiscriptError, messageOf } from "../../util/errors";
import { startWorker } from "../../util/start-worker";
import { type CompileOptions, type Compiler, compileScriptWith } from "./compile";
import type { SourceFile } from "./compile-cache";
import type { CompiledScript } from "../module/script";
import { fromPlain, type PlainThrown } from "../run/thrown";
import { HOST_DIRECTORY } from "../../util/host-directory";

/** What the thread is to compile. */
export interface CompileJob {
  readonly path: string;
  readonly flags: readonly string[];
  readonly withText: boolean;
}

/** What the thread answers. */
export type CompileAnswer =
  | { readonly thrown: PlainThrown }
  | {
      readonly wasm: Uint8Array;
      readonly sourceMap: string;
      readonly sources: readonly SourceFile[];
      readonly text: string | undefined;
    };

/**
 * As `compileScript`, with the compiler in a thread of its own, so that the event loop goes on turning.
 *
 * @param signal ends the compiler
 * @throws AxiscriptError what `compileScript` throws; ERR_AXI_ABORTED
 */
export function compileScriptBeside(
  path: string,
  options: CompileOptions,
  signal: AbortSignal | undefined,
): Promise<CompiledScript> {
  const compiler: Compiler = async (file, flags, { onCompile, textFormat }) => {
    onCompile?.(file);
    const answer = await askThread({ path: file, flags, withText: textFormat !== undefined }, signal);
    if ("thrown" in answer) throw fromPlain(answer.thrown);
    if (answer.text !== undefined) textFormat?.(answer.text);
    return { ...answer, sourceMap: () => answer.sourceMap };
  };
  return compileScriptWith(path, options, compiler);
}

/** How long a compiler is kept for the next script: it is warm then, and takes 100 MB. */
const KEEP_MS = 30_000;

let idle: Worker | undefined;
let idleTimer: NodeJS.Timeout | undefined;

async function askThread(job: CompileJob, signal: AbortSignal | undefined): Promise<CompileAnswer> {
  const worker = takeThread();
  try {
    const answer = await ask(worker, job, signal);
    keep(worker);
    return answer;
  } catch (error) {
    await worker.terminate();
    throw error;
  }
}

function ask(worker: Worker, job: CompileJob, signal: AbortSignal | undefined): Promise<CompileAnswer> {
  const failed = (because: string) => new AxiscriptError("ERR_AXI_COMPILE", `Cannot compile ${job.path}: ${because}`);
  return new Promise((resolve, reject) => {
    const onAbort = () => settle(new AxiscriptError("ERR_AXI_ABORTED", `The compilation of ${job.path} was stopped.`));
    const onError = (cause: Error) => settle(failed(messageOf(cause)));
    const onExit = () => settle(failed("the compiler's thread ended"));
    const settle = (answer: CompileAnswer | AxiscriptError) => {
      worker.off("message", settle).off("error", onError).off("exit", onExit);
      signal?.removeEventListener("abort", onAbort);
      if (answer instanceof AxiscriptError) reject(answer);
      else resolve(answer);
    };
    worker.on("message", settle).on("error", onError).on("exit", onExit);
    signal?.addEventListener("abort", onAbort);
    worker.postMessage(job);
  });
}

function takeThread(): Worker {
  clearTimeout(idleTimer);
  const worker = idle ?? startThread();
  idle = undefined;
  worker.ref();
  return worker;
}

function startThread(): Worker {
  const worker = startWorker(join(HOST_DIRECTORY, "runtime/compile/compile-worker.js"), { execArgv: [] });
  worker.once("exit", () => {
    if (idle === worker) idle = undefined;
  });
  // Whoever waits for an answer hears of it; nobody else needs to.
  worker.on("error", () => {});
  return worker;
}

function keep(worker: Worker): void {
  worker.unref();
  if (idle) void worker.terminate();
  else idle = worker;
  clearTimeout(idleTimer);
  idleTimer = setTimeout(() => {
    void idle?.terminate();
    idle = undefined;
  }, KEEP_MS).unref();
}
