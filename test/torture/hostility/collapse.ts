import { provoke } from "./provocation";
import { TargetMemory } from "./target-memory";

/** What the kernel answers when it cannot collapse at all, whatever the pages. */
const REFUSALS = ["EPERM", "ENOSYS"];

/** Splits the target's huge pages and collapses them again, which moves every page that is not pinned. */
void provoke((targetPid) => {
  const memory = new TargetMemory(targetPid);
  return {
    share: 0.2,
    round: async (pace) => {
      for (const piece of memory.pieces()) {
        memory.split(piece);
        // Other errors are about the pages: not touched yet, pinned, or in use this moment.
        const error = memory.collapse(piece);
        if (error !== undefined && REFUSALS.includes(error)) throw new Error(`process_madvise: ${error}`);
        await pace.rest();
      }
    },
  };
});
