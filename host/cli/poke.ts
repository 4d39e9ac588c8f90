import type { Argv, CommandModule, InferredOptionTypes, Options } from "yargs";
import { type DeviceRegisters, openDeviceRegisters, type RegisterWriting } from "../index";
import { meansWithNote } from "../linux/uio-names";
import { DEVICE_OPTIONS, deviceOptions, hex, toJson } from "./device-options";
import { print } from "./print";
import { note } from "./report";

const POKE_OPTIONS = {
  "allow-unchecked-dma": {
    string: true,
    requiresArg: true,
    describe: "Let a write start transfers of this device (NAME or NAME:NOTE), to wherever its registers say",
  },
  ...DEVICE_OPTIONS,
} as const satisfies Record<string, Options>;

type PokeFlags = InferredOptionTypes<typeof POKE_OPTIONS> & { device?: string; register?: string; value?: string };

/** What follows `axiscript poke`. */
export const POKE: CommandModule<object, PokeFlags> = {
  command: "<device> <register> <value>",
  describe: "Write a register of a device by name",
  builder: (yargs) =>
    (yargs as Argv<PokeFlags>)
      .positional("device", { type: "string", describe: "NAME, NAME:NOTE or uioN" })
      .positional("register", { type: "string", describe: "REGISTER, REGISTER.FIELD or an offset" })
      .positional("value", { type: "string", describe: "12, 0x0c, 0b1100, or the name of a field's value" })
      .options(POKE_OPTIONS)
      .example("axiscript poke AxiProxy:hpc SCRATCH 0x1234", "a whole register")
      .example(
        "axiscript poke AxiProxy:hpc CONFIG_AXI.CACHE 15",
        "a field; the others stay as they are",
      ) as Argv<PokeFlags>,
  handler: () => {},
};

/** Writes a register and prints what was written; gives the exit code. */
export async function poke(flags: PokeFlags): Promise<number> {
  const { device = "", register = "", value = "", json } = flags;
  const registers = await openDeviceRegisters(device, deviceOptions(flags));
  let writing: RegisterWriting;
  try {
    const allowed = flags["allow-unchecked-dma"];
    const { id } = registers.device;
    const allowUncheckedDma = allowed !== undefined && (allowed === id || meansWithNote(allowed, registers.device));
    writing = registers.write(register, value, { allowUncheckedDma });
  } finally {
    await registers.close();
  }
  const { name } = writing.register;
  if (writing.before !== undefined) {
    note(`${name} was read and written back with another ${register.split(".")[1] ?? "field"}`);
  }
  await print(json ? toJson(describe(registers, writing)) : render(writing));
  return 0;
}

function render({ register, before, written }: RegisterWriting): string {
  const digits = register.widthBits / 4;
  const from = before === undefined ? "" : `${hex(before, digits)} -> `;
  return `${register.name}  ${from}${hex(written, digits)}\n`;
}

function describe({ device }: DeviceRegisters, { register, before, written }: RegisterWriting): unknown {
  const digits = register.widthBits / 4;
  return {
    ...{ id: device.id, name: device.name, note: device.note },
    ...{ register: register.name, offset: hex(register.offset, 2) },
    ...(before !== undefined && { before: hex(before, digits) }),
    written: hex(written, digits),
  };
}
