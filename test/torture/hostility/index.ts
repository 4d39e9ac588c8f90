import { type ProvocationPlan, Provoker } from "./provoker";
import { HUGE_PAGE_SETTING_FILES } from "./huge-page-settings";

export { type ForkStorm, startForkStorm } from "./fork-storm";

/** Everything that provokes the kernel to move pages of a process. */
export interface Hostility {
  /** Completed rounds by provocation. They arrive through the event loop. */
  readonly counts: () => Readonly<Record<string, number>>;
  /** What this machine or this user cannot do. What turns out later is added later. */
  readonly unavailable: readonly { readonly name: string; readonly reason: string }[];
  /** Ends everything, within a second, and puts the machine's settings back. */
  stop(): Promise<void>;
}

const PLANS = [
  { name: "compaction", writes: ["/proc/sys/vm/compact_memory"], restores: false },
  { name: "collapse", writes: [], restores: false },
  { name: "khugepaged", writes: HUGE_PAGE_SETTING_FILES, restores: true },
  { name: "pressure", writes: ["/proc/sys/vm/drop_caches"], restores: false },
] as const satisfies readonly ProvocationPlan[];

/** Names of the provocations that run in processes of their own. */
export type ProvocationName = (typeof PLANS)[number]["name"];
export const PROVOCATION_NAMES: readonly ProvocationName[] = PLANS.map(({ name }) => name);

/**
 * Starts to provoke the kernel to move pages of a process. Together the provocations use about one core. To be called
 * on the main thread: the children end with the thread that starts them.
 *
 * The fork storm is separate, {@link startForkStorm}: it has to come from the process itself.
 *
 * @param targetPid the process; any, this one included
 * @param names which provocations; absent: all
 */
export function startHostility(targetPid: number, names?: readonly ProvocationName[]): Hostility {
  const unavailable: { name: string; reason: string }[] = [];
  const provokers: Provoker[] = [];
  for (const plan of PLANS.filter(({ name }) => names?.includes(name) ?? true)) {
    const { name } = plan;
    try {
      provokers.push(new Provoker(plan, targetPid, (reason) => unavailable.push({ name, reason })));
    } catch (error) {
      unavailable.push({ name, reason: error instanceof Error ? error.message : String(error) });
    }
  }
  return {
    counts: () => Object.fromEntries(provokers.map(({ name, rounds }) => [name, rounds])),
    unavailable,
    stop: async () => {
      await Promise.all(provokers.map((provoker) => provoker.stop()));
    },
  };
}
