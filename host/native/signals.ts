import { constants } from "node:os";
import { isMainThread } from "node:worker_threads";
import { recorderAddress, recordedSignals, forwardRecorded } from "./signal-recorder";
import { signalAction } from "./libc";

/** Signals by which a person or a system asks a process to end. */
export const TERMINATION_SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
export type TerminationSignal = (typeof TERMINATION_SIGNALS)[number];

/** sizeof(struct sigaction) and the offset of sa_flags; glibc and musl on x86-64 and arm64. */
const SIGACTION_BYTES = 152;
const FLAGS_OFFSET = 136;
const SA_SIGINFO = 4;
const SA_RESTART = 0x10000000;
const SIG_IGN = 1n;

/** A time during which the termination signals are recorded, and end nothing. */
export interface SignalRecording {
  /** The first of {@link TERMINATION_SIGNALS} that came since the outermost recording began. */
  arrived(): TerminationSignal | undefined;
  /**
   * Lets the signals also interrupt a running script: `vm.Script` with `breakOnSigint` installs a handler for SIGINT
   * that stops even WebAssembly that spins, and the recorder calls it for each of them. To be called inside the
   * interruptible call, when that handler is in place.
   */
  interrupt(): void;
  /** Gives the signals their former effect. */
  end(): void;
}

let recordings = 0;
/** What waits for the end of the outermost recording. */
const waiting = new Set<() => void>();

/**
 * Calls a function that adds or takes away listeners for the termination signals: at once, or when nothing is recorded any
 * more. Node would else give the signals an effect of its own meanwhile.
 */
export function whenNotRecorded(body: () => void): void {
  if (recordings === 0) body();
  else waiting.add(body);
}

/** Whether the process ignores a signal, as under `nohup`: a listener would end that. */
export function isIgnored(name: TerminationSignal): boolean {
  return handlerOf(readAction(name)) === SIG_IGN;
}

/**
 * Starts to record the termination signals. JavaScript handlers cannot run while WebAssembly spins on the main thread,
 * and a one-shot handler lets the second of two signals end the process: `timeout` and npm send each of theirs twice.
 * Signals that the process ignores, as under `nohup`, stay ignored. In a worker nothing is recorded.
 */
export function recordSignals(): SignalRecording {
  // Signals are the process's, and a worker's threads end in any order: only the main thread handles them.
  if (!isMainThread) return { arrived: () => undefined, interrupt: () => {}, end: () => {} };
  if (recordings++ === 0) {
    recordedSignals.fill(0);
    forwardRecorded(undefined);
  }
  const action = actionOf(recorderAddress);
  const saved = TERMINATION_SIGNALS.map((name) => ({ name, old: readAction(name) })).filter(
    ({ old }) => handlerOf(old) !== SIG_IGN,
  );
  for (const { name } of saved) setAction(name, action);
  return {
    arrived: () => TERMINATION_SIGNALS.find((name) => recordedSignals[constants.signals[name]] === 1),
    interrupt: () => {
      forwardRecorded(handlerOf(readAction("SIGINT")));
      setAction("SIGINT", saved.some(({ name }) => name === "SIGINT") ? action : actionOf(SIG_IGN));
    },
    end: () => {
      recordings--;
      forwardRecorded(undefined);
      for (const { name, old } of saved) setAction(name, old);
      if (recordings > 0) return;
      for (const body of waiting) body();
      waiting.clear();
    },
  };
}

function readAction(name: TerminationSignal): Uint8Array {
  const action = new Uint8Array(SIGACTION_BYTES);
  signalAction(constants.signals[name], null, action);
  return action;
}

function setAction(name: TerminationSignal, action: Uint8Array): void {
  signalAction(constants.signals[name], action, null);
}

function actionOf(handler: bigint): Uint8Array {
  const view = new DataView(new ArrayBuffer(SIGACTION_BYTES));
  view.setBigUint64(0, handler, true);
  view.setUint32(FLAGS_OFFSET, SA_SIGINFO | SA_RESTART, true);
  return new Uint8Array(view.buffer);
}

function handlerOf(action: Uint8Array): bigint {
  return new DataView(action.buffer).getBigUint64(0, true);
}
