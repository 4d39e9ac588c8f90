import { readdirSync, readFileSync } from "node:fs";
import * as assert from "uvu/assert";

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
  return {
    descriptors: least("descriptors"),
    pinnedKilobytes: least("pinnedKilobytes"),
    overlays: least("overlays"),
  };
}

/**
 * Fails if this process holds more of anything than it did. Fewer is no fault: a thread of the compiler that was there
 * before ends when nobody has had need of it for a while.
 */
export async function assertNothingKept(before: Resources): Promise<void> {
  const after = await settledResources();
  for (const name of Object.keys(before) as (keyof Resources)[]) {
    assert.ok(after[name] <= before[name], `${name}: ${before[name]} before, ${after[name]} now`);
  }
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
  return statusNumber("VmPin");
}

/** How many threads this process has now. */
export function threadCount(): number {
  return statusNumber("Threads");
}

function statusNumber(name: string): number {
  return Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(readFileSync("/proc/self/status", "utf8"))?.[1]);
}
