import type { InferredOptionTypes, Options } from "yargs";
import { escapeJson } from "../util/escape";
import type { DeviceOptions, ListedDevice } from "../index";

/** Options of every command about devices. */
export const DEVICE_OPTIONS = {
  sysroot: { string: true, describe: "Use DIR in place of /: a virtual board that is kept, or another root" },
  devices: {
    string: true,
    array: true,
    nargs: 1,
    describe: "Descriptions of your own devices: DIR/*.json, beside those that axiscript has",
  },
  json: { type: "boolean", default: false, describe: "Print JSON, for programs" },
  "stack-trace": { type: "boolean", default: false, describe: "With an error, also print axiscript's own stack" },
} as const satisfies Record<string, Options>;

/** What {@link DEVICE_OPTIONS} mean for the library. */
export function deviceOptions(flags: InferredOptionTypes<typeof DEVICE_OPTIONS>): DeviceOptions {
  return {
    ...(flags.sysroot === undefined ? {} : { sysroot: flags.sysroot }),
    ...(flags.devices === undefined ? {} : { deviceDirectories: flags.devices }),
  };
}

/** `AxiProxy:hpc`: what a device is asked for by. */
export function deviceName({ name, note }: Pick<ListedDevice, "name" | "note">): string {
  return note === "" ? name : `${name}:${note}`;
}

/** A number in hexadecimal, with at least so many digits. */
export function hex(value: bigint | number, digits = 1): string {
  return `0x${value.toString(16).padStart(digits, "0")}`;
}

/** JSON for programs: addresses and register values are texts in hexadecimal. */
export function toJson(value: unknown): string {
  const replacer = (_: string, inner: unknown) => (typeof inner === "bigint" ? hex(inner) : inner);
  return `${escapeJson(JSON.stringify(value, replacer, 2))}\n`;
}
