import type { Argv, CommandModule, InferredOptionTypes, Options } from "yargs";
import { escapeControls } from "../util/escape";
import { type DeviceRegisters, type FieldDescription, openDeviceRegisters, type RegisterReading } from "../index";
import { DEVICE_OPTIONS, deviceName, deviceOptions, hex, toJson } from "./device-options";
import { print } from "./print";

const PEEK_OPTIONS = {
  "side-effects": {
    type: "boolean",
    default: false,
    describe: "Also read where reading changes something, or nothing is known",
  },
  ...DEVICE_OPTIONS,
} as const satisfies Record<string, Options>;

type PeekFlags = InferredOptionTypes<typeof PEEK_OPTIONS> & { device?: string; register?: string };

/** What follows `axiscript peek`. */
export const PEEK: CommandModule<object, PeekFlags> = {
  command: "<device> [register]",
  describe: "Read registers of a device by name",
  builder: (yargs) =>
    (yargs as Argv<PeekFlags>)
      .positional("device", { type: "string", describe: "NAME, NAME:NOTE or uioN" })
      .positional("register", {
        type: "string",
        describe: "REGISTER, REGISTER.FIELD or an offset [default: all that may be read at any time]",
      })
      .options(PEEK_OPTIONS)
      .example("axiscript peek AxiProxy:hpc", "all registers")
      .example("axiscript peek AxiProxy:hpc STATUS.READY_WR", "one field") as Argv<PeekFlags>,
  handler: () => {},
};

/** Reads registers and prints them; gives the exit code. */
export async function peek(flags: PeekFlags): Promise<number> {
  const { device = "", register, json } = flags;
  const registers = await openDeviceRegisters(device, deviceOptions(flags));
  let text: string;
  try {
    const readings = registers.read(register, { sideEffects: flags["side-effects"] });
    const fieldName = register?.split(".")[1];
    if (json) text = toJson(describe(registers, readings, fieldName));
    else
      text =
        register === undefined ? renderAll(registers, readings) : readings.map((r) => render(r, fieldName)).join("");
  } finally {
    await registers.close();
  }
  await print(text);
  return 0;
}

/** A line for each register, with its fields. */
function renderAll({ device, description }: DeviceRegisters, readings: readonly RegisterReading[]): string {
  const nameWidth = Math.max(...readings.map(({ register }) => register.name.length));
  const lines = readings.map((reading) => {
    const { register, fields, skipped } = reading;
    const shownFields = [...fields].map(([field, value]) => `${field.name} ${shown(field, value)}`).join(", ");
    const place = `${hex(register.offset, 2)}  ${register.name.padEnd(nameWidth)}`;
    return `${`${place}  ${skipped ?? wholeValue(reading)}  ${shownFields}`.trimEnd()}\n`;
  });
  return `${escapeControls(`${deviceName(device)} (${device.id}), ${description?.title ?? ""}`)}\n${lines.join("")}`;
}

/** A register with a line for each field; or one field alone. */
function render(reading: RegisterReading, fieldName: string | undefined): string {
  const { register, fields } = reading;
  const entries = [...fields];
  const one = entries.find(([{ name }]) => name === fieldName);
  if (one) return `${register.name}.${one[0].name}  ${shown(...one)}\n`;
  const width = Math.max(register.name.length, ...entries.map(([{ name }]) => name.length + 2));
  const lines = entries.map(([field, value]) => `${`  ${field.name}`.padEnd(width)}  ${shown(field, value)}\n`);
  return `${register.name.padEnd(width)}  ${wholeValue(reading)}\n${lines.join("")}`;
}

function describe(
  { device, description }: DeviceRegisters,
  readings: readonly RegisterReading[],
  fieldName: string | undefined,
): unknown {
  return {
    ...{ id: device.id, name: device.name, note: device.note },
    ...(description && { kind: description.kind }),
    registers: readings.map((reading) => {
      const { register, value, fields, skipped } = reading;
      const wanted = [...fields].filter(([{ name }]) => fieldName === undefined || name === fieldName);
      return {
        ...{ name: register.name, offset: hex(register.offset, 2) },
        ...(value === undefined ? { skipped } : { value: wholeValue(reading) }),
        fields: Object.fromEntries(wanted.map(([{ name }, found]) => [name, found])),
      };
    }),
  };
}

function wholeValue({ register, value = 0n }: RegisterReading): string {
  return hex(value, register.widthBits / 4);
}

/** `1`, `0x24`, `1 (Colour)` */
function shown({ values }: FieldDescription, value: bigint): string {
  const name = [...values].find(([, each]) => BigInt(each) === value)?.[0];
  return `${value < 10n ? String(value) : hex(value)}${name === undefined ? "" : ` (${name})`}`;
}
