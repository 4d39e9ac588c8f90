import { cellsOf, type DeviceTreeNode, stringsOf } from "./device-tree";
import { DeviceTreeBus, OverlayError } from "./device-tree-bus";

/** Nodes of the board's own device tree that designs are put into, with their labels. `/amba` is that of older kernels. */
const BASE_NODES: ReadonlyMap<string, readonly string[]> = new Map([
  ["/axi", ["amba", "axi"]],
  ["/amba", []],
  ["/amba_pl@0", ["amba_pl"]],
  ["/fpga-full", ["fpga_full"]],
]);

const ROOT = new DeviceTreeBus({ name: "", properties: new Map() });
const BASE_BUSES = [...BASE_NODES.keys()].map((path) => {
  return new DeviceTreeBus({ name: path.slice(1), properties: new Map([["ranges", Buffer.alloc(0)]]) }, ROOT);
});

/**
 * The bus that a fragment of an overlay changes: by `target-path`, or by `target`, a label that `__fixups__` names.
 * Source: kernel `drivers/of/overlay.c`, `find_target()`, and `resolver.c`.
 *
 * @param root of the overlay
 * @param added buses of overlays that are applied
 * @throws OverlayError if there is no such node
 */
export function targetOf(
  root: DeviceTreeNode,
  fragment: DeviceTreeNode,
  added: readonly DeviceTreeBus[],
): DeviceTreeBus {
  const { name, properties } = fragment;
  const path = targetPath(root, fragment);
  if (path === undefined) {
    const phandle = cellsOf(properties.get("target"))[0];
    const found =
      phandle === undefined ? "has neither target nor target-path" : `has a target that is no label of this board`;
    throw new OverlayError(`${name} ${found}: ${existing()}`);
  }
  const target = [ROOT, ...BASE_BUSES, ...added].find((bus) => (bus.path || "/") === path);
  if (target) return target;
  throw new OverlayError(`${name} is for the node ${path}, which is not there: ${existing()}`);
}

/** By label or path; the kernel asks for `target` first. */
function targetPath(root: DeviceTreeNode, { name, properties }: DeviceTreeNode): string | undefined {
  if (!properties.has("target")) return stringsOf(properties.get("target-path"))[0];
  const fixups = root.children.find((child) => child.name === "__fixups__");
  const place = `/${name}:target:0`;
  const label = [...(fixups?.properties ?? [])].find(([, places]) => stringsOf(places).includes(place))?.[0];
  return [...BASE_NODES].find(([, labels]) => label !== undefined && labels.includes(label))?.[0];
}

function existing(): string {
  const nodes = [...BASE_NODES].map(([path, labels]) => [path, ...labels.map((label) => `&${label}`)].join(" or "));
  return `an overlay is for / or ${nodes.join(", ")}`;
}
