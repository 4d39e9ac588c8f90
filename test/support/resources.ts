import { readdirSync, readFileSync } from "node:fs";

/** What a process holds of the kernel's. */
export interface Resources {
  readonly descriptors: number;
  readonly pinnedKilobytes: number;
  /** Mappings of huge pages and of u-dma-buf devices. */
  readonly overlays: number;
}

/** Of several looks the least: the threads of boards open files for a moment. */
const LOOKS = 20;
const INTERVAL_MS = 20;
const SETTLING_LOOKS = 25;

/**
 * What this process holds when the threads of boards that have ended are gone: the least of many looks, over a while,
 * since those that live may lose their core while they have a file open.
 */
export async function settledResources(): Promise<Resources> {
  const looks: Resources[] = [];
  for (let look = 0; look < SETTLING_LOOKS; look++) {
    await new Promise((resolve) => setTimeout(resolve, INTERVAL_MS));
    looks.push(resources());
  }
  const least = (what: keyof Resources) => Math.min(...looks.map((look) => look[what]));
  return { descriptors: least("descriptors"), pinnedKilobytes: least("pinnedKilobytes"), overlays: least("overlays") };
}

/** What this process holds now. */
export function resources(): Resources {
  return {
    descriptors: Math.min(...Array.from({ length: LOOKS }, () => readdirSync("/proc/self/fd").length)),
    pinnedKilobytes: pinnedKilobytes(),
    overlays: readFileSync("/proc/self/maps", "utf8")
      .split("\n")
      .filter((line) => /memfd:axiscript|udmabuf|\/dev\/buffer/.test(line)).length,
  };
}

/** What is pinned now. */
export function pinnedKilobytes(): number {
  return Number(/VmPin:\s+(\d+)/.exec(readFileSync("/proc/self/status", "utf8"))?.[1]);
}
