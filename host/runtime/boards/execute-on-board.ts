import { BoardDirectory } from "../../board/directory/directory";
import { enterBoardNamespace } from "../../board/directory/namespace";
import { findRunningBoard } from "../../board/running-board";
import { AxiscriptError, errnoCode, messageOf } from "../../util/errors";
import { execute } from "../../native/exec";

/**
 * Turns this process into a program that finds a virtual board's files laid over the machine's own, in a mount namespace
 * that ends with it. Everything else of the process is the program's too: number, streams, signals and exit code. Only
 * descriptors beyond the standard streams are closed. Does not return.
 *
 * @param sysroot the directory of a board that is running
 * @param program looked up in PATH, among the board's files and the machine's, if it has no slash
 * @throws AxiscriptError ERR_AXI_BOARD without a board, or the right to lay its files; ERR_AXI_BOARD_BUSY for a board within
 *   another program; ERR_AXI_USAGE without the program
 */
export function executeOnBoard(sysroot: string, program: string, args: readonly string[]): never {
  const refused = (reason: string, cause?: unknown) =>
    new AxiscriptError("ERR_AXI_BOARD", `Cannot run ${program} on the virtual board in ${sysroot}: ${reason}`, {
      cause,
    });
  if (!BoardDirectory.inUse(sysroot)) {
    throw refused(`no board is running there. Start one, in another terminal: axiscript board --sysroot ${sysroot}`);
  }
  if (!findRunningBoard(sysroot)) {
    throw new AxiscriptError(
      "ERR_AXI_BOARD_BUSY",
      `Cannot run ${program} on the virtual board in ${sysroot}: it serves the program that built it, and no other. ` +
        "Wait for its end, and start one with axiscript board.",
    );
  }
  try {
    enterBoardNamespace(sysroot);
  } catch (cause) {
    if (errnoCode(cause) !== "EPERM") throw refused(`its files cannot be laid over /: ${messageOf(cause)}.`, cause);
    throw refused(
      "mount namespaces need CAP_SYS_ADMIN, which this process does not have. Run it as root, or put " +
        "`unshare --map-root-user` before axiscript where users may have namespaces of their own.",
      cause,
    );
  }
  try {
    execute(program, args);
  } catch (cause) {
    throw new AxiscriptError("ERR_AXI_USAGE", `Cannot run ${program}: ${messageOf(cause)}.`, { cause });
  }
}
