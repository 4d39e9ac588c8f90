import { existsSync, lstatSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { makeDirectories } from "../../files/own-directories";
import { removeTree } from "../../files/remove";
import { installFirmware } from "./fpga/built-firmware";
import { PATHS } from "./paths";
import { UIO_DRIVER } from "./devices/platform-device";

/** What the board's device tree says of the board itself. */
export const BASE_TREE: Readonly<Record<string, Buffer>> = {
  model: Buffer.from("Avnet Ultra96-V2 Rev1\0"),
  compatible: Buffer.from("avnet,ultra96-rev1\0avnet,ultra96\0xlnx,zynqmp\0"),
};
/** Where there is something for each device of an overlay. */
const DEVICE_DIRECTORIES = [
  PATHS.uioClass,
  `${PATHS.platformBus}/devices`,
  `${PATHS.platformBus}/drivers/${UIO_DRIVER}`,
  PATHS.platformDevices,
] as const;
export const MANAGER_NAME = "Xilinx ZynqMP FPGA Manager\n";

/**
 * Lays out the files of an Ultra96-V2 as its kernel shows them before anything is programmed. Files that exist stay, so
 * that a board can be built again where one was.
 */
export function buildTree(sysroot: string): void {
  removeLink(join(sysroot, "configfs"));
  for (const directory of [PATHS.overlays, ...DEVICE_DIRECTORIES, PATHS.devices, "sys/kernel"]) {
    makeDirectories(join(sysroot, directory));
  }
  if (readdirSync(join(sysroot, PATHS.overlays)).length === 0) removeDevices(sysroot);
  const files: [string, string | Buffer][] = [
    [`${PATHS.fpgaManager}/name`, MANAGER_NAME],
    [`${PATHS.fpgaManager}/state`, "unknown\n"],
    [`${PATHS.fpgaManager}/status`, ""],
    [`${PATHS.fpgaManager}/flags`, "0\n"],
    [`${PATHS.fpgaManager}/firmware`, ""],
    ...Object.entries(BASE_TREE).map(([name, value]): [string, Buffer] => [`${PATHS.baseTree}/${name}`, value]),
  ];
  for (const [path, content] of files) writeIfMissing(join(sysroot, path), content);
  const config = join(sysroot, "sys/kernel/config");
  if (!existsSync(config)) symlinkSync("../../configfs", config);
  buildDisk(sysroot);
}

/**
 * Lays out the plain files of a board whose `sys` is a file system. It starts as after power-up, whatever board was there
 * before.
 */
export function buildTreeBesideMount(sysroot: string): void {
  makeDirectories(join(sysroot, PATHS.devices));
  removeDeviceFiles(sysroot);
  removeTree(join(sysroot, "configfs"));
  symlinkSync(PATHS.mountedConfig, join(sysroot, "configfs"));
  buildDisk(sysroot);
}

/** Firmware, log and pagemap. */
function buildDisk(sysroot: string): void {
  writeIfMissing(join(sysroot, PATHS.kernelLog), "");
  installFirmware(sysroot);
  clearPagemap(join(sysroot, PATHS.pagemap));
}

function removeLink(path: string): void {
  if (lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink()) removeTree(path);
}

/** Without an overlay there are no devices: takes away what a board that was killed may have left. */
function removeDevices(sysroot: string): void {
  for (const directory of DEVICE_DIRECTORIES) {
    for (const name of readdirSync(join(sysroot, directory))) removeTree(join(sysroot, directory, name));
  }
  removeDeviceFiles(sysroot);
}

function removeDeviceFiles(sysroot: string): void {
  const directory = join(sysroot, PATHS.devices);
  for (const name of readdirSync(directory)) if (name.startsWith("uio")) removeTree(join(directory, name));
}

function writeIfMissing(path: string, content: string | Buffer): void {
  if (existsSync(path)) return;
  makeDirectories(dirname(path));
  writeFileSync(path, content, { flag: "wx", mode: 0o644 });
}

/** The pagemap belongs to the process that the board serves, and is made anew for each. */
function clearPagemap(path: string): void {
  makeDirectories(dirname(path));
  removeTree(path);
}
