import { closeSync, ftruncateSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import type { ManagerCore } from "../../host/board/kernel/fpga/bitstream";
import type { BusTransfer } from "../../host/board/fabric/record";
import { parseTransfers } from "../support/bus-record";
import { createMemoryFile, MFD_CLOEXEC } from "../../host/native/libc";
import type { FabricJob } from "./fabric-worker";

/** What a PCI device gets for its registers. */
const REGISTER_BYTES = 4096;
/** Of the ivshmem device, where the registers are. */
export const REGISTERS_BAR = 2;
export const IVSHMEM_ID = "1af4:1110";

/** A core that the guest sees as a PCI device. */
export interface PciCore extends Omit<ManagerCore, "address"> {
  /** Device number on the guest's first bus. */
  readonly slot: number;
}

/** Where the guest sees a core. */
export function pciAddressOf({ slot }: PciCore): string {
  return `0000:00:${slot.toString(16).padStart(2, "0")}.0`;
}

/** The virtual board's models behind the PCI devices of a guest: they run outside of it, and reach all of its memory. */
export class GuestFabric {
  /** For the guest's devices. */
  readonly registerFiles: readonly { readonly fd: number; readonly lengthBytes: number; readonly slot: number }[];
  readonly #cores: readonly PciCore[];
  readonly #state = new Int32Array(new SharedArrayBuffer(4));
  readonly #recordFd = createMemoryFile("record", MFD_CLOEXEC);
  #worker: Worker | undefined;

  constructor(cores: readonly PciCore[]) {
    this.#cores = cores;
    this.registerFiles = cores.map(({ slot }) => {
      const fd = createMemoryFile("registers", MFD_CLOEXEC);
      ftruncateSync(fd, REGISTER_BYTES);
      return { fd, slot, lengthBytes: REGISTER_BYTES };
    });
  }

  /**
   * Lets the cores work, in a thread of their own.
   *
   * @param memoryFd the guest's memory
   */
  async start(memoryFd: number, memoryBytes: number): Promise<void> {
    const cores = this.#cores.map((core, index) => ({
      ...{ kind: core.kind, port: core.port, address: core.slot * REGISTER_BYTES },
      ...{ fd: this.registerFiles[index]?.fd ?? -1, lengthBytes: REGISTER_BYTES },
    }));
    const workerData: FabricJob = { memoryFd, memoryBytes, cores, state: this.#state, record: this.#record };
    const worker = (this.#worker = new Worker(join(__dirname, "fabric-worker.js"), { workerData }));
    await new Promise((resolve, reject) => worker.once("message", resolve).once("error", reject));
  }

  /** What the cores have asked of the bus so far; complete where they have been idle for a moment. */
  get transfers(): BusTransfer[] {
    return parseTransfers(readFileSync(this.#record, "utf8"));
  }

  get #record(): string {
    return `/proc/self/fd/${this.#recordFd}`;
  }

  /** Ends the cores, before the guest's memory is gone. */
  async stop(): Promise<void> {
    const worker = this.#worker;
    Atomics.store(this.#state, 0, 1);
    if (worker) await new Promise((resolve) => worker.once("exit", resolve));
    for (const fd of [this.#recordFd, ...this.registerFiles.map(({ fd }) => fd)]) closeSync(fd);
  }
}
