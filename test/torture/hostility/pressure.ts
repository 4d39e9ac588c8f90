import { writeFileSync } from "node:fs";
import { FragmentedFile } from "./fragmented-file";
import { FragmentedMemory } from "./fragmented-memory";
import { provoke } from "./provocation";

/**
 * The share of the available memory that is left for everybody else: little for the second or two in which small pages
 * are taken, since blocks that stay whole have to be used up by huge pages, which takes long.
 */
const SPARED_BY_SMALL_PAGES = 0.2;
const SPARED_BY_HUGE_PAGES = 0.5;

/**
 * Takes most of the memory twice: in small pages, of which it keeps a few, and then in huge pages, for which the kernel
 * has to move pages out of the way. Memory that is merely full moves nothing on a machine that does not swap.
 */
void provoke(() => {
  // If memory does run out, this process is the one to go.
  writeFileSync("/proc/self/oom_score_adj", "1000");
  return {
    share: 0.6,
    round: async (pace) => {
      const available = process.availableMemory();
      // Others take memory meanwhile: what counts is what is left.
      const leaves = (share: number) => () => process.availableMemory() > available * share;
      const small = new FragmentedFile();
      await small.take(pace, leaves(SPARED_BY_SMALL_PAGES));
      await small.scatter(pace);
      writeFileSync("/proc/sys/vm/drop_caches", "1");
      await pace.rest();

      const huge = new FragmentedMemory(available);
      await huge.take(pace, leaves(SPARED_BY_HUGE_PAGES));
      huge.release();
      small.release();
    },
  };
});
