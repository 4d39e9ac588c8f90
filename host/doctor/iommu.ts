import { readlinkSync } from "node:fs";
import { basename } from "node:path";
import { DeviceCatalog } from "../linux/catalog";
import { describeDomain, iommuDomainOf } from "../linux/iommu";
import type { Sysroot } from "../linux/sysroot";
import { describeWithId, listUioDevices } from "../linux/uio";
import { UIO_CLASS } from "../linux/uio-presence";
import { asRoot, quote } from "./commands";
import type { Place, Verdict } from "./finding";

/** Whether devices that move data reach the physical addresses that they are given. */
export function iommu({ target, machine }: Place): Verdict | undefined {
  const catalog = new DeviceCatalog();
  const behind = listUioDevices(target).flatMap((device) => {
    const domain = iommuDomainOf(target, device);
    return domain ? [{ device, domain, dma: catalog.describe(target, device)?.dma }] : [];
  });
  const refused = behind.filter(({ domain, dma }) => domain.translates && dma !== "none");
  const [first] = refused;
  if (!first) {
    return behind.length > 0 ? { status: "ok", found: "lets the addresses of the UIO devices through" } : undefined;
  }
  const steps = refused.map(({ device }) => letThrough(target, device.id));
  const known = steps.every((step) => step !== undefined);
  return {
    // A description of the user's own may say that a device moves no data.
    status: refused.some(({ dma }) => dma !== undefined) ? "missing" : "warning",
    found:
      `translates the addresses of ${refused.map(({ device }) => describeWithId(device)).join(", ")} ` +
      `(${describeDomain(target, first.domain)}), and transfers take physical ones: boot with iommu=pt (arm64: ` +
      `iommu.passthrough=1)${known ? "; until the next boot, where the kernel allows it, as below" : ""}`,
    fix: known ? asRoot(machine, `sh -c ${quote(steps.join(" && "))}`) : undefined,
  };
}

/** The commands for a device; `undefined` where its bus, driver or group has no name here. */
function letThrough(target: Sysroot, id: string): string | undefined {
  const link = `${UIO_CLASS}/${id}/device`;
  const names = ["", "/subsystem", "/driver", "/iommu_group"].map((name) => linkName(target, `${link}${name}`));
  const [device, bus, driver, group] = names;
  if (names.includes(undefined)) return undefined;
  const directory = `/sys/bus/${bus}/drivers/${driver}`;
  return [
    `echo ${device} > ${directory}/unbind`,
    `echo identity > /sys/kernel/iommu_groups/${group}/type`,
    `echo ${device} > ${directory}/bind`,
  ].join(" && ");
}

function linkName(target: Sysroot, link: string): string | undefined {
  try {
    return basename(readlinkSync(target.path(link)));
  } catch {
    return undefined;
  }
}
