import { Sysroot } from "../../linux/sysroot";
import { hasUioDevices } from "../../linux/uio-presence";
import { checkPlatform } from "../../util/platform";

/**
 * Starts the thread of a virtual board ahead of time, for a program that will create a runtime a moment later: it takes
 * some 40 ms to start, and does so beside the program's own start. Without a virtual board it is idle and ends with the
 * program. A system that has UIO devices is spared it: a runtime uses these unless it is asked for a virtual board.
 *
 * @throws AxiscriptError ERR_AXI_UNSUPPORTED_PLATFORM
 */
export function prepareVirtualBoard(): void {
  checkPlatform(process);
  if (hasUioDevices(new Sysroot("/"))) return;
  const { BoardThread } = require("../../board/thread") as typeof import("../../board/thread");
  BoardThread.prepare();
}

/**
 * Starts a thread for the first script ahead of time, as {@link prepareVirtualBoard} does. Without a script it ends with the
 * program.
 *
 * @throws AxiscriptError ERR_AXI_UNSUPPORTED_PLATFORM
 */
export function prepareScriptThread(): void {
  checkPlatform(process);
  const { ScriptThread } = require("./script-thread") as typeof import("./script-thread");
  ScriptThread.prepare();
}
