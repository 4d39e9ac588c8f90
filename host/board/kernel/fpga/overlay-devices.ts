import { cellsOf, type DeviceTreeNode, stringsOf } from "./device-tree";
import { DeviceTreeBus, isBus, OverlayError, type RegisterRange } from "./device-tree-bus";
import { targetOf } from "./overlay-targets";

/** What an overlay asks the kernel to do. */
export interface OverlayRequest {
  /** The bitstream to load first, if the overlay names one. */
  readonly firmwareName: string | undefined;
  readonly devices: readonly OverlayDevice[];
  readonly buffers: readonly OverlayBuffer[];
  /** Those that it adds: what other overlays may be for. */
  readonly buses: readonly DeviceTreeBus[];
}

/** A node that the UIO platform driver binds to. */
export interface OverlayDevice {
  /** As today's kernels have it: the node's name with unit address, or the property `linux,uio-name`. */
  readonly name: string;
  readonly nodeName: string;
  /** In the device tree: `/axi/AxiProxy@a0000000`. */
  readonly treePath: string;
  /** On the platform bus. */
  readonly busName: string;
  readonly ranges: readonly RegisterRange[];
  /** The shared peripheral interrupt that the node names first; `undefined`: none. */
  readonly interrupt: number | undefined;
  readonly properties: ReadonlyMap<string, Buffer>;
}

/** A node that the u-dma-buf driver binds to. Source: ikwzm/udmabuf, README. */
export interface OverlayBuffer {
  /** The property `device-name`, or what the platform bus calls the node. */
  readonly name: string;
  readonly lengthBytes: number;
}

const NODE_NAME = /^[A-Za-z0-9,._+-]{1,31}(@[0-9a-fA-Fx,]{1,24})?$/;
const FIRMWARE_NAME = /^(?!\/)(?!.*(^|\/)\.\.(\/|$))\P{Cc}{1,255}$/u;
/** Of a file in `/dev` and a directory in sysfs. */
const BUFFER_NAME = /^(?!\.{1,2}$)[\w,.+@:-]{1,64}$/;
/** What the shared peripheral interrupts of the cells `type`, `number`, `trigger` have first. Source: kernel, bindings of the ARM GIC. */
const SHARED_PERIPHERAL_INTERRUPT = 0;
const INTERRUPT_CELLS = 3;
const REGISTER_BYTES = 4;
/** The largest register range that a virtual board provides. */
const MAX_REGISTER_BYTES = 16 * 2 ** 20;

/**
 * Reads an overlay: each child of the root with a node `__overlay__` is a fragment, whatever its name. The kernel makes
 * devices of the nodes in a fragment, and of those in buses, but for disabled ones.
 * Source: kernel `drivers/of/overlay.c`, `drivers/of/platform.c`.
 *
 * @param added buses of overlays that are applied
 * @throws OverlayError
 */
export function readOverlay(root: DeviceTreeNode, added: readonly DeviceTreeBus[] = []): OverlayRequest {
  const fragments = root.children.flatMap((fragment) => {
    const overlay = fragment.children.find(({ name }) => name === "__overlay__");
    return overlay ? [{ bus: targetOf(root, fragment, added).with(overlay), overlay }] : [];
  });
  if (fragments.length === 0) throw new OverlayError("no fragment has an __overlay__ node");
  const [firmwareName] = fragments.flatMap(({ overlay }) => stringsOf(overlay.properties.get("firmware-name")));
  if (firmwareName !== undefined && !FIRMWARE_NAME.test(firmwareName)) {
    throw new OverlayError("firmware-name is not a file below the firmware directory");
  }
  const request = { firmwareName, devices: [], buffers: [], buses: [] };
  for (const { bus, overlay } of fragments) addChildren(request, bus, overlay);
  return request;
}

interface Collected {
  readonly devices: OverlayDevice[];
  readonly buffers: OverlayBuffer[];
  readonly buses: DeviceTreeBus[];
}

function addChildren(into: Collected, bus: DeviceTreeBus, { children }: DeviceTreeNode): void {
  for (const child of children) {
    if (!isAvailable(child)) continue;
    if (!NODE_NAME.test(child.name)) throw new OverlayError("a node has a name that a device tree does not allow");
    const compatible = stringsOf(child.properties.get("compatible"));
    if (compatible.includes("generic-uio")) into.devices.push(uioDevice(bus, child));
    else if (compatible.some((text) => /^ikwzm,(u-dma-buf|udmabuf-)/.test(text))) into.buffers.push(buffer(bus, child));
    else if (isBus(child)) {
      const below = new DeviceTreeBus(child, bus);
      into.buses.push(below);
      addChildren(into, below, child);
    }
  }
}

/** Source: kernel `drivers/of/base.c`, `of_device_is_available()`. */
function isAvailable({ properties }: DeviceTreeNode): boolean {
  const status = properties.get("status");
  return status === undefined || ["okay", "ok"].includes(stringsOf(status)[0] ?? "");
}

function uioDevice(bus: DeviceTreeBus, node: DeviceTreeNode): OverlayDevice {
  const { name: nodeName, properties } = node;
  const ranges = bus.rangesOf(node);
  for (const { address, lengthBytes } of ranges) {
    if (address % REGISTER_BYTES !== 0) throw new OverlayError(`node ${nodeName} has registers that are not aligned`);
    if (lengthBytes >= REGISTER_BYTES && lengthBytes <= MAX_REGISTER_BYTES) continue;
    throw new OverlayError(`node ${nodeName} has ${lengthBytes} bytes of registers`);
  }
  const [name = nodeName] = stringsOf(properties.get("linux,uio-name"));
  return {
    ...{ name, nodeName, ranges, properties },
    treePath: `${bus.path}/${nodeName}`,
    busName: bus.nameOf(node),
    interrupt: sharedInterrupt(properties),
  };
}

function sharedInterrupt(properties: ReadonlyMap<string, Buffer>): number | undefined {
  // Behind the interrupt controller, which `interrupts` leaves to the node `interrupt-parent`.
  const extended = properties.get("interrupts-extended");
  const cells = extended ? cellsOf(extended).slice(1) : cellsOf(properties.get("interrupts"));
  return cells.length >= INTERRUPT_CELLS && cells[0] === SHARED_PERIPHERAL_INTERRUPT ? cells[1] : undefined;
}

function buffer(bus: DeviceTreeBus, node: DeviceTreeNode): OverlayBuffer {
  const { properties } = node;
  const [name = numberedName(properties) ?? bus.nameOf(node)] = stringsOf(properties.get("device-name"));
  if (!BUFFER_NAME.test(name)) throw new OverlayError(`node ${node.name} has a device-name that is no file name`);
  const lengthBytes = cellsOf(properties.get("size")).reduce((upper, cell) => upper * 2 ** 32 + cell, 0);
  return { name, lengthBytes };
}

function numberedName(properties: ReadonlyMap<string, Buffer>): string | undefined {
  const [number] = cellsOf(properties.get("minor-number"));
  return number === undefined ? undefined : `udmabuf${number}`;
}
