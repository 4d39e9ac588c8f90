import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { parseDescription } from "../../host/description/description-file";
import { messageOf } from "../../host/util/errors";
import { AxiscriptError } from "../../host/index";
import { axiscript, PACKAGE } from "../support/cli";
import { WIDGET } from "../support/described-device";
import { Random, scaled } from "../support/random";
import { temporaryDirectory } from "../support/temporary";

const test = suite("descriptions that are made to be a burden");

const MIB = 2 ** 20;
/** The longest message that a person is asked to read, with its place. */
const MAX_MESSAGE = 1100;

const REGISTER = { name: "R", offset: 0, access: "RW" };
const ENGINE = {
  ...{ address: { low: "R", bits: 32 }, length: { bytes: 64 }, alignmentBytes: 64, burstBytes: 64 },
  transfers: [{ name: "t", direction: "reads", start: "C.S" }],
};
const WITH_ENGINE = {
  registers: [REGISTER, { name: "C", offset: 4, access: "RW", fields: [{ name: "S", bits: 0 }] }],
  idle: [{ "C.S": 0 }],
};

function described(changes: object): string {
  const plain = { kind: "A", summary: "s", match: { uioNames: ["a"] }, registers: [REGISTER], dma: "none" };
  return JSON.stringify({ ...plain, ...changes });
}

function many<T>(count: number, make: (index: number) => T): T[] {
  return Array.from({ length: count }, (_, index) => make(index));
}

const fieldWithValues = (values: object) =>
  described({ registers: [{ ...REGISTER, fields: [{ name: "F", bits: 0, values }] }] });

const BOMBS: Readonly<Record<string, string>> = {
  "lists in lists": "[".repeat(MIB),
  "objects in objects": '{"a":'.repeat(MIB),
  "a million empty lists": `[${"[],".repeat(MIB)}[]]`,
  "half a million names": `{${many(500_000, (n) => `"${n}":0`).join()}}`,
  "a long name": `{"${"k".repeat(4 * MIB - 10)}":1}`,
  "a long word": "w".repeat(4 * MIB),
  "a long text": described({ summary: "x".repeat(3 * MIB) }),
  "a long kind": described({ kind: "K".repeat(3 * MIB) }),
  "a number of many digits": described({}).replace('"offset":0', `"offset":${"1".repeat(3 * MIB)}`),
  "a text of many digits": described({ registers: [{ ...REGISTER, offset: "1".repeat(3 * MIB) }] }),
  "a version of many parts": described({
    registers: [{ ...REGISTER, fields: [{ name: "F", bits: 0 }] }],
    match: { uioNames: ["a"], version: { register: "R", parts: ["F"], atLeast: `0${".1".repeat(MIB)}`, below: "1" } },
  }),
  "one array of a billion registers": described({ registers: [{ ...REGISTER, count: 1e9 }] }),
  "thousands of arrays of thousands of registers": described({
    registers: many(4096, (n) => ({ ...REGISTER, name: `R${n}_`, count: 4096 })),
  }),
  "many registers": described({ registers: many(50_000, (n) => ({ ...REGISTER, name: `R${n}`, offset: 4 * n })) }),
  "many memories": described({
    memories: many(50_000, (n) => ({ name: `M${n}`, offset: 4096 + 4 * n, lengthBytes: 4 })),
  }),
  "many fields": described({ registers: [{ ...REGISTER, fields: many(50_000, (n) => ({ name: `F${n}`, bits: 0 })) }] }),
  "many values": fieldWithValues(Object.fromEntries(many(50_000, (n) => [`V${n}`, n]))),
  "many UIO names": described({ match: { uioNames: many(100_000, (n) => `n${n}`) } }),
  "many PCI ids": described({ match: { pci: many(50_000, () => ({ id: "1234:11e8", bar: 0 })) } }),
  "many properties": described({
    match: { uioNames: ["a"], properties: Object.fromEntries(many(4000, (n) => [`p${n}`, "x"])) },
  }),
  "many transfers": described({
    ...WITH_ENGINE,
    dma: { ...ENGINE, transfers: many(20_000, (n) => ({ name: `t${n}`, direction: "reads", start: "C.S" })) },
  }),
  "many parameters": described({ ...WITH_ENGINE, dma: { ...ENGINE, parameters: many(100_000, () => "R") } }),
  "many conditions": described({ idle: many(70_000, () => ({ R: 0 })) }),
  "many alternatives": described({ idle: [{ anyOf: many(70_000, () => ({ R: 0 })) }] }),
  "many writes": described({ rest: many(70_000, () => ({ R: 0 })) }),
  "a name that is compared with thousands": described({
    registers: many(4096, (n) => ({ ...REGISTER, name: `R${"x".repeat(80)}${n}`, offset: 4 * n })),
    idle: [{ [`R${"y".repeat(MIB)}`]: 1 }],
  }),
};

for (const [name, text] of Object.entries(BOMBS)) {
  test(`${name}: a message with its place, and no more of it than fits on a screen`, () => {
    const error = failureOf(text);
    if (!(error instanceof AxiscriptError)) throw new Error(messageOf(error));
    assert.is(error.code, "ERR_AXI_DESCRIPTION");
    assert.match(error.message, /^b\.json:1:\d+: Cannot /);
    assert.ok(error.message.length < MAX_MESSAGE, `${error.message.length} characters`);
  });
}

test("all of them together take seconds, in a process of 256 MiB", async () => {
  const directories = Object.values(BOMBS).map((text) => {
    const directory = temporaryDirectory();
    writeFileSync(join(directory, "b.json"), text);
    return directory;
  });
  const program = `
    const { readDeviceDescription } = require("./dist/host/index.js");
    for (const directory of ${JSON.stringify(directories)}) {
      try { readDeviceDescription(directory + "/b.json"); } catch (error) { console.log(error.code); }
    }`;
  const options = { cwd: PACKAGE, encoding: "utf8", timeout: 60_000 } as const;
  const { status, stdout, stderr } = spawnSync(process.execPath, ["--max-old-space-size=256", "-e", program], options);
  assert.is(status, 0, stderr);
  assert.is(stdout, "ERR_AXI_DESCRIPTION\n".repeat(directories.length));
});

function failureOf(text: string): unknown {
  try {
    parseDescription(text, "b.json");
    return undefined;
  } catch (error) {
    return error;
  }
}

test("numbers are taken as they were written, or refused with what to write", () => {
  const offsetOf = (written: string) =>
    parseDescription(described({ registers: [REGISTER] }).replace('"offset":0', `"offset":${written}`), "n.json")
      .registers[0]?.offset;
  for (const [written, offset] of [
    ["16", 16],
    ["1.6e1", 16],
    ["-0", 0],
    ['"16"', 16],
    ['"0x1_0"', 16],
    ['"0X10"', 16],
    ['"0b1_0000"', 16],
  ] as const) {
    assert.is(offsetOf(written), offset, written);
  }
  const refused = [
    "1e400",
    "-4",
    "1.5",
    '""',
    '" 4"',
    '"4 "',
    '"+4"',
    '"-4"',
    '"0x"',
    '"4_"',
    '"_4"',
    '"4__0"',
    '"0o4"',
    '"4n"',
  ];
  for (const written of [...refused, '"1e1"', "true", "null", "[4]", '{"4":4}', `"0b${"0".repeat(200)}1"`]) {
    assert.throws(() => offsetOf(written), /offset in bytes|ERR_AXI_DESCRIPTION/, written);
  }
  // Beyond what a JSON number holds: another one would be read in its place.
  const reset = (written: string) =>
    described({ registers: [{ ...REGISTER, widthBits: 64, reset: "RESET" }] }).replace('"RESET"', written);
  assert.is(parseDescription(reset('"9007199254740993"'), "n.json").registers[0]?.reset, 9007199254740993n);
  assert.throws(() => parseDescription(reset("9007199254740993"), "n.json"), /written as a text/);
});

test("a version with a point, and bits, are not taken from other forms that come to the same number", () => {
  const versioned = (atLeast: unknown) =>
    described({
      registers: [
        {
          ...REGISTER,
          access: "RO",
          fields: [
            { name: "A", bits: "15:8" },
            { name: "B", bits: "7:0" },
          ],
        },
      ],
      match: { uioNames: ["a"], version: { register: "R", parts: ["A", "B"], atLeast, below: "2.0" } },
    });
  assert.equal(parseDescription(versioned("1.10"), "n.json").match.version?.atLeast, [1, 10]);
  // In JSON, 1.10 is 1.1.
  assert.throws(() => parseDescription(versioned(1.1), "n.json"), /Cannot use 1\.1 as a version/);
  const withBits = (bits: unknown) => described({ registers: [{ ...REGISTER, fields: [{ name: "F", bits }] }] });
  for (const bits of [3, "3", "7:0", "07:00"]) parseDescription(withBits(bits), "n.json");
  for (const bits of [
    -1,
    1.5,
    32,
    "32",
    " 3",
    "3 ",
    "0x3",
    "3e0",
    "",
    ":",
    "7:",
    ":0",
    "0:7",
    "7:0:0",
    [3],
    ["7:0"],
    null,
  ]) {
    assert.throws(() => parseDescription(withBits(bits), "n.json"), /as bits/, JSON.stringify(bits));
  }
});

const PROTOTYPE = JSON.parse('{"__proto__":1}') as unknown;
/** What a description has anywhere is replaced by one of these. */
const STRANGE: readonly unknown[] = [
  ...[
    null,
    true,
    0,
    -1,
    1e9,
    Infinity,
    0.5,
    2 ** 53,
    "",
    "0x",
    "R",
    "CONTROL.GO",
    "__proto__",
    "constructor",
    "\u0000\x1b[2J",
  ],
  ...["9".repeat(50), "x".repeat(20_000), [], {}, [[]], [null], { anyOf: [] }, { "": 0 }, PROTOTYPE],
];

/** The places in a JSON value: those that hold something and the keys under which they do. */
function placesIn(value: unknown): { readonly holder: Record<string, unknown>; readonly key: string }[] {
  if (typeof value !== "object" || value === null) return [];
  const holder = value as Record<string, unknown>;
  return Object.keys(holder).flatMap((key) => [{ holder, key }, ...placesIn(holder[key])]);
}

function mutateValue(text: string, random: Random): string {
  const root = JSON.parse(text) as unknown;
  for (let changes = 1 + random.below(3); changes > 0; changes--) {
    const { holder, key } = random.pick(placesIn(root));
    const other = random.pick(placesIn(root));
    const change = random.below(4);
    if (change === 0) holder[key] = random.pick(STRANGE);
    else if (change === 1) Reflect.deleteProperty(holder, key);
    else if (change === 2) holder[key] = structuredClone(other.holder[other.key]);
    else {
      const name = random.pick([other.key, "count", "widthBits", "strideBytes", "more"]);
      // Of a list that is no property of JSON's.
      if (!Array.isArray(holder) || name !== "length") holder[name] = random.pick(STRANGE);
    }
    if (placesIn(root).length === 0) break;
  }
  return JSON.stringify(root);
}

function mutateText(text: string, random: Random): string {
  const at = random.below(text.length);
  const end = at + random.below(20);
  const piece = text.slice(at, end);
  return (
    text.slice(0, at) +
    random.pick(["", piece + piece, '"', "{", "}", "[", "]", ",", ":", "\\", "\ud800", "1e9"]) +
    text.slice(end)
  );
}

test("whatever becomes of a description, it is one, or there is one message with a place", () => {
  const random = new Random();
  const shipped = readdirSync(join(PACKAGE, "devices")).filter((name) => /^axi-.*\.json$/.test(name));
  const sources = [
    JSON.stringify(WIDGET),
    ...shipped.map((name) => readFileSync(join(PACKAGE, "devices", name), "utf8")),
  ];
  let good = 0;
  const tries = scaled(1500);
  for (let n = 0; n < tries; n++) {
    const text = (random.oneIn(3) ? mutateText : mutateValue)(random.pick(sources), random);
    const error = failureOf(text);
    if (error === undefined) {
      good++;
      continue;
    }
    const said = messageOf(error);
    const isOurs = error instanceof AxiscriptError && error.code === "ERR_AXI_DESCRIPTION";
    assert.ok(
      isOurs && /^b\.json:\d+:\d+: Cannot /.test(said) && said.length < MAX_MESSAGE,
      `${random.seed}: ${said}\n${text}`,
    );
  }
  assert.ok(good > 0 && good < tries, `${good} of ${tries} were good`);
});

test("what is no regular file, or too large a one, is refused and not read", async () => {
  const script = join(temporaryDirectory(), "s.ts");
  writeFileSync(script, 'console.log("ran");');
  const pipe = (path: string) => assert.is(spawnSync("mkfifo", [path]).status, 0);
  const huge = (path: string) => {
    writeFileSync(path, "");
    truncateSync(path, 2 ** 40);
  };
  for (const [make, says] of [
    [pipe, /a pipe or a device|no file/],
    [(path: string) => symlinkSync("/dev/zero", path), /a pipe or a device/],
    [(path: string) => mkdirSync(path), /a directory/],
    [huge, /more than 4 MiB/],
    [(path: string) => symlinkSync("nowhere", path), /ENOENT/],
  ] as const) {
    const directory = temporaryDirectory();
    make(join(directory, "d.json"));
    const generate = ["generate", join(directory, "d.json")];
    const run = ["run", "--board=virtual", "--devices", directory, script];
    for (const args of make === pipe ? [generate, run] : [generate]) {
      const { status, stdout, stderr } = await axiscript(args);
      assert.is(status, 2, stderr);
      assert.is(stdout, "");
      assert.match(stderr, /^ERR_AXI_DESCRIPTION: Cannot read the description .*d\.json: /m);
      assert.match(stderr, says);
    }
  }
});

test("--devices is looked at before the script runs, whether it opens a device or not", async () => {
  const script = join(temporaryDirectory(), "s.ts");
  writeFileSync(script, 'console.log("ran");');
  const broken = temporaryDirectory();
  writeFileSync(join(broken, "d.json"), "{");
  for (const [devices, says] of [
    [join(broken, "nowhere"), "there is no such directory"],
    [script, "it is no directory"],
    [broken, "d.json:1:2: Cannot read it"],
  ] as const) {
    const { status, stdout, stderr, leftBehind } = await axiscript([
      "run",
      "--board=virtual",
      "--devices",
      devices,
      script,
    ]);
    assert.is(status, 2, stderr);
    assert.is(stdout, "");
    assert.match(stderr, /^ERR_AXI_DESCRIPTION: /);
    assert.match(stderr, says);
    assert.equal(leftBehind, []);
  }
});

test("how many values there are is counted before anything is made of them", () => {
  const text = BOMBS["a million empty lists"] ?? "";
  assert.throws(() => parseDescription(text, "bomb.json"), /Cannot read it: more than 150000 values/);
});

test.run();
