/** Which way data goes, as the manager sees it: a write changes memory. */
export type Direction = "read" | "write";

/** How the interconnect answers a transfer. DECERR: nobody owns the address. */
export type Response = "OKAY" | "SLVERR" | "DECERR";

/** Physical memory, as a manager in the fabric sees it. Everything else a device does is made of these two. */
export interface Bus {
  /** Fills `into` from `physicalAddress` on; leaves it as it is where the response is not OKAY. */
  read(physicalAddress: number, into: Uint8Array): Response;
  /** Stores `data` at `physicalAddress`. */
  write(physicalAddress: number, data: Uint8Array): Response;
}

/** Bursts that follow each other in memory and were answered alike. */
export interface BurstRun {
  readonly physicalAddress: number;
  readonly lengthBytes: number;
  readonly response: Response;
}

/** A bus that takes many bursts of one length in a call. */
export interface BurstBus extends Bus {
  /** As one {@link Bus.read} after the other, of `burstBytes` each; how they were answered, in order. */
  readBursts(physicalAddress: number, into: Uint8Array, burstBytes: number): BurstRun[];
  /** As one {@link Bus.write} after the other. */
  writeBursts(physicalAddress: number, data: Uint8Array, burstBytes: number): BurstRun[];
}
