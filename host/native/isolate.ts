import koffi from "koffi";
import { AxiscriptError, messageOf } from "../util/errors";

/*
 * V8's own functions, which the node binary exports for its addons, by their names in the object file (Itanium C++ ABI).
 * Source: v8/include/v8-isolate.h.
 */
const GET_CURRENT = "_ZN2v87Isolate10GetCurrentEv";
const TERMINATE_EXECUTION = "_ZN2v87Isolate18TerminateExecutionEv";

/** Address of the JavaScript engine of a thread (`v8::Isolate`). */
export type IsolateAddress = number;

interface Engine {
  readonly getCurrent: () => IsolateAddress;
  readonly terminateExecution: (isolate: IsolateAddress) => void;
}

let loaded: Engine | undefined;

/** The calling thread's. Throws as {@link terminateExecution}. */
export function currentIsolate(): IsolateAddress {
  return engine().getCurrent();
}

/**
 * Ends what a thread's JavaScript and WebAssembly are doing, as soon as they look: at a function's entry, at the end of a
 * loop's round, or in `Atomics.wait`. Nothing catches that, no `finally` runs, and the thread's event loop goes on with
 * its next event. May be called from any thread.
 *
 * If no JavaScript runs there, it ends what runs next.
 *
 * @throws AxiscriptError ERR_AXI_UNSUPPORTED_PLATFORM if this node does not export its engine
 */
export function terminateExecution(isolate: IsolateAddress): void {
  engine().terminateExecution(isolate);
}

function engine(): Engine {
  if (loaded) return loaded;
  try {
    const program = koffi.load(null);
    loaded = {
      getCurrent: program.func(GET_CURRENT, "intptr_t", []),
      terminateExecution: program.func(TERMINATE_EXECUTION, "void", ["intptr_t"]),
    };
    return loaded;
  } catch (cause) {
    throw new AxiscriptError(
      "ERR_AXI_UNSUPPORTED_PLATFORM",
      `Cannot run a script in a thread of its own: this build of Node ${process.versions.node} does not export V8's ` +
        `functions (${messageOf(cause)}). Use the Node of nodejs.org or of your distribution, or runSync().`,
      { cause },
    );
  }
}
