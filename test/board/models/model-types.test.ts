import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { PACKAGE } from "../../support/cli";
import { temporaryFile } from "../../support/temporary";

const test = suite("types of models");

const EXAMPLE = join(PACKAGE, "examples/own-model/crc32.mjs");

/** What the compiler says of a file that is written against the package's types. */
function check(file: string): string {
  const config = {
    compilerOptions: {
      ...{ module: "nodenext", target: "es2022", strict: true, noEmit: true, allowJs: true, checkJs: true },
      ...{ skipLibCheck: true, types: ["node"], typeRoots: [join(PACKAGE, "node_modules/@types")] },
      paths: { axiscript: [join(PACKAGE, "dist/host/index.d.ts")] },
    },
    files: [file],
  };
  const project = temporaryFile("tsconfig.json", JSON.stringify(config));
  const compiler = join(PACKAGE, "node_modules/typescript/bin/tsc");
  const { stdout, stderr } = spawnSync(process.execPath, [compiler, "--pretty", "false", "--project", project], {
    encoding: "utf8",
  });
  return stdout + stderr;
}

test("the example is JavaScript that the compiler has checked", () => {
  assert.is(check(EXAMPLE), "");
});

/** A model in TypeScript. */
const MODEL = `import type { Bus, BusResponse, DeviceModel, DeviceModelContext, DeviceModelDescription } from "axiscript";
class Core implements DeviceModel {
  #bus: Bus;
  #answer: BusResponse = "OKAY";
  constructor({ bus, core, log }: DeviceModelContext) {
    this.#bus = bus;
    log(core.port ?? "none");
  }
  regRead(offset: number) { return this.#answer === "OKAY" ? offset : 0; }
  regWrite(_offset: number, value: number) { this.#answer = this.#bus.read(value, new Uint8Array(64)); }
}
const description: DeviceModelDescription = {
  kind: "core", uioName: "Core", registerBytes: 16, handshake: [],
  cores: [{ address: 0xa0100000, port: "hp", interrupt: 90, note: "left" }],
  create: (context) => new Core(context),
};
export default description;
`;

test("a model can be written in TypeScript, and mistakes in it are found", () => {
  assert.is(check(temporaryFile("core.mts", MODEL)), "");
  for (const [right, wrong, says] of [
    ['port: "hp"', 'port: "hp0"', /'"hp0"' is not assignable/],
    ["regRead(offset: number) {", "regRead(offset: string) {", /regRead/],
    ["handshake: []", "handshakes: []", /handshakes/],
    ["new Uint8Array(64)", "64", /Uint8Array/],
  ] as const) {
    assert.match(check(temporaryFile("core.mts", MODEL.replace(right, wrong))), says);
  }
});

test.run();
