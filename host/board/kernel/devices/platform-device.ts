import { stringsOf } from "../fpga/device-tree";
import { Attribute, Directory, Link } from "../kernel-tree";
import type { OverlayDevice } from "../fpga/overlay-devices";
import { PATHS } from "../paths";

/** The driver that makes UIO devices of platform devices. */
export const UIO_DRIVER = "uio_pdrv_genirq";
/** What a device tree allows, but for `.` and `..`, which are no files. */
const PROPERTY_NAME = /^(?!\.{1,2}$)[\w,.+?#-]{1,31}$/;

/** A link below `sys/devices/platform/NAME` to a place below `sys`. */
const linkTo = (path: string) => new Link(`../../../${path.replace(/^sys\//, "")}`);

/**
 * The directory of a platform device: its device-tree node, its bus and driver, and what udev is told of it.
 * Source: kernel `drivers/base/core.c`, `drivers/base/platform.c`, `drivers/of/device.c`.
 *
 * @param made what the driver made, by subsystem
 */
export function platformDirectory(device: OverlayDevice, made: Readonly<Record<string, Directory>>): Directory {
  const alias = modaliasOf(device);
  return new Directory({
    ...made,
    of_node: treeNodeDirectory(device),
    subsystem: linkTo(PATHS.platformBus),
    driver: linkTo(`${PATHS.platformBus}/drivers/${UIO_DRIVER}`),
    modalias: Attribute.of(`${alias}\n`),
    uevent: ueventOf({ DRIVER: UIO_DRIVER, ...treeVariables(device), MODALIAS: alias }),
  });
}

/** The attribute `uevent`: a line for each variable. */
export function ueventOf(variables: Readonly<Record<string, string | number>>): Attribute {
  const lines = Object.entries(variables).map(([name, value]) => `${name}=${value}\n`);
  return Attribute.of(lines.join(""));
}

function treeVariables({ nodeName, treePath, properties }: OverlayDevice): Record<string, string | number> {
  const compatible = stringsOf(properties.get("compatible"));
  return {
    OF_NAME: withoutAddress(nodeName),
    OF_FULLNAME: treePath,
    ...Object.fromEntries(compatible.map((text, index) => [`OF_COMPATIBLE_${index}`, text])),
    OF_COMPATIBLE_N: compatible.length,
  };
}

function modaliasOf({ nodeName, properties }: OverlayDevice): string {
  const compatible = stringsOf(properties.get("compatible")).map((text) => `C${text.replaceAll(" ", "_")}`);
  return `of:N${withoutAddress(nodeName)}T(null)${compatible.join("")}`;
}

/** A device-tree node: its properties as they are. */
function treeNodeDirectory({ nodeName, properties }: OverlayDevice): Directory {
  const directory = new Directory({ name: Attribute.of(Buffer.from(`${withoutAddress(nodeName)}\0`)) });
  for (const [name, value] of properties) {
    if (PROPERTY_NAME.test(name)) directory.add(name, Attribute.of(value));
  }
  return directory;
}

function withoutAddress(nodeName: string): string {
  return nodeName.split("@")[0] ?? nodeName;
}
