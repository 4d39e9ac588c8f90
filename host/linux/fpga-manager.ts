import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmdirSync,
  rmSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { posix } from "node:path";
import { monotonicMs } from "../util/clock";
import { AxiscriptError, errnoCode, messageOf } from "../util/errors";
import type { BitstreamFault } from "./bitstream-file";
import { overlayDirectories, overlayDirectory } from "./overlay-directory";
import type { Sysroot } from "./sysroot";
import { waitUntil } from "../util/wait";

export const MANAGER = "/sys/class/fpga_manager/fpga0";
export const FIRMWARE = "/lib/firmware";
/** The name that the reference program gives its overlay. */
const OVERLAY_NAME = "full";
/**
 * How long nothing may happen. The kernel loads a bitstream within the write to `path`; a board whose kernel is a process
 * takes its time, the more on a busy machine.
 */
const PATIENCE_MS = 60_000;
/** The same while the manager says that it is at work. */
const WORKING_PATIENCE_MS = 600_000;
/** States in which a load is under way. Source: kernel `drivers/fpga/fpga-mgr.c`. */
const WORKING = /^(firmware request|write init|write|write complete)(:.*)?$/;
/** Drivers bind and device files are made within this time after an overlay was applied. */
const SETTLING_MS = 1000;
/** More than there are writes to the attributes of one overlay. */
const REMOVAL_ATTEMPTS = 10;

/**
 * Programs the FPGA through the kernel's FPGA manager and a device-tree overlay, and takes the overlay away again.
 * Source: kernel `Documentation/driver-api/fpga/`, linux-xlnx `drivers/of/configfs.c`.
 */
export class FpgaManager {
  readonly #sysroot: Sysroot;
  #settledAt = 0;

  constructor(sysroot: Sysroot) {
    this.#sysroot = sysroot;
  }

  /**
   * The manager's state, for example `operating`, `unknown` or `write error`.
   *
   * @throws AxiscriptError ERR_AXI_NO_FPGA_MANAGER
   */
  state(): string {
    const state = this.#sysroot.readText(`${MANAGER}/state`);
    if (state === undefined) {
      throw new AxiscriptError(
        "ERR_AXI_NO_FPGA_MANAGER",
        `Cannot reach the FPGA: this system has no FPGA manager (${this.#sysroot.path(MANAGER)} is missing).`,
      );
    }
    return state;
  }

  /** For how long devices of the last overlay may still be about to appear. */
  get settlingMs(): number {
    return Math.max(0, this.#settledAt - monotonicMs());
  }

  /** Whether an overlay of ours is applied and the FPGA operates. */
  isProgrammed(): boolean {
    const overlay = this.#overlay();
    return this.state().startsWith("operating") && overlay !== undefined && !isUnapplied(overlay);
  }

  /**
   * Loads a bitstream with its device-tree overlay, so that the design's devices appear.
   *
   * Links both files into `/lib/firmware`, where the kernel looks, makes the overlay `full`, and believes only what
   * the kernel reads back: some kernels report success for an overlay that they refused.
   *
   * @param bitstream path of the `.bit.bin` on the target; its file name is what the overlay's `firmware-name` says
   * @param overlay path of the `.dtbo` on the target
   * @throws AxiscriptError ERR_AXI_NO_FPGA_MANAGER, ERR_AXI_FIRMWARE_NOT_FOUND, ERR_AXI_BAD_BITSTREAM,
   *   ERR_AXI_NO_CONFIGFS, ERR_AXI_OVERLAY_EXISTS, ERR_AXI_FIRMWARE_ACCESS, ERR_AXI_OVERLAY_REJECTED
   */
  program(bitstream: string, overlay: string): void {
    this.state();
    for (const file of [bitstream, overlay]) this.#requireFirmware(file);
    const fault = this.#faultOf(bitstream);
    if (fault?.certain) throw badBitstream(bitstream, fault);
    const directory = overlayDirectory(this.#sysroot);
    const overlayPath = `${directory}/${OVERLAY_NAME}`;
    if (isUnapplied(overlayPath))
      this.#access("remove an overlay that was never applied", () => removeOverlay(overlayPath));
    if (existsSync(overlayPath)) {
      throw new AxiscriptError(
        "ERR_AXI_OVERLAY_EXISTS",
        `Cannot program the FPGA: the overlay ${overlayPath} exists already. Call remove() first.`,
      );
    }
    this.#access("write to the FPGA manager", () => this.#clearFlags());
    const links: string[] = [];
    let applied = false;
    try {
      this.#access(`link the firmware files into ${FIRMWARE}`, () => {
        for (const file of [bitstream, overlay]) links.push(...this.#link(file));
      });
      this.#apply(overlayPath, posix.basename(overlay), fault);
      applied = true;
      this.#settledAt = monotonicMs() + SETTLING_MS;
    } finally {
      if (!applied) {
        removeOverlay(overlayPath);
        for (const link of links) unlinkSync(link);
      }
    }
  }

  /**
   * Removes the overlay and with it the design's devices. The FPGA keeps its configuration. Does nothing if no overlay
   * of ours is applied.
   *
   * @throws AxiscriptError ERR_AXI_FIRMWARE_ACCESS
   */
  remove(): void {
    const overlay = this.#overlay();
    if (overlay !== undefined) this.#access("remove the overlay", () => removeOverlay(overlay));
  }

  #overlay(): string | undefined {
    const overlays = overlayDirectories(this.#sysroot).map((directory) => `${directory}/${OVERLAY_NAME}`);
    return overlays.find((overlay) => existsSync(overlay));
  }

  /** What can be seen of a bitstream before the kernel is asked. */
  #faultOf(bitstream: string): BitstreamFault | undefined {
    const { findBitstreamFault } = require("./bitstream-file") as typeof import("./bitstream-file");
    const path = this.#sysroot.path(bitstream);
    const isZynq = /xilinx|zynq|versal/i.test(this.#sysroot.readText(`${MANAGER}/name`) ?? "");
    return this.#access(`read ${bitstream}`, () => findBitstreamFault(path, path, isZynq));
  }

  #requireFirmware(file: string): void {
    if (statSync(this.#sysroot.path(file), { throwIfNoEntry: false })?.isFile()) return;
    const directory = posix.dirname(posix.resolve("/", file));
    const present = this.#sysroot.list(directory);
    throw new AxiscriptError(
      "ERR_AXI_FIRMWARE_NOT_FOUND",
      `Cannot program the FPGA: there is no firmware file "${file}". ` +
        (present.length > 0 ? `${directory} holds: ${present.join(", ")}` : `${directory} is empty or missing.`),
    );
  }

  /** `flags` stays set between loads and overrides the overlay's own: 0 asks for a full, plain configuration. */
  #clearFlags(): void {
    const flags = this.#sysroot.path(`${MANAGER}/flags`);
    if (existsSync(flags)) writeFileSync(flags, "0");
  }

  /** Makes a file known to the kernel's firmware loader under its own name. Returns the links that it made. */
  #link(file: string): string[] {
    const target = posix.resolve("/", file);
    const link = this.#sysroot.path(`${FIRMWARE}/${posix.basename(file)}`);
    if (link === this.#sysroot.path(target)) return [];
    const destination = posix.relative(FIRMWARE, target);
    try {
      symlinkSync(destination, link);
      return [link];
    } catch (error) {
      if (errnoCode(error) !== "EEXIST") throw error;
    }
    if (isLinkTo(link, destination)) return [];
    throw new AxiscriptError(
      "ERR_AXI_FIRMWARE_ACCESS",
      `Cannot link ${target} into ${FIRMWARE}: another ${posix.basename(file)} is there. Remove or rename it.`,
    );
  }

  /** Makes the overlay and gives it the firmware's name; throws if the kernel does not take it. */
  #apply(overlayPath: string, firmwareName: string, fault: BitstreamFault | undefined): void {
    const path = `${overlayPath}/path`;
    this.#access(`make the overlay ${overlayPath}`, () => mkdirSync(overlayPath));
    this.#await(() => existsSync(path), `${path} did not appear`);
    let refusal = "";
    try {
      writeFileSync(path, firmwareName, { flag: "r+" });
    } catch (error) {
      refusal = `the kernel answered ${errnoCode(error)}; `;
    }
    // The kernel shows a name that it took with a newline, and nothing for one that it refused.
    const answer = () => readFileSync(path, "latin1");
    this.#await(() => answer() === "" || answer().endsWith("\n"), `${path} still reads "${firmwareName}"`);
    const state = this.state();
    if (refusal === "" && answer() === `${firmwareName}\n` && state.startsWith("operating")) return;
    const status = this.#sysroot.readText(`${MANAGER}/status`);
    throw new AxiscriptError(
      "ERR_AXI_OVERLAY_REJECTED",
      `Cannot program the FPGA: the kernel refused the overlay ${firmwareName} (${refusal}path reads back ` +
        `"${answer().trim()}", FPGA manager state "${state}"${status ? `, status "${status}"` : ""}). Check that ` +
        "the .dtbo is a device-tree blob, that its firmware-name is the bitstream's file name, and that the bitstream " +
        `is byte-swapped (.bit.bin).${fault ? ` The bitstream is ${fault.found}; to mend it: ${fault.mend}.` : ""} The kernel log says more (of a virtual board: var/log/kern.log, kept with --sysroot).`,
    );
  }

  /**
   * Waits for the kernel, for as long as its manager says that it is at work, and otherwise until nothing has happened for
   * a while; a run's own limit and Ctrl-C end it, too.
   */
  #await(condition: () => boolean, missing: string): void {
    let seen = this.state();
    let seenAt = monotonicMs();
    const isOver = () => {
      const state = this.state();
      if (state !== seen) [seen, seenAt] = [state, monotonicMs()];
      return monotonicMs() - seenAt > (WORKING.test(state) ? WORKING_PATIENCE_MS : PATIENCE_MS);
    };
    waitUntil(() => condition() || isOver(), Number.POSITIVE_INFINITY);
    if (!condition()) throw noAnswer(missing, seen, monotonicMs() - seenAt);
  }

  #access<T>(action: string, body: () => T): T {
    try {
      return body();
    } catch (cause) {
      if (cause instanceof AxiscriptError) throw cause;
      const code = errnoCode(cause) ?? messageOf(cause);
      const advice = ["EACCES", "EPERM"].includes(code) ? " Programming the FPGA needs root." : "";
      throw new AxiscriptError("ERR_AXI_FIRMWARE_ACCESS", `Cannot ${action}: ${code}.${advice}`, { cause });
    }
  }
}

function noAnswer(missing: string, state: string, forMs: number): AxiscriptError {
  return new AxiscriptError(
    "ERR_AXI_OVERLAY_REJECTED",
    `Cannot program the FPGA: ${missing}, and the FPGA manager has been "${state}" for ${Math.round(forMs / 1000)} s. ` +
      "Does a kernel, or a virtual board that is running, answer in this directory?",
  );
}

function badBitstream(bitstream: string, { found, mend }: BitstreamFault): AxiscriptError {
  return new AxiscriptError(
    "ERR_AXI_BAD_BITSTREAM",
    `Cannot program the FPGA with ${bitstream}: the file is ${found}. To mend it: ${mend}`,
  );
}

/**
 * An overlay that somebody made, and then did not come to apply: its `path` shows no name with a newline, and it was not
 * given a blob either. Some kernels show the newline alone.
 */
function isUnapplied(directory: string): boolean {
  const read = (attribute: string) => readFileSync(posix.join(directory, attribute), "latin1");
  try {
    return !/[^\n]\n$/.test(read("path")) && read("dtbo") === "";
  } catch {
    return existsSync(directory);
  }
}

/**
 * rmdir(2), as configfs wants it; where the overlay is a directory of plain files, these go first. Whoever serves it may
 * be writing one of them again at that moment, and does so a few times at most.
 */
function removeOverlay(directory: string): void {
  for (let attempts = REMOVAL_ATTEMPTS; ; attempts--) {
    try {
      rmdirSync(directory);
      return;
    } catch (error) {
      if (errnoCode(error) === "ENOENT") return;
      if (errnoCode(error) !== "ENOTEMPTY" || attempts === 0) throw error;
    }
    for (const entry of readdirSync(directory)) rmSync(posix.join(directory, entry), { force: true });
  }
}

function isLinkTo(link: string, destination: string): boolean {
  try {
    return readlinkSync(link) === destination;
  } catch {
    return false;
  }
}
