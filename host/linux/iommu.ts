import { AxiscriptError } from "../util/errors";
import type { Sysroot } from "./sysroot";
import { describeWithId } from "./uio";
import type { UioIdentity } from "./uio-identity";
import { UIO_CLASS } from "./uio-presence";

/** The domain in which addresses go through as they are. */
const IDENTITY = "identity";

/** What an IOMMU does to the addresses that a device puts on the bus. */
export interface IommuDomain {
  /** The file that says it, as a path of the target. */
  readonly file: string;
  /** What it says; `undefined` if it cannot be read. */
  readonly type: string | undefined;
  /** Whether an address may come to lie elsewhere, or nowhere: all that is not known to be the identity. */
  readonly translates: boolean;
}

/**
 * The IOMMU domain of a device; `undefined` if no IOMMU stands between it and memory.
 *
 * Source: kernel `Documentation/ABI/testing/sysfs-kernel-iommu_groups`.
 */
export function iommuDomainOf(sysroot: Sysroot, { id }: Pick<UioIdentity, "id">): IommuDomain | undefined {
  const group = `${UIO_CLASS}/${id}/device/iommu_group`;
  if (!sysroot.exists(group)) return undefined;
  const file = `${group}/type`;
  const type = sysroot.readText(file);
  return { file, type, translates: type !== IDENTITY };
}

/**
 * Refuses a device that is given physical addresses, and whose addresses an IOMMU translates: its transfers would reach
 * nothing, or something else, and nobody would hear of it.
 *
 * @throws AxiscriptError ERR_AXI_IOMMU
 */
export function refuseTranslation(sysroot: Sysroot, device: UioIdentity): void {
  const domain = iommuDomainOf(sysroot, device);
  if (!domain?.translates) return;
  throw new AxiscriptError(
    "ERR_AXI_IOMMU",
    `Cannot open device ${describeWithId(device)} for transfers: it is given physical addresses, and an IOMMU ` +
      `translates its addresses: ${describeDomain(sysroot, domain)}. Boot with iommu=pt (arm64: ` +
      `iommu.passthrough=1). Or unbind the device's driver, write ${IDENTITY} to that file, and bind the driver again, ` +
      'where the kernel allows it. A device that moves no data by itself says so in its description ("dma": "none").',
  );
}

/** `/sys/class/uio/uio0/device/iommu_group/type reads "DMA"`. */
export function describeDomain(sysroot: Sysroot, { file, type }: IommuDomain): string {
  return `${sysroot.path(file)} ${type === undefined ? "cannot be read" : `reads "${type}"`}`;
}
