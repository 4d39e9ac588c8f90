import type { Direction, BurstBus, BurstRun, Response } from "./bus";
import type { BoardRecord } from "./record";
import type { Port } from "./port-timing";

/** The L2 cache's line. */
const ACP_LINE_BYTES = 64;
/** One beat of the ACP's 128-bit data bus. */
const ACP_BEAT_BYTES = 16;

/** How a transfer is marked. */
export interface SideBand {
  /** AxCACHE, 4 bits. */
  readonly cache: number;
  /** AxPROT, 3 bits. */
  readonly prot: number;
}

/** Of AxCACHE, the bits that make an access one that caches may look up. Source: AMBA AXI4, A4.4. */
const ALLOCATE_BITS = 0b1100;
/** Not secure, which is what Linux is. */
const PROT_OF_LINUX = 2;

/**
 * Whether a transfer is coherent with the processor's caches. The HPC needs a cacheable AxCACHE and AxPROT 2; the ACP goes
 * through the L2 cache, whatever the transfer is marked as; the HP never snoops.
 * Source: Zynq UltraScale+ TRM (UG1085), PS-PL AXI interfaces.
 */
export function snoops(port: Port, { cache, prot }: SideBand): boolean {
  if (port === "hpc") return (cache & ALLOCATE_BITS) !== 0 && prot === PROT_OF_LINUX;
  return port === "acp";
}

/** Who is on a port, and where that is put on record. */
export interface PortUser {
  readonly port: Port;
  /** As in {@link BoardRecord}. */
  readonly core: string;
  readonly record: BoardRecord | undefined;
}

/** A port of the processing system: what it does not take never reaches memory, and everything is put on record. */
export class PortBus implements BurstBus {
  readonly #memory: BurstBus;
  readonly #user: PortUser;

  constructor(memory: BurstBus, user: PortUser) {
    this.#memory = memory;
    this.#user = user;
  }

  read(physicalAddress: number, into: Uint8Array): Response {
    return this.#burst("read", physicalAddress, into);
  }

  write(physicalAddress: number, data: Uint8Array): Response {
    return this.#burst("write", physicalAddress, data);
  }

  readBursts(physicalAddress: number, into: Uint8Array, burstBytes: number): BurstRun[] {
    return this.#bursts("read", physicalAddress, into, burstBytes);
  }

  writeBursts(physicalAddress: number, data: Uint8Array, burstBytes: number): BurstRun[] {
    return this.#bursts("write", physicalAddress, data, burstBytes);
  }

  #burst(direction: Direction, physicalAddress: number, bytes: Uint8Array): Response {
    const lengthBytes = bytes.length;
    const taken = this.#takes(physicalAddress, lengthBytes);
    const response = taken ? this.#memory[direction](physicalAddress, bytes) : "SLVERR";
    this.#record(direction, { physicalAddress, lengthBytes, response });
    return response;
  }

  #bursts(direction: Direction, physicalAddress: number, bytes: Uint8Array, burstBytes: number): BurstRun[] {
    const method = direction === "read" ? "readBursts" : "writeBursts";
    // Bursts of one length that follow each other are all aligned, or none is.
    const runs: BurstRun[] = this.#takes(physicalAddress, burstBytes)
      ? this.#memory[method](physicalAddress, bytes, burstBytes)
      : [{ physicalAddress, lengthBytes: bytes.length, response: "SLVERR" }];
    for (const run of runs) this.#record(direction, run);
    return runs;
  }

  /** The ACP takes whole aligned cache lines, or single aligned beats. Source: Zynq UltraScale+ TRM (UG1085). */
  #takes(physicalAddress: number, lengthBytes: number): boolean {
    if (this.#user.port !== "acp") return true;
    return [ACP_LINE_BYTES, ACP_BEAT_BYTES].some((unit) => lengthBytes === unit && physicalAddress % unit === 0);
  }

  #record(direction: Direction, run: BurstRun): void {
    const { port, core, record } = this.#user;
    record?.transfer({ core, port, direction, ...run });
  }
}
