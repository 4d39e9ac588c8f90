import type { Argv, CommandModule, InferredOptionTypes } from "yargs";
import { escapeControls } from "../util/escape";
import { type FileUser, type ListedDevice, listDevices } from "../index";
import { DEVICE_OPTIONS, deviceName, deviceOptions, hex, toJson } from "./device-options";
import { print, style } from "./print";

type DevicesFlags = InferredOptionTypes<typeof DEVICE_OPTIONS>;

/** What follows `axiscript devices`. */
export const DEVICES: CommandModule<object, DevicesFlags> = {
  command: "",
  describe: "List the UIO devices: what they are, and who has them open",
  builder: (yargs) =>
    (yargs as Argv<DevicesFlags>)
      .options(DEVICE_OPTIONS)
      .example("axiscript devices", "the devices of this system")
      .example("axiscript devices --sysroot /tmp/board", "those of a virtual board that was kept"),
  handler: () => {},
};

const NONE = `No UIO devices. axiscript doctor says what real hardware needs. For a virtual board that stays,
  axiscript run --sysroot DIR SCRIPT.ts    # a script that programs it
  axiscript devices --sysroot DIR
`;

/** Prints the devices; gives the exit code. */
export async function devices(flags: DevicesFlags): Promise<number> {
  const found = listDevices(deviceOptions(flags));
  if (flags.json) await print(toJson(found));
  else await print(found.length === 0 ? NONE : found.map(render).join(""));
  return 0;
}

function render(device: ListedDevice): string {
  const { id, kind, driver, driverVersion, events, maps, openBy } = device;
  const driverText = [driver, driverVersion].filter(Boolean).join(", ");
  const rows: [string, string][] = [
    ["kind", kind ?? "no description: needs --allow-unchecked-dma, or one of your own (--devices DIR)"],
    ...maps.map(({ index, physicalAddress, lengthBytes, name }): [string, string] => [
      `map ${index}`,
      `${hex(physicalAddress)}, ${hex(lengthBytes)} bytes${name === "" ? "" : ` (${name})`}`,
    ]),
    ...(driverText === "" ? [] : [["driver", driverText] as [string, string]]),
    ...(events === undefined ? [] : [["interrupts", String(events)] as [string, string]]),
    ...openBy.map((user): [string, string] => ["open", describeUser(user)]),
  ];
  const width = Math.max(...rows.map(([title]) => title.length));
  const lines = rows.map(([title, text]) => `  ${title.padEnd(width)}  ${escapeControls(text)}\n`);
  return `${style("bold", escapeControls(`${id}  ${deviceName(device)}`))}\n${lines.join("")}`;
}

function describeUser({ pid, command, locked }: FileUser): string {
  return `by process ${pid} (${command})${locked ? "" : ", without a lock"}`;
}
