import { writeFileSync } from "node:fs";
import type { Argv, CommandModule, InferredOptionTypes, Options } from "yargs";
import { messageOf } from "../util/errors";
import { AxiscriptError, generateRegisters, readDeviceDescription } from "../index";
import { print } from "./print";

export const GENERATE_OPTIONS = {
  output: { alias: "o", string: true, describe: "The .ts file to write [default: standard output]" },
  import: {
    string: true,
    default: "axiscript/assembly",
    describe: "Where the file imports UioDevice from",
  },
  "stack-trace": { type: "boolean", default: false, describe: "With an error, also print axiscript's own stack" },
} as const satisfies Record<string, Options>;

type GenerateFlags = InferredOptionTypes<typeof GENERATE_OPTIONS> & { device?: string };

/** What follows `axiscript generate`. */
export const GENERATE: CommandModule<object, GenerateFlags> = {
  command: "<device>",
  describe: "Write AssemblyScript classes for a device's registers, from its description",
  builder: (yargs) =>
    (yargs as Argv<GenerateFlags>)
      .positional("device", { type: "string", describe: "A device description: a .json file" })
      .options(GENERATE_OPTIONS)
      .example(
        "axiscript generate my-device.json -o my-device.ts",
        'then: import { MyDeviceRegisters } from "./my-device"',
      ) as Argv<GenerateFlags>,
  handler: () => {},
};

/** Writes the classes; gives the exit code. */
export async function generate(flags: GenerateFlags): Promise<number> {
  const { device = "", output } = flags;
  const text = generateRegisters(readDeviceDescription(device), { importFrom: flags.import });
  if (output === undefined) {
    await print(text);
    return 0;
  }
  if (!output.endsWith(".ts")) {
    throw new AxiscriptError("ERR_AXI_USAGE", `Cannot generate into ${output}: the output is a .ts file.`);
  }
  try {
    writeFileSync(output, text);
  } catch (cause) {
    throw new AxiscriptError("ERR_AXI_IO", `Cannot write ${output}: ${messageOf(cause)}.`, { cause });
  }
  return 0;
}
