import { closeSync, mkdirSync, openSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  type AxiscriptError,
  type CompiledScript,
  compileScript,
  createRuntime,
  type ErrorCode,
  generateRegisters,
  OPTIMIZATION_LEVELS,
  readDeviceDescription,
  type SourcePosition,
  writeScript,
} from "../../host/index";
import { PACKAGE } from "../support/cli";
import { rejectsWith } from "../support/expect";
import { runFile, runText, WITH_PROXY } from "../support/run-script";
import { temporaryDirectory } from "../support/temporary";

const test = suite("places in errors");

/** A generated class with a register that the device does not have, and a package. */
const description = readDeviceDescription(join(PACKAGE, "devices/axi-proxy.json"));
const GENERATED = generateRegisters(description).replaceAll("this.device.read32(0x00)", "this.device.read32(0x4000)");
const GAUGES = `
import { UioDevice } from "axiscript/assembly";
export class Gauge {
  constructor(readonly limit: i32) {}
  read(value: i32): i32 {
    if (value > this.limit) throw new Error("off the scale");
    return value;
  }
}
export function stop(): i32 { return unreachable(); }
export function openGauge(): UioDevice { return UioDevice.open("gauge"); }
`;

/** Statements that end the script; each is tried at the top level and in a function, behind another statement. */
const MISTAKES: readonly (readonly [statement: string, code: ErrorCode, inPackage?: true])[] = [
  [`UioDevice.open("nope");`, "ERR_AXI_NO_SUCH_DEVICE"],
  [`const opened = UioDevice.open("nope");`, "ERR_AXI_NO_SUCH_DEVICE"],
  [`const wide: i64 = device.read32(0x4000);`, "ERR_AXI_GATE"],
  [`if (!device.read32(0x4000)) console.log("never");`, "ERR_AXI_GATE"],
  [`device.poll32(0x4000, 1, 1, 10);`, "ERR_AXI_GATE"],
  [`registers.ID_REG;`, "ERR_AXI_GATE"],
  [`console.log(registers.ID_REG.toString());`, "ERR_AXI_GATE"],
  [`registers.readDATA_RD(1000);`, "ERR_AXI_ABORT"],
  [`gauge.read(1000);`, "ERR_AXI_ABORT", true],
  [`stop();`, "ERR_AXI_TRAP", true],
  [`openGauge();`, "ERR_AXI_NO_SUCH_DEVICE", true],
];

const SCRIPT = `${WITH_PROXY}
import { AxiProxyRegisters } from "./generated";
import { Gauge, openGauge, stop } from "gauges";
const registers = new AxiProxyRegisters(device);
const gauge = new Gauge(5);
const chosen = <i32>parseInt(process.argv[1]);
console.log("chosen");
${MISTAKES.map(
  ([statement], index) => `
function mistake${index}(): void {
  device.write32(0x0c, 1);
  ${statement}
  device.write32(0x0c, 2);
}
if (chosen == ${2 * index}) {
  device.write32(0x0c, 1);
  ${statement}
  device.write32(0x0c, 2);
}
if (chosen == ${2 * index + 1}) mistake${index}();`,
).join("\n")}`;

function project(): string {
  const directory = temporaryDirectory();
  const files = {
    "script.ts": SCRIPT,
    "generated.ts": GENERATED,
    "node_modules/gauges/package.json": JSON.stringify({ name: "gauges", exports: { ".": "./lib/main.ts" } }),
    "node_modules/gauges/lib/main.ts": `export * from "./gauge";`,
    "node_modules/gauges/lib/gauge.ts": GAUGES,
  };
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(directory, name)), { recursive: true });
    writeFileSync(join(directory, name), text);
  }
  return join(directory, "script.ts");
}

/** Makes every mistake, all on one board. */
async function tryAll(script: CompiledScript): Promise<void> {
  const stdout = openSync("/dev/null", "w");
  const runtime = await createRuntime({ board: "virtual" });
  try {
    for (let index = 0; index < 2 * MISTAKES.length; index++) {
      const [, code = "ERR_AXI_TRAP"] = MISTAKES[index >> 1] ?? [];
      const options = { args: [String(index)], stdout, timeoutMs: 20_000 };
      check(await rejectsWith(code, () => runtime.run(script, options)), index);
    }
  } finally {
    await runtime.close();
    closeSync(stdout);
  }
}

function check({ scriptStack }: AxiscriptError, index: number): void {
  const [statement = "", , inPackage] = MISTAKES[index >> 1] ?? [];
  const [first] = scriptStack;
  const place = JSON.stringify(scriptStack);
  const lines = SCRIPT.split("\n");
  const [inFunction = 0, atTop = 0] = lines.flatMap((line, at) => (line === `  ${statement}` ? [at + 1] : []));
  assert.match(first?.file ?? "", /script\.ts$/, `${statement}: ${place}`);
  assert.is(first?.line, index % 2 === 0 ? atTop : inFunction, `${statement}: ${place}`);
  assert.not(first?.approximate, statement);
  const others = scriptStack.filter(({ file }: SourcePosition) => !/script\.ts$/.test(file));
  assert.ok(
    others.every(({ file }) => file.endsWith("node_modules/gauges/lib/gauge.ts")),
    `${statement}: ${place}`,
  );
  assert.is(others.length > 0, inPackage === true, `${statement}: ${place}`);
}

for (const optimize of OPTIMIZATION_LEVELS) {
  test(`the script's own line comes first, whatever was called there, at -O${optimize}`, async () => {
    await tryAll(await compileScript(project(), { optimize, cacheDirectory: false }));
  });
}

test("a module that was built elsewhere shows the same places", async () => {
  const built = join(temporaryDirectory(), "script.wasm");
  writeScript(await compileScript(project(), { cacheDirectory: false }), built);
  await tryAll(await compileScript(built));
});

test("functions that are alike keep their own lines", async () => {
  const source = `${WITH_PROXY}
function first(offset: u32): u32 {
  return device.read32(offset) * 3;
}
function second(offset: u32): u32 {
  return device.read32(offset) * 3;
}
let sum = first(0) + second(0);
const offset = <u32>process.argv.length * 0x4000;
sum += second(offset);
console.log((sum + first(offset)).toString());`;
  for (const optimize of ["2", "z"] as const) {
    const { scriptStack } = await rejectsWith("ERR_AXI_GATE", () => runText(source, { optimize }));
    assert.is(scriptStack[0]?.line, source.split("\n").indexOf("function second(offset: u32): u32 {") + 2);
  }
});

test("a package is found by its name, by what its manifest names", async () => {
  const manifests: readonly (readonly [manifest: object, main: string])[] = [
    [{}, "index.ts"],
    [{}, "assembly/index.ts"],
    [{ ascMain: "source/main.ts" }, "source/main.ts"],
    [{ exports: { ".": { types: "./index.d.ts", default: "./a/b.ts" } } }, "a/b.ts"],
    [{ main: "dist/index.js", types: "./as/index.ts" }, "as/index.ts"],
  ];
  for (const [manifest, main] of manifests) {
    const directory = temporaryDirectory();
    const inside = join(directory, "node_modules/@some/pack");
    mkdirSync(dirname(join(inside, main)), { recursive: true });
    writeFileSync(join(inside, "package.json"), JSON.stringify({ name: "@some/pack", ...manifest }));
    writeFileSync(
      join(inside, main),
      `import { seven } from "./seven"; export function number(): i32 { return seven; }`,
    );
    writeFileSync(join(inside, dirname(main), "seven.ts"), "export const seven = 7;");
    const script = join(directory, "script.ts");
    writeFileSync(script, `import { number } from "@some/pack"; console.log(number().toString());`);
    assert.is((await runFile(script)).stdout, "7\n", JSON.stringify(manifest));
  }
});

test.run();
