import { parentPort } from "node:worker_threads";
import { compile } from "./compile";
import type { CompileAnswer, CompileJob } from "./compile-thread";
import { toPlain } from "../run/thrown";

/** Compiles a script for the thread that started this one. */
async function answer({ path, flags, withText }: CompileJob): Promise<CompileAnswer> {
  try {
    let text: string | undefined;
    const textFormat = (wat: string) => {
      text = wat;
    };
    const { wasm, sourceMap, sources } = await compile(path, flags, withText ? { textFormat } : {});
    return { wasm, sourceMap: sourceMap(), sources, text };
  } catch (thrown) {
    return { thrown: toPlain(thrown) };
  }
}

parentPort?.on("message", (job: CompileJob) => {
  void answer(job).then((message) => parentPort?.postMessage(message));
});
