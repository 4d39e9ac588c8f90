import { constants } from "node:os";
import { isMainThread } from "node:worker_threads";
import { monotonicMs } from "../util/clock";
import { recordedSignals, recorderAddress } from "./signal-recorder";
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
/** `timeout` and npm send each of their signals twice, at once; a person does not. */
const AGAIN_MS = 200;

/** A time during which the termination signals are recorded, and end nothing. */
export interface SignalRecording {
  /** The first of {@link TERMINATION_SIGNALS} that came since the outermost recording began. */
  arrived(): TerminationSignal | undefined;
  /** Whether one came again since, a while after the first was seen: a person insists. */
  again(): boolean;
  /** Gives the signals their former effect. */
  end(): void;
}

let recordings = 0;
/** The first signal of the outermost recording, and when it was seen. */
let first: { readonly name: TerminationSignal; readonly atMs: number } | undefined;
let cameAgain = false;

/** Takes note of what came. */
function look(): void {
  const name = TERMINATION_SIGNALS.find((each) => recordedSignals[constants.signals[each]] === 1);
  if (name === undefined) return;
  for (const each of TERMINATION_SIGNALS) recordedSignals[constants.signals[each]] = 0;
  const now = monotonicMs();
  if (!first) first = { name, atMs: now };
  else if (now - first.atMs >= AGAIN_MS) cameAgain = true;
}

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
  if (!isMainThread) return { arrived: () => undefined, again: () => false, end: () => {} };
  if (recordings++ === 0) {
    recordedSignals.fill(0);
    first = undefined;
    cameAgain = false;
  }
  const action = actionOf(recorderAddress);
  const saved = TERMINATION_SIGNALS.map((name) => ({ name, old: readAction(name) })).filter(
    ({ old }) => handlerOf(old) !== SIG_IGN,
  );
  for (const { name } of saved) setAction(name, action);
  return {
    arrived: () => {
      look();
      return first?.name;
    },
    again: () => {
      look();
      return cameAgain;
    },
    end: () => {
      recordings--;
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
