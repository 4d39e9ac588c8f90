import { cellsOf, type DeviceTreeNode, stringsOf } from "./device-tree";

/** Where no bus says how many cells an address and a length have. Source: kernel `include/linux/of_address.h`. */
const ROOT_CELLS = { address: 2, size: 2 } as const;
/** Buses whose children are devices. Source: kernel `drivers/of/platform.c`, `of_default_bus_match_table`; FPGA regions. */
const BUSES: ReadonlySet<string> = new Set(["simple-bus", "simple-mfd", "isa", "arm,amba-bus", "fpga-region"]);

/** An overlay that the kernel refuses with EINVAL. */
export class OverlayError extends Error {
  override readonly name = "OverlayError";
}

/** Addresses of a bus that are other ones on the bus above. */
interface Window {
  readonly from: number;
  readonly to: number;
  readonly lengthBytes: number;
}

/** A register range of a device, as the processor sees it. */
export interface RegisterRange {
  /** From `reg-names`, else that of the node. */
  readonly name: string;
  readonly address: number;
  readonly lengthBytes: number;
}

/** What of a node matters here. */
type BusNode = Pick<DeviceTreeNode, "name" | "properties">;

/** How the children of a node in the device tree are addressed. Source: Devicetree Specification 0.4, 2.3. */
export class DeviceTreeBus {
  /** Of the node: `/axi`; the root's is empty. */
  readonly path: string;
  readonly #node: BusNode;
  readonly #parent: DeviceTreeBus | undefined;
  readonly #addressCells: number;
  readonly #sizeCells: number;
  /** Absent: every address is the same one above. */
  readonly #windows: readonly Window[] | undefined;
  /** In the names of devices that have no address. */
  readonly #name: string;

  /**
   * @param node with `#address-cells`, `#size-cells` and `ranges`; what it has not, it has from above
   * @throws OverlayError if one of them is malformed
   */
  constructor(node: BusNode, parent?: DeviceTreeBus) {
    this.#node = node;
    this.#parent = parent;
    this.path = parent ? `${parent.path}/${node.name}` : "";
    this.#addressCells = countIn(node, "#address-cells") ?? parent?.childAddressCells ?? ROOT_CELLS.address;
    this.#sizeCells = countIn(node, "#size-cells") ?? parent?.childSizeCells ?? ROOT_CELLS.size;
    this.#windows = parent ? this.#windowsIn(node, parent) : undefined;
    this.#name = parent ? parent.nameOf(node) : "";
  }

  get childAddressCells(): number {
    return this.#addressCells;
  }

  get childSizeCells(): number {
    return this.#sizeCells;
  }

  /** The same bus, as an overlay changes it. */
  with({ properties }: Pick<DeviceTreeNode, "properties">): DeviceTreeBus {
    const { name, properties: before } = this.#node;
    return new DeviceTreeBus({ name, properties: new Map([...before, ...properties]) }, this.#parent);
  }

  /** The register ranges of a child; those that no bus above passes on are left out. */
  rangesOf({ name, properties }: DeviceTreeNode): RegisterRange[] {
    const reg = cellsOf(properties.get("reg"));
    const cells = this.#addressCells + this.#sizeCells;
    if (reg.length > 0 && reg.length % cells !== 0) throw new OverlayError(`reg of node ${name} is malformed`);
    const names = stringsOf(properties.get("reg-names"));
    return Array.from({ length: reg.length / (cells || 1) }, (_, index) => {
      const address = this.translate(numberIn(reg, index * cells, this.#addressCells));
      const lengthBytes = numberIn(reg, index * cells + this.#addressCells, this.#sizeCells);
      return address === undefined ? [] : [{ name: names[index] ?? name, address, lengthBytes }];
    }).flat();
  }

  /** An address of this bus as the processor sees it; `undefined` if a bus above does not pass it on. */
  translate(address: number): number | undefined {
    const window = this.#windows?.find(({ from, lengthBytes }) => address >= from && address < from + lengthBytes);
    if (this.#windows && !window) return undefined;
    const above = window ? address - window.from + window.to : address;
    return this.#parent ? this.#parent.translate(above) : above;
  }

  /**
   * What the kernel calls a child on the platform bus: `a0000000.AxiProxy`, `axi:udmabuf@0x0`.
   * Source: kernel `drivers/of/device.c`, `of_device_make_bus_id()`.
   */
  nameOf(node: BusNode): string {
    const reg = cellsOf(node.properties.get("reg"));
    const hasAddress = reg.length > 0 && reg.length >= this.#addressCells;
    const address = !hasAddress ? undefined : this.translate(numberIn(reg, 0, this.#addressCells));
    if (address !== undefined) return `${address.toString(16)}.${node.name.split("@")[0]}`;
    return this.#name === "" ? node.name : `${this.#name}:${node.name}`;
  }

  #windowsIn({ name, properties }: BusNode, above: DeviceTreeBus) {
    const property = properties.get("ranges");
    if (property?.length === 0) return undefined;
    const ranges = cellsOf(property);
    const cells = this.#addressCells + above.childAddressCells + this.#sizeCells;
    if (ranges.length > 0 && ranges.length % cells !== 0) throw new OverlayError(`ranges of node ${name} is malformed`);
    return Array.from({ length: ranges.length / (cells || 1) }, (_, index): Window => {
      const at = index * cells;
      return {
        from: numberIn(ranges, at, this.#addressCells),
        to: numberIn(ranges, at + this.#addressCells, above.childAddressCells),
        lengthBytes: numberIn(ranges, at + this.#addressCells + above.childAddressCells, this.#sizeCells),
      };
    });
  }
}

/** Whether the kernel makes devices of a node's children. */
export function isBus({ properties }: DeviceTreeNode): boolean {
  return stringsOf(properties.get("compatible")).some((compatible) => BUSES.has(compatible));
}

function countIn({ name, properties }: BusNode, property: string) {
  const value = properties.get(property);
  if (!value) return undefined;
  const [count = 0] = cellsOf(value);
  if (value.length !== 4 || count > 2)
    throw new OverlayError(`${property} of node ${name || "/"} is none of 0, 1 and 2`);
  return count;
}

function numberIn(cells: readonly number[], first: number, count: number): number {
  const number = cells.slice(first, first + count).reduce((upper, cell) => upper * 2 ** 32 + cell, 0);
  if (!Number.isSafeInteger(number)) throw new OverlayError("an address or a length is out of range");
  return number;
}
