import type { Argv, CommandModule, InferredOptionTypes, Options } from "yargs";
import { AxiscriptError, compileScript, writeScript } from "../index";
import { COMPILE_OPTIONS, compileOptions } from "./options";

export const BUILD_OPTIONS = {
  output: { alias: "o", string: true, describe: "The .wasm to write [default: beside the script]" },
  ...COMPILE_OPTIONS,
  "stack-trace": { type: "boolean", default: false, describe: "With an error, also print axiscript's own stack" },
} as const satisfies Record<string, Options>;

type BuildFlags = InferredOptionTypes<typeof BUILD_OPTIONS> & { script?: string };

/** What follows `axiscript build`. */
export const BUILD: CommandModule<object, BuildFlags> = {
  command: "<script>",
  describe: "Compile a script to a .wasm that runs without the compiler",
  builder: (yargs) =>
    (yargs as Argv<BuildFlags>)
      .positional("script", { type: "string", describe: "A .ts file" })
      .options(BUILD_OPTIONS)
      .example("axiscript build script.ts -o script.wasm", "also writes script.wasm.map, for places in error messages")
      .example("axiscript build -O3 script.ts", "as fast as the compiler can make it") as Argv<BuildFlags>,
  handler: () => {},
};

/** Compiles a script; gives the exit code. */
export async function build(flags: BuildFlags): Promise<number> {
  const { script = "" } = flags;
  const output = flags.output ?? script.replace(/\.ts$/, ".wasm");
  if (!script.endsWith(".ts"))
    throw new AxiscriptError("ERR_AXI_USAGE", `Cannot build ${script}: a script's source is a .ts file.`);
  if (!output.endsWith(".wasm")) {
    throw new AxiscriptError("ERR_AXI_USAGE", `Cannot build into ${output}: the output is a .wasm file.`);
  }
  writeScript(await compileScript(script, compileOptions(flags)), output);
  return 0;
}
