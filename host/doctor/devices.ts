import type { Sysroot } from "../linux/sysroot";
import { listUDmaBufs, type UDmaBufInfo } from "../linux/u-dma-buf";
import { describeWithId, listUioDevices } from "../linux/uio";
import { hex } from "../util/errors";
import { asRoot, quote } from "./commands";
import type { Check, Place, Verdict } from "./finding";
import { firmware, fpgaManager, overlays } from "./fpga";
import { iommu } from "./iommu";
import { mayUse } from "./machine";
import { formatBytes } from "./units";

const UIO_DRIVER = "/sys/bus/platform/drivers/uio_pdrv_genirq";
const UIO_MODULE = "uio_pdrv_genirq";
const LOAD_UIO = `modprobe ${UIO_MODULE} of_id=generic-uio`;
/** As large as the reference system's. */
const LOAD_U_DMA_BUF = `modprobe u-dma-buf udmabuf0=${32 * 2 ** 20}`;

export const DEVICE_CHECKS: readonly Check[] = [
  { id: "uio", title: "UIO devices", examine: uio },
  { id: "uio-access", title: "access to UIO", examine: uioAccess },
  { id: "iommu", title: "IOMMU", examine: iommu },
  { id: "fpga-manager", title: "FPGA manager", examine: fpgaManager },
  { id: "overlays", title: "overlays directory", examine: overlays },
  { id: "firmware", title: "firmware directory", examine: firmware },
  { id: "u-dma-buf", title: "u-dma-buf", examine: uDmaBuf },
  { id: "u-dma-buf-access", title: "access to u-dma-buf", examine: uDmaBufAccess },
];

function uio({ target, machine }: Place): Verdict {
  const devices = listUioDevices(target);
  if (devices.length > 0) return { status: "ok", found: devices.map(describeWithId).join(", ") };
  if (target.exists(UIO_DRIVER)) {
    return {
      status: "warning",
      found:
        `none yet, though the driver ${UIO_MODULE} is loaded: the FPGA is not programmed, or the driver was ` +
        "loaded without of_id=generic-uio",
      fix: asRoot(machine, `modprobe -r ${UIO_MODULE}`, LOAD_UIO),
    };
  }
  return {
    status: "missing",
    found: `none, and the driver ${UIO_MODULE} is not loaded`,
    fix: asRoot(machine, LOAD_UIO),
  };
}

function uioAccess(place: Place): Verdict | undefined {
  const { target, machine } = place;
  const devices = listUioDevices(target);
  const without = devices.filter(({ id }) => !target.exists(`/dev/${id}`));
  if (without.length === 0)
    return access(
      place,
      devices.map(({ id }) => id),
      "missing",
    );
  const commands = without.flatMap(({ id }) => {
    const [, major, minor] = /^(\d+):(\d+)$/.exec(target.readText(`/sys/class/uio/${id}/dev`) ?? "") ?? [];
    return major === undefined ? [] : [`mknod -m 600 ${quote(target.path(`/dev/${id}`))} c ${major} ${minor}`];
  });
  return {
    status: "missing",
    found: `there is no ${without.map(({ id }) => target.path(`/dev/${id}`)).join(", ")}`,
    fix: commands.length > 0 ? asRoot(machine, ...commands) : undefined,
  };
}

/** Pins do for pages; larger contiguous buffers, and buffers of their own cache mode, come from this driver. */
function uDmaBuf({ target, machine }: Place): Verdict {
  const buffers = listUDmaBufs(target);
  if (buffers.length === 0) {
    return {
      status: "warning",
      found: "none: no large contiguous buffers (the driver is not part of the kernel: github.com/ikwzm/udmabuf)",
      fix: asRoot(machine, LOAD_U_DMA_BUF),
    };
  }
  const broken = buffers.some(({ lengthBytes, physicalAddress }) => lengthBytes === 0 || physicalAddress === 0n);
  return { status: broken ? "warning" : "ok", found: buffers.map(describeBuffer).join(", ") };
}

function uDmaBufAccess(place: Place): Verdict | undefined {
  return access(
    place,
    listUDmaBufs(place.target).map(({ name }) => name),
    "warning",
  );
}

function describeBuffer({ name, lengthBytes, physicalAddress, coherent }: UDmaBufInfo): string {
  if (lengthBytes === 0 || physicalAddress === 0n) return `${name} shows no size or address`;
  return `${name} (${formatBytes(lengthBytes)} at ${hex(physicalAddress)}, ${coherent ? "" : "not "}coherent)`;
}

/** Whether device files may be opened. */
function access({ target, machine }: Place, names: readonly string[], otherwise: "warning" | "missing") {
  if (names.length === 0) return undefined;
  const paths = names.map((name) => target.path(`/dev/${name}`));
  const forbidden = paths.filter((path) => !mayUse(path));
  if (forbidden.length === 0) return { status: "ok", found: "may be opened" } as const;
  // Root is refused for reasons that no ownership mends: a device that is gone, a container.
  const fix = machine.userId === 0 ? undefined : asRoot(machine, `chown "$(id -u)" ${forbidden.map(quote).join(" ")}`);
  return { status: otherwise, found: `may not be opened: ${forbidden.join(", ")}`, fix };
}

/** Whether a system looks like one with an FPGA. */
export function hasFpga(target: Sysroot): boolean {
  return target.list("/sys/class/fpga_manager").length > 0 || listUioDevices(target).length > 0;
}
