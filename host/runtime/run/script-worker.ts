import { threadStart } from "./begin";
import { type MessagePort, parentPort } from "node:worker_threads";
import { waitUntil } from "../../util/wait";
import { AxiscriptError } from "../../util/errors";
import { currentIsolate, terminateExecution } from "../../native/isolate";
import { openBoard } from "../boards/board-handle";
import { type Board, type RunResult, ScriptRun } from "./run";
import { RunControl } from "./run-control";
import { RunGuard } from "./run-guard";
import type { FromThread, RunJob, ToThread } from "./script-thread";
import { toPlain } from "./thrown";
import { callWithin } from "./time-limit";

/** The time limit is kept by the thread that asked for the run, if it waits or its event loop turns; else, so much later, here. */
const TIMEOUT_GRACE_MS = 1000;
/** A note waits until earlier ones were taken. */
const NOTE_TIMEOUT_MS = 2 ** 31;

/** Runs scripts, one after another, for the thread that started this one. */
class ScriptWorker {
  readonly #port: MessagePort;
  #run: ScriptRun | undefined;
  #control: RunControl | undefined;
  #guard: RunGuard | undefined;
  /** Where to tell what there is to tell. */
  #told: MessagePort;

  constructor(port: MessagePort) {
    this.#told = this.#port = port;
    port.on("message", (message: ToThread) => {
      if (message.type === "run") this.#start(message.job);
      else this.#cleanUp();
    });
  }

  #start({ script, identity, board, streams, timeoutMs, leftMs, settings, control: buffer, port }: RunJob): void {
    const control = new RunControl(buffer);
    if (!control.start.begin()) return;
    this.#control = control;
    this.#told = port ?? this.#port;
    control.noteThread();
    control.isolate = currentIsolate();
    control.start.done();
    const guard = (this.#guard = new RunGuard(control.state, () => terminateExecution(control.isolate)));
    let result: RunResult | undefined;
    let thrown: unknown;
    try {
      const note = (message: string) => this.#note(message);
      const observedBoard = observed(openBoard(board), control);
      const run = new ScriptRun(script, identity, observedBoard, streams, { ...settings, note }, guard);
      this.#run = run;
      const gate = run.shareGate((slot, window) => this.#tell({ type: "window", slot, window }));
      this.#send({ type: "begin", gate });
      result = run.execute((body) => {
        if (timeoutMs === undefined || port) body();
        else callWithin(body, timeoutMs, (leftMs ?? timeoutMs) + TIMEOUT_GRACE_MS);
      });
    } catch (error) {
      thrown = error;
    }
    this.#finish(result ? { result } : { thrown });
  }

  /** After a script was cut off: nothing of the call that it was in has happened since. */
  #cleanUp(): void {
    if (!this.#control) return;
    this.#finish({
      thrown: this.#guard?.first?.thrown ?? new AxiscriptError("ERR_AXI_ABORTED", "The script was stopped."),
    });
  }

  #finish(end: { readonly result: RunResult } | { readonly thrown: unknown }): void {
    let outcome: object = "result" in end ? end : { thrown: toPlain(end.thrown) };
    let keepsMemory = false;
    this.#guard = undefined;
    this.#control?.beginEnd();
    try {
      keepsMemory = this.#run?.close() ?? false;
    } catch (error) {
      if ("result" in end) outcome = { thrown: toPlain(error) };
    }
    this.#control?.end();
    this.#send({ type: "done", keepsMemory, ...outcome });
    if (this.#told !== this.#port) this.#told.close();
    this.#run = this.#control = undefined;
  }

  #note(message: string): void {
    this.#tell({ type: "note", message });
    const control = this.#control;
    // Who waits for the script hears of it at the moment at which it is said.
    if (this.#guard && control && this.#told !== this.#port)
      waitUntil(() => control.notesUnderWay === 0, NOTE_TIMEOUT_MS);
  }

  /** Sends what a script can make the host say as often as it likes. */
  #tell(message: FromThread): void {
    const control = this.#control;
    // What the clean-up has to say waits for nobody.
    if (this.#guard && control) waitUntil(() => control.tryNote(), NOTE_TIMEOUT_MS);
    this.#send(message);
  }

  #send(message: FromThread): void {
    this.#told.postMessage(message);
    this.#control?.messageSent();
  }
}

/** Has the other thread know of the memory, in case that this one fails. */
function observed(board: Board, control: RunControl): Board {
  return {
    ...board,
    shareMemory: (range) => {
      control.memory = range;
      board.shareMemory(range);
    },
  };
}

if (parentPort) new ScriptWorker(parentPort);

threadStart.done();
