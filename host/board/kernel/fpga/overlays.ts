import { messageOf } from "../../../util/errors";
import { DeviceTreeError, readDeviceTree } from "./device-tree";
import type { Firmware } from "./firmware";
import type { BoardFpgaManager } from "./fpga-manager";
import { KernelError, type Work } from "../kernel-tree";
import { type DeviceTreeBus, OverlayError } from "./device-tree-bus";
import { type OverlayDevice, readOverlay } from "./overlay-devices";
import { NAME as U_DMA_BUF } from "../devices/u-dma-buf";
import type { UioClass, UioNode } from "../devices/uio-class";
import { reachableRanges } from "../devices/uio-maps";

/** Where a flattened device tree says how long it is. */
const TOTAL_SIZE_OFFSET = 4;

/** A directory that a program made, and what became of it. */
export interface Overlay {
  /** Whether its devices are there. */
  applied: boolean;
  /** Whether it is being applied. */
  underWay: boolean;
  readonly nodes: UioNode[];
  /** The buses that it has added to the device tree. */
  buses: readonly DeviceTreeBus[];
}

export interface OverlaysOptions {
  readonly firmware: Firmware;
  readonly manager: BoardFpgaManager;
  readonly uio: UioClass;
  /** Called with all devices whenever there are others. */
  readonly onChange: (nodes: UioNode[]) => void;
  /** Takes a line for the kernel's log. */
  readonly log: (message: string) => void;
}

/**
 * The kernel's device-tree overlays: each programs a bitstream and adds devices.
 * Source: kernel `drivers/of/overlay.c`, linux-xlnx `drivers/of/configfs.c`.
 */
export class Overlays {
  readonly #options: OverlaysOptions;
  /** In the order in which they were applied. */
  #applied: Overlay[] = [];

  constructor(options: OverlaysOptions) {
    this.#options = options;
  }

  /** One that is not applied. */
  create(): Overlay {
    return { applied: false, underWay: false, nodes: [], buses: [] };
  }

  /**
   * Applies a file from the firmware directory.
   *
   * @throws KernelError what {@link Firmware.read} and {@link applyBlob} throw
   */
  *applyFile(overlay: Overlay, name: string): Work {
    yield* this.#apply(overlay, name, () => this.#options.firmware.read(name));
  }

  /**
   * Applies an overlay: loads the bitstream that it names, and adds its devices.
   *
   * @throws KernelError EINVAL for what is no overlay; EEXIST for devices that there are; what the FPGA manager says
   */
  *applyBlob(overlay: Overlay, blob: Buffer): Work {
    yield* this.#apply(overlay, "dtbo", () => blob);
  }

  /** Brings one back that an earlier board applied, for a board that was built again. */
  *resume(overlay: Overlay, name: string): Work {
    const { firmware, manager } = this.#options;
    const resume = (bitstream: string) => {
      manager.resume(bitstream);
      return undefined;
    };
    yield* this.#apply(overlay, name, () => firmware.read(name), resume);
  }

  /** Removes an overlay's devices, the last first. The FPGA keeps its configuration. */
  remove(overlay: Overlay): void {
    if (!overlay.applied) return;
    this.#applied = this.#applied.filter((other) => other !== overlay);
    overlay.applied = false;
    this.#removeNodes(overlay);
    this.#announce();
  }

  /**
   * Whether an overlay may be removed.
   *
   * @throws KernelError EBUSY if it is being applied, or if another was applied after it
   */
  requireRemovable(overlay: Overlay): void {
    if (overlay.underWay) throw new KernelError("EBUSY");
    if (!overlay.applied || this.#applied.at(-1) === overlay) return;
    this.#options.log("OF: overlay: cannot remove an overlay while a later one is applied");
    throw new KernelError("EBUSY");
  }

  *#apply(
    overlay: Overlay,
    name: string,
    read: () => Buffer,
    load: (bitstream: string) => Work | undefined = (bitstream) => this.#options.manager.load(bitstream),
  ): Work {
    overlay.underWay = true;
    try {
      const { firmwareName, devices, buffers, buses } = readOverlay(
        readDeviceTree(read()),
        this.#applied.flatMap((other) => other.buses),
      );
      const loading = firmwareName === undefined ? undefined : load(firmwareName);
      if (loading) yield* loading;
      for (const device of devices) overlay.nodes.push(this.#publish(device));
      for (const { name, lengthBytes } of buffers) {
        this.#options.log(
          `u-dma-buf ${name}: this board makes no buffer of ${lengthBytes} bytes for an overlay: it has ${U_DMA_BUF}, and no other`,
        );
      }
      overlay.buses = buses;
      this.#applied.push(overlay);
      overlay.applied = true;
      this.#announce();
    } catch (error) {
      this.#removeNodes(overlay);
      this.#options.log(`create_overlay: Failed to apply ${name}: ${messageOf(error)}`);
      if (error instanceof DeviceTreeError || error instanceof OverlayError) {
        throw new KernelError("EINVAL", error.message);
      }
      throw error;
    } finally {
      overlay.underWay = false;
    }
  }

  #publish(device: OverlayDevice): UioNode {
    const ranges = reachableRanges(device.ranges, ({ address }, reason) => {
      this.#options.log(
        `uio_pdrv_genirq ${device.busName}: this board leaves out the registers at 0x${address.toString(16)}: ${reason}`,
      );
    });
    return this.#options.uio.publish({ ...device, ranges });
  }

  #removeNodes(overlay: Overlay): void {
    for (const node of overlay.nodes.splice(0).reverse()) this.#options.uio.remove(node);
  }

  #announce(): void {
    this.#options.onChange(this.#applied.flatMap(({ nodes }) => nodes));
  }
}

/** Whether a device tree that is being written is there with all the bytes that it says it has. */
export function isWholeBlob(blob: Buffer): boolean {
  return blob.length >= 8 && blob.length >= blob.readUInt32BE(TOTAL_SIZE_OFFSET);
}
