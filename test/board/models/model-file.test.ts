import { readFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { loadModels } from "../../../host/board/models/model-file";
import { UserBus } from "../../../host/board/fabric/user-bus";
import { PACKAGE } from "../../support/cli";
import { rejectsWith } from "../../support/expect";
import { modelFile, modelText, type ModelText } from "../../support/model-files";
import { temporaryDirectory, temporaryFile } from "../../support/temporary";

const test = suite("files with models");

/** Asserts that files are refused, with the last one's path and a reason. */
async function refused(paths: readonly string[], reason: RegExp, timeoutMs?: number): Promise<void> {
  const { message } = await rejectsWith("ERR_AXI_MODEL", () => loadModels(paths, timeoutMs));
  assert.ok(message.startsWith(`Cannot use the model ${paths.at(-1)}: `), message);
  assert.match(message, reason);
  assert.match(message, /\. See docs\/models\.md\.$/);
}

test("a module is loaded, as ES module, as CommonJS, and as TypeScript makes it of one", async () => {
  const commonJs = temporaryFile(
    "model.cjs",
    `module.exports = ${modelText({ kind: '"b"', cores: "[{ address: 0xa0200000 }]" })}`,
  );
  const transpiled = temporaryFile(
    "model.cjs",
    `Object.defineProperty(exports, "__esModule", { value: true });
     exports.default = ${modelText({ kind: '"c"', cores: '[{ address: 0xbffff000, port: "acp", interrupt: 111, note: "x" }]' })}`,
  );
  const models = await loadModels([modelFile(), commonJs, transpiled]);
  assert.equal(
    models.map(({ description }) => description.kind),
    ["plain", "b", "c"],
  );
  assert.is(models[1]?.path, commonJs);
});

test("the model in docs/models.md can be used", async () => {
  const text = readFileSync(join(PACKAGE, "docs/models.md"), "utf8");
  const [, code = ""] = /^```js\n([^]*?)^```$/m.exec(text) ?? [];
  const [model] = await loadModels([temporaryFile("squarer.mjs", code)]);
  const core = { address: 0xa0100000 };
  const created = model?.description.create({ core, bus: new UserBus(undefined), log: () => {} });
  created?.regWrite(4, 0x10001);
  created?.regWrite(0, 1);
  assert.equal(
    [0, 4, 8].map((offset) => created?.regRead(offset)),
    [0, 0x10001, 0x20001],
  );
});

test("a path is relative to the working directory", async () => {
  const path = modelFile();
  const before = process.cwd();
  process.chdir(join(path, ".."));
  try {
    assert.is((await loadModels(["model.mjs"]))[0]?.path, path);
  } finally {
    process.chdir(before);
  }
});

test("what is no module is refused with the place of the mistake", async () => {
  await refused([join(temporaryDirectory(), "nowhere.mjs")], /there is no such file/);
  await refused([temporaryDirectory()], /it is no file/);
  await refused(
    [temporaryFile("m.mjs", "export default {\n  kind: ;\n};")],
    /Unexpected token ';'\. To see where: node --check .*m\.mjs/,
  );
  await refused([temporaryFile("m.mjs", "\nnull.x;")], /Cannot read properties of null.*\(at file:.*m\.mjs:2:6\)/);
  await refused([temporaryFile("m.mjs", 'import "./other.mjs";')], /Cannot find module.*other\.mjs/);
  await refused(
    [temporaryFile("m.mjs", "export const kind = 1, model = 2;")],
    /no default export \(it exports kind, model\)/,
  );
  await refused([temporaryFile("m.ts", "export default {};")], /"\.ts".*Compile TypeScript to JavaScript first/);
  await refused([temporaryFile("m.mjs", "throw 5;")], /: 5\. See/);
  await refused([temporaryFile("m.mjs", "await new Promise(() => {});")], /not loaded after 50 ms/, 50);
});

const WRONG: readonly (readonly [ModelText, RegExp])[] = [
  [{ kind: "undefined" }, /"kind" is missing, and should be a name/],
  [{ kind: '"Vector"' }, /"kind" is "Vector", and should be a name of small letters/],
  [{ kind: '"../x"' }, /"kind" is/],
  [{ kind: "5" }, /"kind" is 5/],
  [{ uioName: '"a b"' }, /"uioName" is "a b"/],
  [{ registerBytes: "10" }, /"registerBytes" is 10, and should be a multiple of 4 up to 65536/],
  [{ registerBytes: "0" }, /"registerBytes" is 0/],
  [{ registerBytes: "65540" }, /"registerBytes" is 0x10004/],
  [{ handshake: "undefined" }, /"handshake" is missing, and should be a list of different offsets/],
  [{ handshake: "[4, 4]" }, /"handshake" is \[4,4\]/],
  [{ handshake: "[16]" }, /"handshake" is 16, and should be offsets of registers/],
  [{ handshake: "[2]" }, /"handshake" is 2/],
  [{ create: "undefined" }, /"create" is missing, and should be a function/],
  [{ create: "{}" }, /"create" is \{\}/],
  [{ cores: "[]" }, /"cores" is \[\], and should be a list of one core or more/],
  [{ cores: "[1]" }, /"cores" is 1, and should be a list of objects/],
  [{ cores: "[{}]" }, /"address" is missing, and should be a multiple of 8 from 0x80000000 to 0xbfffffff/],
  [{ cores: "[{ address: 0xa0100004 }]" }, /"address" is 0xa0100004/],
  [{ cores: "[{ address: 0xa0100000n }]" }, /"address" is 2685403136n, a bigint/],
  [{ cores: "[{ address: 0x70000000 }]" }, /"address" is 0x70000000/],
  [{ cores: "[{ address: 0xbffff000 }]", registerBytes: "8192" }, /"address" is 0xbffff000/],
  [{ cores: '[{ address: 0xa0100000, port: "hp0" }]' }, /"port" is "hp0", and should be "hp", "hpc" or "acp"/],
  [{ cores: "[{ address: 0xa0100000, interrupt: 97 }]" }, /"interrupt" is 97, and should be a number from 89 to 96/],
  [{ cores: '[{ address: 0xa0100000, note: "" }]' }, /"note" is ""/],
  [{ cores: "[{ address: 0xa0100000, adress: 1 }]" }, /a core has "adress", and knows address, port/],
  [{ more: "intterupt: 5," }, /the description has "intterupt", and knows kind/],
];

for (const [parts, reason] of WRONG) {
  test(`a description with ${JSON.stringify(parts)} is refused`, async () => refused([modelFile(parts)], reason));
}

test("a default export that describes nothing is refused", async () => {
  for (const [value, reason] of [
    ["5", /is 5, and should be an object/],
    ["null", /is null/],
    ["[]", /is \[\]/],
    ["class Core {}", /is a function/],
  ] as const) {
    await refused([temporaryFile("m.mjs", `export default ${value};`)], reason);
  }
});

test("a kind has one owner", async () => {
  for (const kind of ["axi-proxy", "axi-timer", "axi_traffic_gen"]) {
    await refused(
      [modelFile({ kind: `"${kind}"` })],
      /which is the name of a core of the board\. Give it another name/,
    );
  }
  const first = modelFile();
  const second = modelFile({ cores: "[{ address: 0xa0200000 }]" });
  await refused([first, second], new RegExp(`which is the name of a core of ${first}`));
});

test("an address has one owner, to the end of its page", async () => {
  const at = (...addresses: string[]) => `[${addresses.map((address) => `{ address: ${address} }`).join()}]`;
  await refused(
    [modelFile({ cores: at("0xa0010000") })],
    /its core at 0xa0010000 collides with the core of axi-proxy at 0xa0010000\. Give it another "address"/,
  );
  await refused([modelFile({ cores: at("0xa007f000"), registerBytes: "4100" })], /core of axi-timer at 0xa0080000/);
  await refused([modelFile({ cores: at("0xa0100000", "0xa0100000") })], /core of plain at 0xa0100000/);
  const other = modelFile({ kind: '"other"', cores: at("0xa0101000") });
  await refused([modelFile({ registerBytes: "4100" }), other], /at 0xa0101000 collides with the core of plain/);
  assert.is((await loadModels([modelFile({ registerBytes: "4096" }), other])).length, 2);
});

test("an interrupt is that of one core", async () => {
  const cores = "[{ address: 0xa0100000, interrupt: 90 }, { address: 0xa0200000, interrupt: 90 }]";
  await refused([modelFile({ cores })], /two of its cores have interrupt 90/);
});

test.run();
