import { AxiscriptError } from "./errors";

/**
 * Refuses to go on where the working directory was removed: Node cannot start a thread there, and does not say so to
 * whoever waits for it.
 *
 * @throws AxiscriptError ERR_AXI_USAGE
 */
export function requireWorkingDirectory(): void {
  try {
    process.cwd();
  } catch (cause) {
    throw new AxiscriptError(
      "ERR_AXI_USAGE",
      "Cannot start here: the working directory does not exist any more. Change to one that does (cd).",
      { cause },
    );
  }
}
