import { DeviceCatalog } from "../linux/catalog";
import type { DeviceDescription } from "../description/description";
import type { GenerateOptions } from "../description/generate/registers";
import type { ListedDevice } from "../linux/inventory";
import type { DeviceRegisters } from "./device-registers";
import { type DeviceOptions, openSysroot } from "./open-sysroot";

export type { ListedDevice, ListedMap } from "../linux/inventory";
export type { FileUser } from "../linux/open-files";
export type { DeviceOptions } from "./open-sysroot";
export type { DeviceRegisters, RegisterReading, RegisterWriting, WriteRegisterOptions } from "./device-registers";

// What is offered here is loaded when it is needed: a run does without it, and its start-up time counts.

/**
 * The UIO devices of a system, in the order of their numbers. None of them is opened.
 *
 * @throws AxiscriptError ERR_AXI_DESCRIPTION; ERR_AXI_USAGE for a sysroot that is no directory
 * @example
 * import { listDevices } from "axiscript";
 *
 * for (const { id, name, note, kind, openBy } of listDevices()) console.log(id, name, note, kind, openBy.length);
 */
export function listDevices(options: DeviceOptions = {}): ListedDevice[] {
  const { takeInventory } = require("../linux/inventory") as typeof import("../linux/inventory");
  return takeInventory(openSysroot(options), new DeviceCatalog(options.deviceDirectories));
}

/**
 * Opens a device to read and write its registers by name, for this process alone, after it was found to be what its
 * description says. Close it again.
 *
 * @param name `NAME`, `NAME:NOTE` or `uioN`
 * @throws AxiscriptError ERR_AXI_NO_SUCH_DEVICE, ERR_AXI_AMBIGUOUS_DEVICE, ERR_AXI_DEVICE_ACCESS, ERR_AXI_DEVICE_IN_USE,
 *   ERR_AXI_WRONG_DEVICE, ERR_AXI_DESCRIPTION, ERR_AXI_BOARD, ERR_AXI_USAGE for a sysroot that is no directory
 * @example
 * import { openDeviceRegisters } from "axiscript";
 *
 * const registers = await openDeviceRegisters("AxiProxy:hpc");
 * try {
 *   registers.write("CONFIG_AXI.CACHE", "0xf");
 *   console.log(registers.read("STATUS")[0]?.value);
 * } finally {
 *   await registers.close();
 * }
 */
export async function openDeviceRegisters(name: string, options: DeviceOptions = {}): Promise<DeviceRegisters> {
  const opener = require("./device-registers") as typeof import("./device-registers");
  return opener.openDeviceRegisters(name, options);
}

/**
 * Reads a device description; `docs/devices.md` tells how to write one.
 *
 * @param path of a JSON file
 * @throws AxiscriptError ERR_AXI_DESCRIPTION; the message begins with the place: `my.json:12:17: Cannot …`
 */
export function readDeviceDescription(path: string): DeviceDescription {
  const { readDescription } =
    require("../description/description-file") as typeof import("../description/description-file");
  return readDescription(path);
}

/**
 * Writes AssemblyScript classes for a device's registers.
 *
 * @returns the text of a `.ts` file, the same for the same description
 * @throws AxiscriptError ERR_AXI_DESCRIPTION if two members of a class would have one name
 * @example
 * import { generateRegisters, readDeviceDescription } from "axiscript";
 *
 * const text = generateRegisters(readDeviceDescription("my-device.json"));
 */
export function generateRegisters(description: DeviceDescription, options: GenerateOptions = {}): string {
  const generator = require("../description/generate/registers") as typeof import("../description/generate/registers");
  return generator.generateRegisters(description, options);
}
