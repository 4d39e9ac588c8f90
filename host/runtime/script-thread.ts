import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { AxiscriptError, messageOf } from "../errors";
import { terminateExecution } from "../native/isolate";
import { requireWorkingDirectory } from "../working-directory";
import { type BoardHandle, openBoard } from "./board-handle";
import type { RunResult, RunSettings, RunStreams, ScriptIdentity } from "./run";
import { RunControl } from "./run-control";
import { askToStop } from "./run-guard";
import type { ScriptModule } from "./module";
import { fromPlain, type PlainThrown } from "./thrown";

/** A run, as plain data. */
export interface RunJob {
  readonly script: ScriptModule;
  /** Its bytes are left out where nothing is recorded. */
  readonly identity: ScriptIdentity;
  readonly board: BoardHandle;
  readonly streams: RunStreams;
  readonly timeoutMs: number | undefined;
  readonly settings: Omit<RunSettings, "note" | "pinner">;
  /** Buffer of the {@link RunControl}. */
  readonly control: SharedArrayBuffer;
}

/** What a thread is told. `cleanUp`: a script was stopped; its thread gets to this when the script is cut off. */
export type ToThread = { readonly type: "run"; readonly job: RunJob } | { readonly type: "cleanUp" };

/** What a thread tells. */
export type FromThread =
  | { readonly type: "begin" }
  | { readonly type: "note"; readonly message: string }
  | {
      readonly type: "done";
      readonly result?: RunResult;
      readonly thrown?: PlainThrown;
      /** Memory had to be kept that is gone when the thread ends. */
      readonly keepsMemory: boolean;
    };

/** As V8 has it for threads. WebAssembly that recurses without end traps there. */
const STACK_MEGABYTES = 4;
/** How long the end of the process waits for a script that is stopped then. */
const EXIT_TIMEOUT_MS = 3000;

/** Who is told what. */
export interface RunListeners {
  /** The script's own code begins: what was before was the host's. */
  readonly onBegin: () => void;
  readonly onNote: (message: string) => void;
}

interface CurrentRun extends RunListeners {
  readonly job: RunJob;
  readonly control: RunControl;
  readonly resolve: (result: RunResult) => void;
  readonly reject: (error: unknown) => void;
  /** What {@link onNote} threw. */
  noteFailure?: { readonly thrown: unknown };
}

/** Threads that hold memory which a device may be using: they live as long as the process. */
const keepers = new Set<Worker>();
/** Threads with a script in them. */
const running = new Set<ScriptThread>();

/** A thread that runs scripts, one at a time. */
export class ScriptThread {
  readonly #worker: Worker;
  #current: CurrentRun | undefined;
  #failure: unknown;
  #ended = false;

  constructor() {
    requireWorkingDirectory();
    this.#worker = new Worker(join(__dirname, "../runtime/script-worker.js"), {
      execArgv: [],
      resourceLimits: { stackSizeMb: STACK_MEGABYTES },
    });
    this.#worker.on("message", (message: FromThread) => this.#receive(message));
    this.#worker.on("error", (error) => {
      this.#failure = error;
    });
    this.#worker.once("exit", () => this.#lose());
  }

  /** Whether it can run another script. */
  get alive(): boolean {
    return !this.#ended;
  }

  /**
   * Runs a script. The program does not end before the script does.
   *
   * @throws whatever ended the script; {@link stop}: ERR_AXI_ABORTED, when all is given back that the script held
   */
  run(job: Omit<RunJob, "control">, listeners: RunListeners): Promise<RunResult> {
    const control = new RunControl();
    const whole = { ...job, control: control.buffer };
    return new Promise((resolve, reject) => {
      this.#current = { ...listeners, job: whole, control, resolve, reject };
      this.#worker.ref();
      // Before the listener that ends a board.
      if (running.size === 0) process.prependListener("exit", stopAll);
      running.add(this);
      this.#send({ type: "run", job: whole });
    });
  }

  /** Stops the script that runs, if there is one. Returns at once. */
  stop(): void {
    if (!this.#current) return;
    const { control } = this.#current;
    if (askToStop(control.state)) terminateExecution(control.isolate);
    this.#send({ type: "cleanUp" });
  }

  /** Blocks until the script that runs has given back what it held, for a while. */
  awaitEnd(timeoutMs: number): void {
    this.#current?.control.awaitEnd(timeoutMs);
  }

  /** Ends the thread, which must not be running a script. */
  async end(): Promise<void> {
    this.#ended = true;
    if (!keepers.has(this.#worker)) await this.#worker.terminate();
  }

  #receive(message: FromThread): void {
    const current = this.#current;
    if (!current) return;
    switch (message.type) {
      case "begin":
        current.onBegin();
        break;
      case "note":
        current.control.noteArrived();
        this.#tell(current, message.message);
        break;
      case "done":
        this.#end(current, message);
    }
  }

  #end(current: CurrentRun, message: FromThread & { type: "done" }): void {
    if (message.keepsMemory) keepers.add(this.#worker);
    this.#settle();
    if (current.noteFailure) current.reject(current.noteFailure.thrown);
    else if (message.result) current.resolve(message.result);
    else if (message.thrown) current.reject(fromPlain(message.thrown));
  }

  /** A listener that throws ends the run, as it does where it is called from the script itself. */
  #tell(current: CurrentRun, note: string): void {
    try {
      current.onNote(note);
    } catch (thrown) {
      current.noteFailure ??= { thrown };
      this.stop();
    }
  }

  #settle(): void {
    this.#current = undefined;
    running.delete(this);
    if (running.size === 0) process.off("exit", stopAll);
    this.#worker.unref();
  }

  /** The thread has ended by itself: V8 ends one whose heap is full. */
  #lose(): void {
    this.#ended = true;
    const current = this.#current;
    if (!current) return;
    this.#settle();
    const { memory } = current.control;
    if (memory.lengthBytes > 0) openBoard(current.job.board).withdrawMemory(memory);
    current.reject(
      new AxiscriptError(
        "ERR_AXI_LIMIT",
        `The script's thread ended: ${messageOf(this.#failure ?? "for no known reason")}.`,
        {
          cause: this.#failure,
        },
      ),
    );
  }

  #send(message: ToThread): void {
    this.#worker.postMessage(message);
  }
}

/** At the end of the process: Node would end the threads with all that their scripts hold. */
function stopAll(): void {
  const threads = [...running];
  for (const thread of threads) thread.stop();
  for (const thread of threads) thread.awaitEnd(EXIT_TIMEOUT_MS);
}
