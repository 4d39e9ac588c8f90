import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { BUILT_IN_DESIGNS, firmware } from "./board/designs";
import { buildFirmware } from "./board/built-firmware";
import { bundlePrograms } from "./bundle";
import { compileDescriptions, readShipped } from "./devices/compile-shipped";
import { gateModule } from "./gate/gate-module";
import { gateModulePath } from "./gate/module-file";

// The last step of `npm run build`: what takes long to make, and a run reads in a fraction of that time.
for (const architecture of ["x64", "arm64"] as const) {
  writeFileSync(gateModulePath(architecture), gateModule(architecture));
}
buildFirmware(firmware(BUILT_IN_DESIGNS));
writeFileSync(join(__dirname, "devices/shipped.js"), compileDescriptions(readShipped()));
bundlePrograms();
