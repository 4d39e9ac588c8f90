import { BoardThread } from "../board/thread";
import { checkPlatform } from "../platform";

/**
 * Starts the thread of a virtual board ahead of time, for a program that will create a runtime a moment later: it takes
 * some 40 ms to start, and does so beside the program's own start. Without a virtual board it is idle and ends with the
 * program.
 *
 * @throws AxiscriptError ERR_AXI_UNSUPPORTED_PLATFORM
 */
export function prepareVirtualBoard(): void {
  checkPlatform(process);
  BoardThread.prepare();
}
