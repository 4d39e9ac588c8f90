import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { BUILT_IN_DESIGNS, firmware } from "../host/board/fabric/designs";
import { buildFirmware } from "../host/board/kernel/fpga/built-firmware";
import { bundlePrograms } from "./bundle";
import { compileDescriptions, readShipped } from "./compile-shipped";
import { gateModule } from "../host/gate/gate-module";
import { gateModulePath } from "../host/gate/module-file";
import { HOST_DIRECTORY } from "../host/util/host-directory";

// The last step of `npm run build`: what takes long to make, and a run reads in a fraction of that time.
for (const architecture of ["x64", "arm64"] as const) {
  writeFileSync(gateModulePath(architecture), gateModule(architecture));
}
buildFirmware(firmware(BUILT_IN_DESIGNS));
writeFileSync(join(HOST_DIRECTORY, "description/shipped.js"), compileDescriptions(readShipped()));
bundlePrograms();
