import { type DeviceTreeNode, stringsOf } from "./device-tree";

/** What an overlay asks the kernel to do. */
export interface OverlayRequest {
  /** The bitstream to load first, if the overlay names one. */
  readonly firmwareName: string | undefined;
  readonly devices: readonly OverlayDevice[];
}

/** A node that the UIO platform driver binds to. */
export interface OverlayDevice {
  /** Node name without unit address, or the property `linux,uio-name`. */
  readonly name: string;
  readonly nodeName: string;
  readonly address: number;
  readonly lengthBytes: number;
  /** The shared peripheral interrupt that the property `interrupts` names first; `undefined`: none. */
  readonly interrupt: number | undefined;
  readonly properties: ReadonlyMap<string, Buffer>;
}

/** An overlay that the kernel refuses with EINVAL. */
export class OverlayError extends Error {
  override readonly name = "OverlayError";
}

const NODE_NAME = /^[A-Za-z0-9,._+-]{1,31}(@[0-9a-fA-F,]{1,24})?$/;
const FIRMWARE_NAME = /^(?!.*(^|\/)\.\.(\/|$))[\w.,+@-][\w./,+@-]{0,254}$/;
const DEFAULT_CELLS = 2;
/** Of `interrupts`, the cells are type, number and trigger. Source: kernel, bindings of the ARM GIC. */
const SHARED_PERIPHERAL_INTERRUPT = 0;
const INTERRUPT_BYTES = 12;
/** The largest register range that a virtual board provides. */
const MAX_REGISTER_BYTES = 16 * 2 ** 20;

/**
 * Reads an overlay's fragments.
 *
 * @throws OverlayError
 */
export function readOverlay(root: DeviceTreeNode): OverlayRequest {
  const overlays = root.children
    .filter(({ name }) => name.split("@")[0] === "fragment")
    .flatMap(({ children }) => children.filter(({ name }) => name === "__overlay__"));
  if (overlays.length === 0) throw new OverlayError("no fragment has an __overlay__ node");
  const [firmwareName] = overlays.flatMap(({ properties }) => stringsOf(properties.get("firmware-name")));
  if (firmwareName !== undefined && !FIRMWARE_NAME.test(firmwareName)) {
    throw new OverlayError("firmware-name is not a file below the firmware directory");
  }
  return { firmwareName, devices: overlays.flatMap(uioDevices) };
}

function uioDevices(overlay: DeviceTreeNode): OverlayDevice[] {
  const count = (property: string) => {
    const value = overlay.properties.get(property);
    if (value && value.length !== 4) throw new OverlayError(`${property} is not one cell`);
    return value?.readUInt32BE(0) ?? DEFAULT_CELLS;
  };
  return overlay.children
    .filter(({ properties }) => stringsOf(properties.get("compatible")).includes("generic-uio"))
    .map(({ name, properties }) => {
      if (!NODE_NAME.test(name)) throw new OverlayError("a node has a name that a device tree does not allow");
      const [label] = stringsOf(properties.get("linux,uio-name"));
      const reg = properties.get("reg");
      const addressCells = count("#address-cells");
      const address = readCells(reg, 0, addressCells);
      const lengthBytes = readCells(reg, addressCells, count("#size-cells"));
      if (lengthBytes < 4 || lengthBytes > MAX_REGISTER_BYTES) {
        throw new OverlayError(`node ${name} has ${lengthBytes} bytes of registers`);
      }
      const interrupt = sharedInterrupt(properties.get("interrupts"));
      return { name: label ?? name.split("@")[0] ?? name, nodeName: name, address, lengthBytes, interrupt, properties };
    });
}

function sharedInterrupt(interrupts: Buffer | undefined): number | undefined {
  if (!interrupts || interrupts.length < INTERRUPT_BYTES) return undefined;
  return interrupts.readUInt32BE(0) === SHARED_PERIPHERAL_INTERRUPT ? interrupts.readUInt32BE(4) : undefined;
}

function readCells(reg: Buffer | undefined, first: number, count: number): number {
  if (!reg || count < 1 || count > 2 || reg.length < (first + count) * 4)
    throw new OverlayError("a reg property is malformed");
  const value = reg.readUIntBE(first * 4, 4);
  const number = count === 1 ? value : value * 2 ** 32 + reg.readUInt32BE(first * 4 + 4);
  if (!Number.isSafeInteger(number)) throw new OverlayError("a reg property is out of range");
  return number;
}
