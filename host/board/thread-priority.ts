import { constants, setPriority } from "node:os";
import { threadNumber } from "./thread-number";

/**
 * Has the calling thread run before others: hardware does not wait until a processor is free. Who may not put a thread
 * before others leaves it as it is.
 */
export function goFirst(): void {
  try {
    setPriority(threadNumber(), constants.priority.PRIORITY_HIGHEST);
  } catch {
    // The board answers as soon as it has its turn.
  }
}
