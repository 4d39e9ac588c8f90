import { existsSync, lstatSync, mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { installFirmware } from "./firmware";
import { PATHS } from "./paths";

const BASE_TREE = "sys/firmware/devicetree/base";

/**
 * Lays out the files of an Ultra96-V2 as its kernel shows them before anything is programmed. Files that exist stay, so
 * that a board can be built again where one was.
 */
export function buildTree(sysroot: string): void {
  for (const directory of [PATHS.overlays, PATHS.uioClass, PATHS.platformDevices, PATHS.devices, "sys/kernel"]) {
    mkdirSync(join(sysroot, directory), { recursive: true });
  }
  if (readdirSync(join(sysroot, PATHS.overlays)).length === 0) removeDevices(sysroot);
  const files: [string, string][] = [
    [`${PATHS.fpgaManager}/name`, "Xilinx ZynqMP FPGA Manager\n"],
    [`${PATHS.fpgaManager}/state`, "unknown\n"],
    [`${PATHS.fpgaManager}/status`, ""],
    [`${PATHS.fpgaManager}/flags`, "0\n"],
    [`${PATHS.fpgaManager}/firmware`, ""],
    [`${BASE_TREE}/model`, "Avnet Ultra96-V2 Rev1\0"],
    [`${BASE_TREE}/compatible`, "avnet,ultra96-rev1\0avnet,ultra96\0xlnx,zynqmp\0"],
    [PATHS.kernelLog, ""],
  ];
  for (const [path, content] of files) writeIfMissing(join(sysroot, path), content);
  installFirmware(sysroot);
  const config = join(sysroot, "sys/kernel/config");
  if (!existsSync(config)) symlinkSync("../../configfs", config);
  clearPagemap(join(sysroot, PATHS.pagemap));
}

/** Without an overlay there are no devices: takes away what a board that was killed may have left. */
function removeDevices(sysroot: string): void {
  for (const directory of [PATHS.uioClass, PATHS.platformDevices, PATHS.devices]) {
    for (const name of readdirSync(join(sysroot, directory))) {
      if (directory === PATHS.devices && !name.startsWith("uio")) continue;
      rmSync(join(sysroot, directory, name), { recursive: true });
    }
  }
}

function writeIfMissing(path: string, content: string): void {
  if (existsSync(path)) return;
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
}

/** The pagemap belongs to the process that the board serves, and is made anew for each. */
function clearPagemap(path: string): void {
  mkdirSync(dirname(path), { recursive: true });
  if (lstatSync(path, { throwIfNoEntry: false })) rmSync(path);
}
