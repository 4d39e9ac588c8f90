import type { DeviceCatalog } from "../../../linux/catalog";
import type { FpgaManager } from "../../../linux/fpga-manager";
import type { Sysroot } from "../../../linux/sysroot";
import type { Gate } from "../../../gate/gate";
import type { DeviceMemory } from "../../../memory/device-memory";
import type { LinearMemory } from "../../../memory/linear-memory";
import type { Permissions } from "../../permissions/permission";

/** What one run's host functions work on. */
export interface HostServices {
  readonly memory: LinearMemory;
  readonly gate: Gate;
  readonly sysroot: Sysroot;
  readonly fpga: FpgaManager;
  readonly catalog: DeviceCatalog;
  readonly permissions: Permissions;
  /** Called at the first use, so that a script that asks for no address needs no pagemap. */
  readonly deviceMemory: () => DeviceMemory;
  /** Tells the user something. */
  readonly note: (message: string) => void;
}
