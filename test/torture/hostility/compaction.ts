import { writeFileSync } from "node:fs";
import { FragmentedMemory } from "./fragmented-memory";
import { provoke } from "./provocation";

/** What is held in a round, but not more than a fifth of what is available. */
const ROUND_BYTES = 2 ** 30;
const ROUND_SHARE = 0.2;
/** How much of the available memory is fragmented, round by round, before that starts anew. */
const FRAGMENTED_SHARE = 0.75;
const COMPACTIONS_PER_ROUND = 3;

const newArea = () => new FragmentedMemory(FRAGMENTED_SHARE * process.availableMemory());

/** Fragments more and more of the memory, and has the kernel compact it. */
void provoke(() => {
  let area = newArea();
  return {
    share: 0.35,
    round: async (pace) => {
      const roundBytes = Math.min(ROUND_BYTES, ROUND_SHARE * process.availableMemory());
      await area.take(pace, (bytes) => bytes < roundBytes);
      await area.scatter(pace);
      for (let i = 0; i < COMPACTIONS_PER_ROUND; i++) {
        writeFileSync("/proc/sys/vm/compact_memory", "1");
        await pace.rest();
      }
      if (!area.isFull) return;
      area.release();
      area = newArea();
    },
  };
});
