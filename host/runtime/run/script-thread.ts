import { join } from "node:path";
import { MessageChannel, type MessagePort, receiveMessageOnPort, type Worker } from "node:worker_threads";
import { AxiscriptError, messageOf, withCause } from "../../util/errors";
import { Gate } from "../../gate/gate";
import type { SeenWindow } from "../../gate/window";
import { terminateExecution } from "../../native/isolate";
import { startWorker } from "../../util/start-worker";
import { ThreadStart } from "../../util/thread-start";
import { requireWorkingDirectory } from "../../util/working-directory";
import { type BoardHandle, openBoard } from "../boards/board-handle";
import { IDLE_TIMEOUT_MS, type RunResult, type RunSettings, type RunStreams, type ScriptIdentity } from "./run";
import { RunControl } from "./run-control";
import { askToStop } from "./run-guard";
import type { ScriptModule } from "../module/module";
import { fromPlain, type PlainThrown } from "./thrown";
import { HOST_DIRECTORY } from "../../util/host-directory";

/** A run, as plain data. */
export interface RunJob {
  readonly script: ScriptModule;
  /** Its bytes are left out where nothing is recorded. */
  readonly identity: ScriptIdentity;
  readonly board: BoardHandle;
  readonly streams: RunStreams;
  /** The time limit, and what is left of it when the script begins. */
  readonly timeoutMs: number | undefined;
  readonly leftMs: number | undefined;
  readonly settings: Omit<RunSettings, "note">;
  /** Buffer of the {@link RunControl}. */
  readonly control: SharedArrayBuffer;
  /** Where to tell what there is to tell; absent: to the event loop of the thread that started this one. */
  readonly port: MessagePort | undefined;
}

/** A run before it is handed to a thread. */
export type PlannedRun = Omit<RunJob, "control" | "port">;

/** What a thread is told. `cleanUp`: a script was stopped; its thread gets to this when the script is cut off. */
export type ToThread = { readonly type: "run"; readonly job: RunJob } | { readonly type: "cleanUp" };

/** What a thread tells. */
export type FromThread =
  | { readonly type: "begin"; readonly gate: WebAssembly.Memory }
  /** What is open in a slot of the gate now. It counts as a note, of which so many are under way at most. */
  | { readonly type: "window"; readonly slot: number; readonly window: SeenWindow | undefined }
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
/**
 * How long a script that was asked to stop may take until its thread counts as stuck. In its own code that is one
 * instruction that fills or copies gigabytes, or a function that V8 compiles; in the host's, a wait of the kernel's.
 */
const STUCK_IN_SCRIPT_MS = 100;
const STUCK_IN_HOST_MS = 2000;
/** How often a thread that waits for a script looks whether to stop it. */
const LOOK_INTERVAL_MS = 10;

/** Who is told what. */
export interface RunListeners {
  /** The script's own code begins: what was before was the host's. */
  readonly onBegin: () => void;
  readonly onNote: (message: string) => void;
  /** The script was asked to stop, and does not. */
  readonly onStuck: () => void;
}

interface CurrentRun extends RunListeners {
  readonly job: RunJob;
  readonly control: RunControl;
  readonly resolve: (result: RunResult) => void;
  readonly reject: (error: unknown) => void;
  /** What is open in the gate that the script's thread has, by slot. */
  readonly windows: Map<number, SeenWindow>;
  gate?: WebAssembly.Memory;
  stuckTimer?: NodeJS.Timeout;
  /** What {@link onNote} threw. */
  noteFailure?: { readonly thrown: unknown };
}

/** Threads that hold memory which a device may be using: they live as long as the process. */
const keepers = new Set<Worker>();
/** Threads with a script in them. */
const running = new Set<ScriptThread>();

let prepared: ScriptThread | undefined;

/** Threads that may not have loaded their native modules yet. */
const starting = new Set<ThreadStart>();
let isAwaited = false;

/** A thread that is about to start: the end of the process waits until it has. */
function newStart(): { readonly start: ThreadStart; readonly words: SharedArrayBuffer } {
  const words = new SharedArrayBuffer(4);
  const start = new ThreadStart(new Int32Array(words), 0);
  for (const other of starting) if (other.isDone) starting.delete(other);
  if (!isAwaited) process.once("exit", awaitStarts);
  isAwaited = true;
  starting.add(start);
  return { start, words };
}

function awaitStarts(): void {
  for (const start of starting) start.await();
}

/** A thread that runs scripts, one at a time. */
export class ScriptThread {
  readonly #worker: Worker;
  #current: CurrentRun | undefined;
  #failure: unknown;
  #ended = false;

  constructor() {
    requireWorkingDirectory();
    const { start, words } = newStart();
    try {
      this.#worker = startWorker(join(HOST_DIRECTORY, "runtime/worker.js"), {
        workerData: words,
        execArgv: [],
        resourceLimits: { stackSizeMb: STACK_MEGABYTES },
      });
    } catch (error) {
      start.done();
      throw error;
    }
    this.#worker.on("message", (message: FromThread) => this.#receive(message));
    this.#worker.on("error", (error) => {
      this.#failure = error;
    });
    this.#worker.once("exit", () => {
      start.done();
      this.#lose();
    });
  }

  /** Starts a thread ahead of time: it takes some 40 ms until it can run a script, in parallel to whatever comes first. */
  static prepare(): void {
    prepared ??= new ScriptThread();
    prepared.#worker.unref();
  }

  /** The thread that was prepared, or a new one. */
  static take(): ScriptThread {
    const thread = prepared?.alive ? prepared : new ScriptThread();
    prepared = undefined;
    return thread;
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
  run(planned: PlannedRun, listeners: RunListeners): Promise<RunResult> {
    return new Promise((resolve, reject) => this.#start(planned, { ...listeners, resolve, reject }));
  }

  /**
   * As {@link run}, while the calling thread waits.
   *
   * @param look called every few milliseconds; may {@link stop} the script
   */
  runSync(planned: PlannedRun, listeners: RunListeners, look: () => void): RunResult {
    const { port1: port, port2 } = new MessageChannel();
    let end: { readonly result: RunResult } | { readonly error: unknown } | undefined;
    const resolve = (result: RunResult) => {
      end = { result };
    };
    const reject = (error: unknown) => {
      end = { error };
    };
    const control = this.#start(planned, { ...listeners, resolve, reject }, port2);
    while (!end) {
      const received = receiveMessageOnPort(port) as { readonly message: FromThread } | undefined;
      if (received) this.#receive(received.message);
      else if (!control.awaitMessage(LOOK_INTERVAL_MS) && !control.isThreadAlive()) this.#lose();
      look();
    }
    port.close();
    if ("error" in end) throw end.error;
    return end.result;
  }

  #start(
    planned: PlannedRun,
    listeners: RunListeners & Pick<CurrentRun, "resolve" | "reject">,
    port?: MessagePort,
  ): RunControl {
    const control = new RunControl();
    const job = { ...planned, control: control.buffer, port };
    this.#current = { ...listeners, job, control, windows: new Map() };
    this.#worker.ref();
    // Before the listener that ends a board.
    if (running.size === 0) process.prependListener("exit", stopAll);
    running.add(this);
    this.#worker.postMessage({ type: "run", job } satisfies ToThread, port ? [port] : []);
    return control;
  }

  /** Stops the script that runs, if there is one. Returns at once. */
  stop(): void {
    if (!this.#current) return;
    const { control } = this.#current;
    const isInScript = askToStop(control.state);
    if (isInScript) terminateExecution(control.isolate);
    this.#worker.postMessage({ type: "cleanUp" } satisfies ToThread);
    this.#current.stuckTimer ??= setTimeout(
      this.#current.onStuck,
      isInScript ? STUCK_IN_SCRIPT_MS : STUCK_IN_HOST_MS,
    ).unref();
  }

  /**
   * Blocks until the script, which was stopped, has given back what it held. If that takes too long, brings its devices
   * to rest from here, and has the board forget its memory: the process must end then.
   */
  awaitEnd(): void {
    const current = this.#current;
    if (!current?.control.takeOver(STUCK_IN_SCRIPT_MS, STUCK_IN_HOST_MS)) return;
    const { gate, windows, control, job } = current;
    if (gate) new Gate({ memory: gate, windows }).bringToRest(IDLE_TIMEOUT_MS);
    const { memory } = control;
    if (memory.lengthBytes > 0) openBoard(job.board).withdrawMemory(memory);
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
        current.gate = message.gate;
        current.onBegin();
        break;
      case "window":
        current.control.noteArrived();
        if (message.window) current.windows.set(message.slot, message.window);
        else current.windows.delete(message.slot);
        break;
      case "note":
        this.#tell(current, message.message);
        current.control.noteArrived();
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
    clearTimeout(this.#current?.stuckTimer);
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
    const cause = withCause(this.#failure);
    if (cause instanceof AxiscriptError) {
      current.reject(cause);
      return;
    }
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
}

/** At the end of the process: Node would end the threads with all that their scripts hold. */
function stopAll(): void {
  const threads = [...running];
  for (const thread of threads) thread.stop();
  for (const thread of threads) thread.awaitEnd();
}
