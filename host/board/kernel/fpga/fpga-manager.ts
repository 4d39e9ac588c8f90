import { monotonicMs } from "../../../util/clock";
import { messageOf } from "../../../util/errors";
import { BitstreamError, type FabricDesign, readBitstream } from "./bitstream";
import type { Firmware } from "./firmware";
import { KernelError, type Work } from "../kernel-tree";

export interface FpgaManagerOptions {
  readonly firmware: Firmware;
  /** Called with a design that was loaded. */
  readonly configure: (design: FabricDesign) => void;
  /** Takes a line for the kernel's log. */
  readonly log: (message: string) => void;
  /** Called when `state` and `status` have been set. */
  readonly onReport: (state: string, status: string) => void;
  /** How long a load stays in the state `write`; 0 if absent. */
  readonly programmingMs?: number;
}

/** The kernel's FPGA manager: takes a bitstream through its states and hands the design to the fabric. */
export class BoardFpgaManager {
  readonly #options: FpgaManagerOptions;
  #state = "unknown";
  #status = "";
  #busy = false;
  #image: Buffer | undefined;

  constructor(options: FpgaManagerOptions) {
    this.#options = options;
  }

  /** As the attribute says it, for example `write init error`. */
  get state(): string {
    return this.#state;
  }

  /** What went wrong, one line each; empty: nothing. */
  get status(): string {
    return this.#status;
  }

  /**
   * The configuration, read back. Source: linux-xlnx `drivers/fpga/fpga-mgr.c`, `fpga_mgr_read()`.
   *
   * @throws KernelError EBUSY while a load runs; EPERM if the FPGA does not operate
   */
  readBack(): Buffer {
    if (this.#busy) throw new KernelError("EBUSY");
    if (this.#state !== "operating" || !this.#image) throw new KernelError("EPERM");
    return this.#image;
  }

  /**
   * Loads a bitstream from the firmware directory. `state` and `status` say how far it came.
   *
   * @param firmwareName path below `/lib/firmware`
   * @throws KernelError EBUSY while another load runs; what {@link Firmware.read} throws; EINVAL for a file that the
   *   configuration logic refuses
   */
  *load(firmwareName: string): Work {
    if (this.#busy) throw new KernelError("EBUSY", "the FPGA manager is busy");
    this.#busy = true;
    try {
      yield* this.#steps(firmwareName);
    } finally {
      this.#busy = false;
    }
  }

  /**
   * Configures the fabric as an earlier {@link load} did, for a board that was built again; changes no state. What this
   * board cannot configure is left out: registers then stay as they are.
   */
  resume(firmwareName: string): void {
    const { firmware, configure, log } = this.#options;
    try {
      configure(readBitstream(firmware.read(firmwareName)));
    } catch (error) {
      if (!(error instanceof BitstreamError)) throw error;
      log(`fpga_manager fpga0: Error resuming ${firmwareName}: ${error.message}`);
    }
  }

  *#steps(firmwareName: string): Work {
    const { firmware, configure, log, programmingMs = 0 } = this.#options;
    this.#report("firmware request");
    const file = this.#attempt("firmware request error", firmwareName, () => firmware.read(firmwareName));
    this.#report("write init");
    const design = this.#attempt("write init error", firmwareName, () => readHead(file));
    this.#report("write");
    const writtenAt = monotonicMs() + programmingMs;
    while (monotonicMs() < writtenAt) yield;
    this.#attempt("write error", firmwareName, () => configure(design()));
    this.#report("write complete");
    this.#image = file;
    this.#report("operating");
    log(`fpga_manager fpga0: writing ${firmwareName} to Xilinx ZynqMP FPGA Manager`);
  }

  #attempt<T>(failedState: string, firmwareName: string, step: () => T): T {
    try {
      return step();
    } catch (error) {
      const status = error instanceof BitstreamError ? error.status : "";
      this.#report(failedState, status && `${status}\n`);
      this.#options.log(
        `fpga_manager fpga0: Error ${failedState.replace(" error", "")} ${firmwareName}: ${messageOf(error)}`,
      );
      throw error instanceof KernelError ? error : new KernelError("EINVAL", messageOf(error));
    }
  }

  #report(state: string, status = ""): void {
    this.#state = state;
    this.#status = status;
    this.#options.onReport(state, status);
  }
}

/**
 * What the configuration logic sees of a file before it takes the rest.
 *
 * @returns reads the rest
 * @throws BitstreamError if there is no sync word
 */
function readHead(file: Buffer): () => FabricDesign {
  try {
    const design = readBitstream(file);
    return () => design;
  } catch (error) {
    if (error instanceof BitstreamError && error.state === "write init error") throw error;
    return () => {
      throw error;
    };
  }
}
