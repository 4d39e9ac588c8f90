import { readlinkSync } from "node:fs";
import { basename } from "node:path";
import type { Sysroot } from "./sysroot";

const PLATFORM_DEVICES = "/sys/bus/platform/devices";
const UIO_DRIVER = "uio_pdrv_genirq";
const UIO_COMPATIBLE = "generic-uio";
const LOAD = `modprobe ${UIO_DRIVER} of_id=${UIO_COMPATIBLE}`;

/**
 * What to do about a device that the system has and that is no UIO device, since no driver is bound to it, or another
 * one; `undefined` if the system has no such device.
 *
 * Source: kernel `drivers/uio/uio_pdrv_genirq.c`, `Documentation/driver-api/driver-model/binding.rst`.
 *
 * @param name of its node in the device tree, without the address
 */
export function adviceForUnbound(sysroot: Sysroot, name: string, note: string): string | undefined {
  const found = sysroot.list(PLATFORM_DEVICES).filter((id) => {
    const node = `${PLATFORM_DEVICES}/${id}/of_node`;
    // As the kernel names platform devices: address, dot, name of the node.
    const isNamed = sysroot.readText(`${node}/name`) === name || id.slice(id.indexOf(".") + 1) === name;
    return isNamed && (note === "" || sysroot.readText(`${node}/jan-note`) === note);
  });
  const [id] = found;
  if (id === undefined) return undefined;
  const driver = driverOf(sysroot, `${PLATFORM_DEVICES}/${id}`);
  // Then it is a UIO device of another name.
  if (driver === UIO_DRIVER) return undefined;
  if (driver !== undefined) {
    return (
      `The system has it as ${id}, and the driver ${driver} is bound to it. To give it to scripts: ` +
      `echo ${id} > /sys/bus/platform/drivers/${driver}/unbind, and let its node be compatible = "${UIO_COMPATIBLE}".`
    );
  }
  const compatible = sysroot.readRaw(`${PLATFORM_DEVICES}/${id}/of_node/compatible`)?.split("\0").filter(Boolean) ?? [];
  const missing = compatible.includes(UIO_COMPATIBLE)
    ? ""
    : ` Its node in the device tree must be compatible = "${UIO_COMPATIBLE}"; it is ${compatible.map((text) => `"${text}"`).join(", ") || "nothing"}.`;
  return `The system has it as ${id}, and no driver is bound to it: ${loading(sysroot)}.${missing}`;
}

/** What makes the UIO driver take devices. */
function loading(sysroot: Sysroot): string {
  const parameter = sysroot.readText(`/sys/module/${UIO_DRIVER}/parameters/of_id`);
  if (parameter === UIO_COMPATIBLE) return `the driver ${UIO_DRIVER} is loaded, so look into the kernel's log (dmesg)`;
  if (sysroot.exists(`/sys/bus/platform/drivers/${UIO_DRIVER}`)) {
    return `the driver ${UIO_DRIVER} is loaded without of_id=${UIO_COMPATIBLE}. modprobe -r ${UIO_DRIVER}; ${LOAD}`;
  }
  return `load one with ${LOAD}`;
}

/** The driver that is bound to a device; `undefined` if none is, or it has no name here. */
export function driverOf(sysroot: Sysroot, device: string): string | undefined {
  try {
    return basename(readlinkSync(sysroot.path(`${device}/driver`)));
  } catch {
    return undefined;
  }
}
