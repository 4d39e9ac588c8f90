import { AxiscriptError, InterruptedError, type SourcePosition } from "../util/errors";
import { escapeControls, escapeLines } from "../util/escape";
import { writeStderr } from "./stderr";

/** One line of axiscript's own on stderr; stdout is the script's. */
export function note(message: string): void {
  writeStderr(`axiscript: ${escapeControls(message)}\n`);
}

/** One line that says what is going on, only where a person is watching. */
export function progress(message: string): void {
  if (process.stderr.isTTY) note(message);
}

/**
 * Says what went wrong: code, message and the place in the script. Our own stack only on request, or if the error is
 * not one that we raise on purpose.
 */
export function reportError(error: unknown, withStack: boolean): void {
  if (error instanceof AxiscriptError) {
    if (error.code === "ERR_AXI_BROKEN_PIPE") return;
    if (error instanceof InterruptedError && error.signal === "SIGINT" && process.stderr.isTTY) writeStderr("\n");
    writeStderr(`${error.code}: ${error.message}\n${formatStack(error.scriptStack)}`);
    if (withStack) writeStderr(`${escapeLines(error.stack ?? "")}\n`);
    return;
  }
  const detail = error instanceof Error ? error.stack : String(error);
  writeStderr(`axiscript failed in a way that it should not; please report this:\n${escapeLines(detail ?? "")}\n`);
}

/** One line a frame; a frame that repeats itself is counted. */
function formatStack(stack: readonly SourcePosition[]): string {
  const lines = stack.map(({ file, line, column, functionName, approximate }) => {
    const shown = escapeControls(file);
    const place = approximate ? `near ${shown}:${line}` : `at ${shown}:${line}:${column}`;
    return `    ${place}${functionName === undefined ? "" : ` (${escapeControls(functionName)})`}\n`;
  });
  return lines
    .map((line, index) => {
      if (line === lines[index - 1]) return "";
      const end = lines.findIndex((other, at) => at > index && other !== line);
      const count = (end < 0 ? lines.length : end) - index;
      return count > 1 ? line.replace("\n", `, ${count} times or more\n`) : line;
    })
    .join("");
}
