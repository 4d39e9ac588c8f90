import { setTimeout as sleep } from "node:timers/promises";
import { fullScans, setAggressiveHugePages } from "./huge-page-settings";
import { provoke } from "./provocation";
import { TargetMemory } from "./target-memory";

const POLL_MS = 20;

/** Has the kernel's own thread collapse pages; a round is one scan of its over all processes. */
void provoke((targetPid) => {
  const memory = new TargetMemory(targetPid);
  const restore = setAggressiveHugePages();
  return {
    share: 0.1,
    round: async (pace) => {
      const before = fullScans();
      while (fullScans() === before) await sleep(POLL_MS);
      for (const piece of memory.pieces()) {
        memory.split(piece);
        await pace.rest();
      }
    },
    restore,
  };
});
