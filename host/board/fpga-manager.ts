import { readFileSync } from "node:fs";
import { errnoCode, messageOf } from "../errors";
import { BitstreamError, type FabricDesign, readBitstream } from "./bitstream";
import type { BoardFiles } from "./files";
import { PATHS } from "./paths";

/** The kernel's FPGA manager: takes a bitstream through its states and hands the design to the fabric. */
export class BoardFpgaManager {
  readonly #files: BoardFiles;
  readonly #configure: (design: FabricDesign) => void;

  /** @param configure called with a design that was loaded */
  constructor(files: BoardFiles, configure: (design: FabricDesign) => void) {
    this.#files = files;
    this.#configure = configure;
  }

  /**
   * Loads a bitstream from the firmware directory.
   *
   * @param firmwareName path below `/lib/firmware`
   * @returns whether the FPGA operates afterwards; `state` and `status` say what went wrong
   */
  load(firmwareName: string): boolean {
    this.#report("firmware request");
    let file: Buffer;
    try {
      file = readFileSync(this.#files.path(`${PATHS.firmware}/${firmwareName}`));
    } catch (error) {
      return this.#fail("firmware request error", "", `Error requesting firmware ${firmwareName}: ${errnoCode(error)}`);
    }
    try {
      this.#report("write init");
      const design = readBitstream(file);
      this.#report("write");
      this.#configure(design);
      this.#report("write complete");
    } catch (error) {
      if (error instanceof BitstreamError) return this.#fail(error.state, error.status, error.message);
      return this.#fail("write error", "", messageOf(error));
    }
    this.#report("operating");
    this.#files.log(`fpga_manager fpga0: writing ${firmwareName} to Xilinx ZynqMP FPGA Manager`);
    return true;
  }

  /** Does what has been asked for by writing a name to `firmware`. */
  serve(): void {
    const firmwareName = this.#files.read(`${PATHS.fpgaManager}/firmware`)?.trim();
    if (!firmwareName) return;
    this.load(firmwareName);
    this.#files.replace(`${PATHS.fpgaManager}/firmware`, "");
  }

  /** Configures the fabric as an earlier {@link load} did, for a board that was built again; changes no state. */
  resume(firmwareName: string): boolean {
    this.#configure(readBitstream(readFileSync(this.#files.path(`${PATHS.firmware}/${firmwareName}`))));
    return true;
  }

  #report(state: string, status = ""): void {
    this.#files.replace(`${PATHS.fpgaManager}/status`, status);
    this.#files.replace(`${PATHS.fpgaManager}/state`, `${state}\n`);
  }

  #fail(state: string, status: string, message: string): false {
    this.#report(state, status && `${status}\n`);
    this.#files.log(`fpga_manager fpga0: ${message}`);
    return false;
  }
}
