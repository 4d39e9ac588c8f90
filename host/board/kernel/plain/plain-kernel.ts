import { waitReadableBriefly } from "../../../native/libc";
import type { DeviceFiles } from "../devices/device-files";
import type { Fabric } from "../../fabric/fabric";
import { FileChanges } from "./file-changes";
import type { BoardFiles } from "../../directory/files";
import { Firmware } from "../fpga/firmware";
import { BoardFpgaManager } from "../fpga/fpga-manager";
import type { BoardKernel } from "../kernel";
import { finish } from "../kernel-tree";
import { Overlays } from "../fpga/overlays";
import { PATHS } from "../paths";
import { PlainKernelFiles } from "./plain-kernel-files";
import { PlainOverlays } from "./plain-overlays";
import { type BoardUDmaBuf, U_DMA_BUF_ATTRIBUTES } from "../devices/u-dma-buf";
import { UioClass } from "../devices/uio-class";

/** The kernel side with plain files, at which it looks when it is told of a change, or else again and again. */
export class PlainKernel implements BoardKernel {
  readonly #files: BoardFiles;
  readonly #buffer: BoardUDmaBuf;
  readonly #changes: FileChanges;
  readonly #manager: BoardFpgaManager;
  readonly #overlays: PlainOverlays;
  readonly #uio: UioClass;

  constructor(files: BoardFiles, fabric: Fabric, buffer: BoardUDmaBuf, devices: DeviceFiles) {
    this.#files = files;
    this.#buffer = buffer;
    this.#changes = new FileChanges(files);
    for (const directory of [PATHS.fpgaManager, PATHS.overlays, U_DMA_BUF_ATTRIBUTES]) this.#changes.add(directory);
    const log = (message: string) => files.log(message);
    const firmware = new Firmware(files.sysroot);
    this.#manager = new BoardFpgaManager({
      firmware,
      log,
      configure: (design) => fabric.configure(design),
      onReport: (state, status) => {
        files.record?.fpga(state);
        files.replace(`${PATHS.fpgaManager}/status`, status);
        files.replace(`${PATHS.fpgaManager}/state`, `${state}\n`);
      },
    });
    this.#uio = new UioClass(devices, new PlainKernelFiles(files));
    const options = { firmware, log, manager: this.#manager, uio: this.#uio };
    const overlays = new Overlays({ ...options, onChange: (nodes) => fabric.connect(nodes) });
    this.#overlays = new PlainOverlays(files, overlays, this.#changes);
    this.#look();
  }

  serve(): void {
    if (!this.#changes.areTold) {
      this.#changes.begin();
      this.#look();
    }
    this.#uio.serve();
  }

  rest(timeoutMs: number, wakeFd: number): boolean {
    if (!waitReadableBriefly(this.#changes.fd, wakeFd, timeoutMs)) return false;
    this.#changes.take();
    this.#look();
    return true;
  }

  close(): void {
    this.#changes.close();
  }

  /** Does what was asked for by writing to files. */
  #look(): void {
    this.#serveManager();
    this.#overlays.serve();
    this.#buffer.serve();
  }

  /** Loads what was written to `firmware`. */
  #serveManager(): void {
    const firmwareName = this.#files.read(`${PATHS.fpgaManager}/firmware`)?.trim();
    if (!firmwareName) return;
    try {
      finish(this.#manager.load(firmwareName));
    } catch {
      // `state`, `status` and the log say it.
    }
    this.#files.replace(`${PATHS.fpgaManager}/firmware`, "");
  }
}
