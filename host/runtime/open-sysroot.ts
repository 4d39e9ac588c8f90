import { statSync } from "node:fs";
import { Sysroot } from "../linux/sysroot";
import { AxiscriptError } from "../util/errors";

export interface DeviceOptions {
  /**
   * The directory in place of `/`: of a real system, or one in which a virtual board is kept, which is started for as long
   * as a device of it is open.
   */
  readonly sysroot?: string;
  /** Directories with device descriptions of the user's own, which come before those of the package. */
  readonly deviceDirectories?: readonly string[];
}

/** The directory in place of `/`. Throws ERR_AXI_USAGE, ERR_AXI_BOARD_OWNER. */
export function openSysroot({ sysroot = "/" }: DeviceOptions): Sysroot {
  if (sysroot === "/") return new Sysroot(sysroot);
  if (sysroot !== "" && statSync(sysroot, { throwIfNoEntry: false })?.isDirectory()) {
    const { requireTrustedSysroot } = require("./boards/trusted-sysroot") as typeof import("./boards/trusted-sysroot");
    requireTrustedSysroot(sysroot);
    return new Sysroot(sysroot);
  }
  throw new AxiscriptError("ERR_AXI_USAGE", `Cannot look for devices in "${sysroot}": there is no such directory.`);
}
