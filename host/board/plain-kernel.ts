import type { Fabric } from "./fabric";
import type { BoardFiles } from "./files";
import { Firmware } from "./firmware";
import { BoardFpgaManager } from "./fpga-manager";
import type { BoardKernel } from "./kernel";
import { finish } from "./kernel-tree";
import { Overlays } from "./overlays";
import { PATHS } from "./paths";
import { PlainKernelFiles } from "./plain-kernel-files";
import { PlainOverlays } from "./plain-overlays";
import { THREAD_STATE } from "./thread";
import type { BoardUDmaBuf } from "./u-dma-buf";
import { UioClass } from "./uio-class";

const BUFFER_INTERVAL_MS = 10;

/** The kernel side with plain files, at which it looks again and again. */
export class PlainKernel implements BoardKernel {
  readonly #files: BoardFiles;
  readonly #buffer: BoardUDmaBuf;
  readonly #threadState: Int32Array;
  readonly #manager: BoardFpgaManager;
  readonly #overlays: PlainOverlays;
  readonly #uio: UioClass;
  #bufferServedAt = 0;

  /** @param threadState the thread's one number; a change of it ends a rest */
  constructor(files: BoardFiles, fabric: Fabric, buffer: BoardUDmaBuf, threadState: Int32Array) {
    this.#files = files;
    this.#buffer = buffer;
    this.#threadState = threadState;
    const log = (message: string) => files.log(message);
    const firmware = new Firmware(files.sysroot);
    this.#manager = new BoardFpgaManager({
      firmware,
      log,
      configure: (design) => fabric.configure(design),
      onReport: (state, status) => {
        files.replace(`${PATHS.fpgaManager}/status`, status);
        files.replace(`${PATHS.fpgaManager}/state`, `${state}\n`);
      },
    });
    this.#uio = new UioClass(files, new PlainKernelFiles(files));
    const options = { firmware, log, manager: this.#manager, uio: this.#uio };
    this.#overlays = new PlainOverlays(files, new Overlays({ ...options, onChange: (nodes) => fabric.connect(nodes) }));
  }

  serve(): void {
    this.#serveManager();
    this.#overlays.serve();
    this.#uio.serve();
    const now = performance.now();
    if (now - this.#bufferServedAt < BUFFER_INTERVAL_MS) return;
    this.#buffer.serve();
    this.#bufferServedAt = now;
  }

  rest(timeoutMs: number): boolean {
    Atomics.wait(this.#threadState, 0, THREAD_STATE.serving, timeoutMs);
    return false;
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
