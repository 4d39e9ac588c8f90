import { hideMounts } from "../../../native/fuse";
import { waitReadableBriefly } from "../../../native/libc";
import { configurationRegisters } from "../../fabric/configuration-registers";
import type { DeviceFiles } from "../devices/device-files";
import type { Fabric } from "../../fabric/fabric";
import type { BoardFiles } from "../../directory/files";
import { Firmware } from "../fpga/firmware";
import { BoardFpgaManager } from "../fpga/fpga-manager";
import { fpgaManagerAttributes } from "../fpga/fpga-manager-attributes";
import { type DeviceMount, FuseDeviceFiles } from "./fuse-device-files";
import { FuseKernelFiles } from "./fuse-kernel-files";
import { FuseServer } from "./fuse-server";
import type { BoardKernel } from "../kernel";
import { Attribute, Directory, KernelError, Link } from "../kernel-tree";
import { type OverlayErrors, overlaysDirectory } from "../fpga/overlay-attributes";
import { Overlays } from "../fpga/overlays";
import { PATHS } from "../paths";
import { UIO_DRIVER } from "../devices/platform-device";
import { BASE_TREE } from "../tree";
import { type BoardUDmaBuf, NAME as U_DMA_BUF } from "../devices/u-dma-buf";
import { uDmaBufAttributes } from "../devices/u-dma-buf-attributes";
import { UioClass } from "../devices/uio-class";

/** What a board with a file system is started with. */
export interface FuseKernelOptions {
  /** Of the mount at `sys`. */
  readonly fd: number;
  /** At `dev`; absent: device files are other ones. */
  readonly devices: DeviceMount | undefined;
  readonly overlayErrors: OverlayErrors;
  readonly programmingMs: number;
}

/** Where the manager's device is on a Zynq MPSoC. */
const MANAGER_DEVICE = "firmware:zynqmp-firmware:pcap/fpga_manager/fpga0";

/** The kernel side as a file system: what a program asks for is done before it goes on, or fails with the errno. */
export class FuseKernel implements BoardKernel {
  readonly #server: FuseServer;
  readonly #deviceServer: FuseServer | undefined;

  /** To be called before the thread opens a path in one of its own file systems. */
  static hideMounts(files: BoardFiles, { devices }: FuseKernelOptions): void {
    hideMounts(["sys", ...(devices ? [PATHS.devices] : [])].map((path) => files.path(path)));
  }

  constructor(
    files: BoardFiles,
    fabric: Fabric,
    { buffer, devices }: { buffer: BoardUDmaBuf; devices: DeviceFiles },
    options: FuseKernelOptions,
  ) {
    const { fd, overlayErrors, programmingMs } = options;
    const log = (message: string) => files.log(message);
    const kernelFiles = new FuseKernelFiles();
    const firmware = new Firmware(files.sysroot);
    const manager = new BoardFpgaManager({
      firmware,
      log,
      programmingMs,
      configure: (design) => fabric.configure(design),
      onReport: (state) => files.record?.fpga(state),
    });
    const uio = new UioClass(devices, kernelFiles);
    const overlays = new Overlays({ firmware, manager, uio, log, onChange: (nodes) => fabric.connect(nodes) });
    const readbackType = new ReadbackType();
    const text = (content: () => string | Buffer) => new Attribute({ show: content, lengthBytes: 0 });

    for (const [path, node] of Object.entries({
      [`${PATHS.platformDevices}/${MANAGER_DEVICE}`]: fpgaManagerAttributes(manager),
      [PATHS.fpgaManager]: new Link(`../../devices/platform/${MANAGER_DEVICE}`),
      [PATHS.fpgaDebug]: new Directory({ image: text(() => readBack(manager, readbackType)) }),
      [PATHS.readbackParameters]: new Directory({ readback_type: readbackType.attribute }),
      [PATHS.uioClass]: new Directory(),
      [`${PATHS.platformBus}/devices`]: new Directory(),
      [`${PATHS.platformBus}/drivers/${UIO_DRIVER}`]: new Directory(),
      [`${PATHS.uDmaBufClass}/${U_DMA_BUF}`]: uDmaBufAttributes(buffer),
      [`sys/class/udmabuf/${U_DMA_BUF}`]: new Link(`../u-dma-buf/${U_DMA_BUF}`),
      [PATHS.firmwareParameters]: new Directory({ path: searchPath(firmware) }),
      [PATHS.baseTree]: new Directory(
        Object.fromEntries(Object.entries(BASE_TREE).map(([name, value]) => [name, Attribute.of(value)])),
      ),
      [`${PATHS.mountedConfig}/device-tree/overlays`]: overlaysDirectory(overlays, overlayErrors),
    })) {
      kernelFiles.add(path, node);
    }
    this.#server = new FuseServer(fd, kernelFiles.root, programmingMs, log);
    if (devices instanceof FuseDeviceFiles && options.devices) {
      // What software wrote before that to the registers, an acknowledgement for example, comes first.
      devices.onControl(() => fabric.poll());
      this.#deviceServer = new FuseServer(options.devices.fd, devices.root, 0, log);
    }
  }

  serve(): void {
    // Nothing is to be brought up to date.
  }

  rest(timeoutMs: number, wakeFd: number): boolean {
    const deviceServer = this.#deviceServer;
    const isUnderWay = this.#server.continue();
    deviceServer?.continue();
    if (!waitReadableBriefly(this.#server.fd, wakeFd, timeoutMs, deviceServer?.fd)) return isUnderWay;
    this.#server.serve();
    deviceServer?.serve();
    return true;
  }

  close(): void {
    // The descriptors are closed by whoever gave them.
  }
}

/** The parameter `readback_type` of the kernel's driver: whether `image` shows registers (0) or the configuration (1). */
class ReadbackType {
  isConfiguration = false;
  readonly attribute = new Attribute({
    show: () => (this.isConfiguration ? "1\n" : "0\n"),
    store: (data) => {
      const text = data.toString("latin1").trim();
      if (!/^\d+$/.test(text)) throw new KernelError("EINVAL");
      this.isConfiguration = Number(text) !== 0;
      return undefined;
    },
  });
}

function readBack(manager: BoardFpgaManager, { isConfiguration }: ReadbackType): string | Buffer {
  const configuration = manager.readBack();
  return isConfiguration ? configuration : configurationRegisters();
}

/** The directory in which firmware is looked for before `/lib/firmware`. */
function searchPath(firmware: Firmware): Attribute {
  return new Attribute({
    show: () => `${firmware.searchPath}\n`,
    store: (data) => {
      firmware.searchPath = data.toString("latin1").replace(/\n$/, "");
      return undefined;
    },
  });
}
