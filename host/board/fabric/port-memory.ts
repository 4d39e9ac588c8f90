import type { BurstBus, BurstRun, Response } from "./bus";
import type { MainMemory } from "../memory/main-memory";

/** What decides whether a port's transfers are coherent with the processor's caches. */
export interface PortMemoryOptions {
  /** Memory as the processor sees it. */
  readonly seen: BurstBus;
  readonly main: MainMemory;
  /** Whether the next transfer snoops the caches. */
  readonly snoops: () => boolean;
}

/** Memory as a port sees it, which snoops the processor's caches or does not. */
export class PortMemory implements BurstBus {
  readonly #options: PortMemoryOptions;

  constructor(options: PortMemoryOptions) {
    this.#options = options;
  }

  read(physicalAddress: number, into: Uint8Array): Response {
    const { snoops, seen, main } = this.#options;
    return (snoops() ? seen : main).read(physicalAddress, into);
  }

  write(physicalAddress: number, data: Uint8Array): Response {
    const { snoops, seen, main } = this.#options;
    if (!snoops()) return main.write(physicalAddress, data);
    const response = seen.write(physicalAddress, data);
    if (response === "OKAY") main.put(physicalAddress, data);
    return response;
  }

  readBursts(physicalAddress: number, into: Uint8Array, burstBytes: number): BurstRun[] {
    const { snoops, seen, main } = this.#options;
    return (snoops() ? seen : main).readBursts(physicalAddress, into, burstBytes);
  }

  writeBursts(physicalAddress: number, data: Uint8Array, burstBytes: number): BurstRun[] {
    const { snoops, seen, main } = this.#options;
    if (!snoops()) return main.writeBursts(physicalAddress, data, burstBytes);
    const runs = seen.writeBursts(physicalAddress, data, burstBytes);
    for (const { physicalAddress: start, lengthBytes, response } of runs) {
      const at = start - physicalAddress;
      if (response === "OKAY") main.put(start, data.subarray(at, at + lengthBytes));
    }
    return runs;
  }
}
