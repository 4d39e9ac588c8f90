import { AxiscriptError } from "../util/errors";
import { stderrWritten } from "./stderr";

/** How long a program that was stopped waits for a reader of stderr that takes nothing. */
const UNREAD_MS = 1000;

let insists = (): boolean => false;

/** Has the end of the program wait for nothing any more when a condition holds: a person, or a time limit, has had enough. */
export function endAtOnceWhen(condition: () => boolean): void {
  insists = condition;
}

/**
 * Ends the program when stderr has taken what it was told.
 *
 * What was stopped may still occupy a thread, which Node would wait for: V8 that compiles, or one instruction that fills
 * gigabytes. So a program that was stopped is ended by the kernel, when the listeners of the process's end have brought
 * devices to rest and removed what it had made.
 *
 * @param error what ended the command, if it failed
 */
export async function end(exitCode: number, error?: unknown): Promise<void> {
  const isStopped = error instanceof AxiscriptError && error.kind === "stopped";
  await stderrWritten((idleMs) => !insists() && (!isStopped || idleMs < UNREAD_MS));
  process.exitCode = exitCode;
  if (!isStopped) return;
  // Loaded when something was stopped, and so could be.
  const { endProcess } = require("../native/exit") as typeof import("../native/exit");
  process.on("exit", () => endProcess(exitCode));
  process.exit();
}
