import type { DeviceCatalog } from "./catalog";
import { type FileUser, usersOf } from "./open-files";
import type { Sysroot } from "./sysroot";
import { listUioDevices } from "./uio";
import type { UioMap } from "./uio-identity";
import { driverOf } from "./unbound";

/** A UIO device, with everything that can be said of it without touching it. */
export interface ListedDevice {
  /** `uioN`; the number changes between boots and overlays. */
  readonly id: string;
  readonly name: string;
  /** The device-tree property `jan-note`, or empty. */
  readonly note: string;
  /** By its description; absent: there is none. What the device really is shows when it is opened. */
  readonly kind?: string;
  /** The description's file. */
  readonly description?: string;
  /** Of the kernel, where it tells. */
  readonly driver?: string;
  readonly driverVersion?: string;
  /** How many interrupts there were. */
  readonly events?: number;
  readonly maps: readonly ListedMap[];
  /** Processes that have its device file open, as far as this one may see that. */
  readonly openBy: readonly FileUser[];
}

/** A range of registers. */
export interface ListedMap extends UioMap {
  /** The kernel's name for it; may be empty. */
  readonly name: string;
}

/** The UIO devices of a system, in the order of their numbers. None of them is opened. */
export function takeInventory(sysroot: Sysroot, catalog: DeviceCatalog): ListedDevice[] {
  return listUioDevices(sysroot, catalog).map((device): ListedDevice => {
    const { id, name, note, maps } = device;
    const directory = `/sys/class/uio/${id}`;
    const description = catalog.describe(sysroot, device);
    const driver = driverOf(sysroot, `${directory}/device`);
    const driverVersion = sysroot.readText(`${directory}/version`);
    const events = sysroot.readText(`${directory}/event`);
    return {
      ...{ id, name, note },
      ...(description && { kind: description.kind, description: description.file }),
      ...(driver !== undefined && { driver }),
      ...(driverVersion && { driverVersion }),
      ...(events !== undefined && /^\d+$/.test(events) && { events: Number(events) }),
      maps: maps.map((map) => ({ ...map, name: sysroot.readText(`${directory}/maps/map${map.index}/name`) ?? "" })),
      openBy: usersOf(sysroot.path(`/dev/${id}`)),
    };
  });
}
