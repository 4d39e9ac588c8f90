import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { parseDescription, readDescription } from "../../host/description/description-file";
import { AxiscriptError } from "../../host/index";
import { PACKAGE } from "../support/cli";
import { rejectsWith } from "../support/expect";
import { temporaryDirectory, temporaryFile } from "../support/temporary";

const test = suite("device descriptions");

/** By what a device is recognised. */
const MATCHES = `{
    "uioNames": ["mover", "axi-mover"],
    "pci": [{ "id": "10EE:7021", "bar": 2, "address": "0000:00:04.0", "note": "left" }, { "id": "1234:11e8", "bar": 0 }],`;
const TEXT = `{
  "kind": "Mover",
  "summary": "Moves bytes.",
  "match": ${MATCHES}
    "properties": { "label": "left" },
    "identify": [{ "ID": "0x1234_5678" }, { "anyOf": [{ "VERSION.MAJOR": 1 }, { "VERSION.MAJOR": 2 }] }],
    "version": { "register": "VERSION", "parts": ["MAJOR", "MINOR"], "atLeast": "1.9", "below": "1.10" }
  },
  "registers": [
    { "name": "CONTROL", "offset": 8, "access": "RW", "fields": [
      { "name": "CLEAR", "bits": "31", "access": "W1C" },
      { "name": "GO", "bits": 0, "access": "pulse", "summary": "Goes." },
      { "name": "MODE", "bits": "3:1", "values": { "Slow": 0, "Fast": "0b101" } }
    ] },
    { "name": "ID", "offset": "0x0", "access": "RO", "reset": "0x12345678" },
    { "name": "VERSION", "offset": "0x4", "access": "RO", "fields": [
      { "name": "MAJOR", "bits": "31:16" }, { "name": "MINOR", "bits": "15:0" }
    ] },
    { "name": "FIFO", "offset": "0xc", "access": "RO", "readSideEffect": "takes a word out" },
    { "name": "SRC", "offset": "0x10", "access": "RW" },
    { "name": "DST", "offset": "0x20", "access": "RW", "count": 3, "strideBytes": 8 },
    { "name": "COUNT", "offset": "0x40", "access": "WO", "fields": [{ "name": "WORDS", "bits": "15:0" }] },
    { "name": "STAMP", "offset": "0x48", "access": "RO", "widthBits": 64, "reset": "0xffffffffffffffff" },
    { "name": "KEY", "offset": "0x50", "access": "RW" },
    { "name": "POP", "offset": "0x54", "access": "RW", "readSideEffect": "takes a word out" }
  ],
  "memories": [{ "name": "TABLE", "offset": "0x1000", "lengthBytes": 4096, "summary": "Numbers." }],
  "dma": {
    "address": { "low": "SRC", "bits": 32 },
    "length": { "register": "COUNT.WORDS", "unitBytes": 4 },
    "alignmentBytes": 4,
    "burstBytes": 64,
    "parameters": ["KEY"],
    "transfers": [
      { "name": "in", "direction": "reads", "start": "CONTROL.GO" },
      { "name": "out", "direction": "writes", "start": "COUNT", "length": { "bytes": 256 },
        "address": { "low": "DST0", "high": "DST1", "bits": 40 } }
    ]
  },
  "idle": [{ "CONTROL.GO": 0, "CONTROL.MODE": "Fast" }],
  "rest": [{ "CONTROL.MODE": 3, "CONTROL.CLEAR": 1 }]
}
`;

test("everything that can be said is read", () => {
  const { registers, match, dma, ...description } = parseDescription(TEXT, "my.json");
  assert.is(
    registers.map(({ name, offset }) => `${name}@${offset.toString(16)}`).join(" "),
    "ID@0 VERSION@4 CONTROL@8 FIFO@c SRC@10 DST0@20 DST1@28 DST2@30 COUNT@40 STAMP@48 KEY@50 POP@54",
  );
  const [id, version, control, fifo, src, dst0, dst1, , count, stamp, key] = registers;
  assert.is(id?.reset, 0x12345678n);
  assert.is(stamp?.reset, 2n ** 64n - 1n);
  assert.is(stamp?.widthBits, 64);
  assert.is(control?.reset, undefined);
  assert.is(fifo?.readSideEffect, "takes a word out");
  assert.equal(dst1?.array, { name: "DST", index: 1, length: 3 });
  assert.equal(control?.fields, [
    { name: "GO", leastBit: 0, widthBits: 1, access: "pulse", summary: "Goes.", values: new Map() },
    {
      name: "MODE",
      leastBit: 1,
      widthBits: 3,
      access: "RW",
      summary: "",
      values: new Map([
        ["Slow", 0],
        ["Fast", 5],
      ]),
    },
    { name: "CLEAR", leastBit: 31, widthBits: 1, access: "W1C", summary: "", values: new Map() },
  ]);
  assert.equal(match.uioNames, ["mover", "axi-mover"]);
  assert.equal(match.pci, [
    { id: "10ee:7021", bar: 2, address: "0000:00:04.0", note: "left" },
    { id: "1234:11e8", bar: 0, address: undefined, note: "" },
  ]);
  assert.equal(match.properties, new Map([["label", "left"]]));
  assert.is(match.identify[0]?.register, id);
  assert.equal(match.identify[0]?.values, [{ mask: 0xffffffff, value: 0x12345678 }]);
  assert.equal(match.identify[1]?.values, [
    { mask: 0xffff0000, value: 0x10000 },
    { mask: 0xffff0000, value: 0x20000 },
  ]);
  assert.is(match.version?.register, version);
  assert.equal(match.version?.atLeast, [1, 9]);
  assert.equal(match.version?.below, [1, 10]);
  assert.equal(dma, {
    transfers: [
      {
        name: "in",
        direction: "reads",
        start: { register: control, mask: 1, anyWrite: false, isPulse: true },
        address: { low: src, high: undefined, bits: 32 },
        length: { register: count, mask: 0xffff, unitBytes: 4, extraUnits: 0 },
        ...{ idle: undefined, done: undefined, busyWithinUs: undefined },
      },
      {
        name: "out",
        direction: "writes",
        start: { register: count, mask: 0xffffffff, anyWrite: true, isPulse: false },
        address: { low: dst0, high: dst1, bits: 40 },
        length: { register: undefined, bytes: 256 },
        ...{ idle: undefined, done: undefined, busyWithinUs: undefined },
      },
    ],
    parameters: [key],
    alignmentBytes: 4,
    burstBytes: 64,
  });
  assert.equal(description, {
    kind: "Mover",
    title: "Mover",
    summary: "Moves bytes.",
    source: "",
    file: "my.json",
    memories: [{ name: "TABLE", offset: 0x1000, lengthBytes: 4096, access: "RW", summary: "Numbers." }],
    elsewhere: "refused",
    idle: [{ register: control, values: [{ mask: 0xf, value: 0xa }] }],
    rest: [{ register: control, value: 0x80000006 }],
  });
});

/** What is replaced, by what, and what the message says. The mark stands where the message must point. */
const MARK = "▸";
const MISTAKES: readonly (readonly [string, string, RegExp])[] = [
  ['"Moves bytes.",', '"Moves bytes." ▸x', /expected "," or "}", found "x"/],
  ['"Moves bytes.",', "▸'Moves bytes.',", /expected a value, found "'"/],
  ['"Moves bytes.",', '"Moves bytes.", ▸}', /expected a name in quotes, found "}"/],
  ['"summary": "Moves bytes."', '"summary" ▸"Moves bytes."', /expected ":"/],
  ['"rest": [{ "CONTROL.MODE": 3, "CONTROL.CLEAR": 1 }]\n}\n', '"rest": []▸', /found the end of the file/],
  ['{\n  "kind"', '"more" ▸{\n  "kind"', /expected the end, found "{"/],
  ['"kind": "Mover",', '"kind": "Mover", ▸"kind": "Other",', /"kind" twice/],
  ['"GO", "bits": 0,', '"GO", "bits": 0, ▸"bits": 1,', /"bits" twice/],
  ['"summary": "Moves', '▸"sumary": "Moves', /Cannot use "sumary" in a device description: it may have .*summary/],
  ['{\n  "kind": "Mover",', "▸{", /without "kind"/],
  ['"Mover"', '▸"mover"', /name of a class/],
  ['"Mover"', "▸12", /as a kind/],
  [MATCHES, "▸{", /match a device by nothing/],
  ['"10EE:7021"', '▸"0x10ee:0x7021"', /like "1234:11e8"/],
  ['"bar": 2', '"bar": ▸6', /from 0 to 5/],
  ['"0000:00:04.0"', '▸"00:04.0"', /like "0000:00:04.0"/],
  ['{ "id": "1234:11e8", "bar": 0 }', '▸{ "id": "1234:11e8" }', /without "bar"/],
  ['["mover", "axi-mover"]', '["mover", ▸""]', /not empty/],
  ['{ "label": "left" }', '{ "label": ▸1 }', /as a property's value/],
  ['{ "ID": "0x1234_5678" }', '{ ▸"IDD": "0x1234_5678" }', /register "IDD": there is none\. Did you mean ID\?/],
  ['{ "ID": "0x1234_5678" }', '{ "ID": ▸"0x1_1234_5678" }', /from 0 to 0xffffffff/],
  ['{ "ID": "0x1234_5678" }', "▸{}", /empty object/],
  ['{ "ID": "0x1234_5678" }', '▸{ "COUNT": 1 }', /COUNT: it is WO/],
  ['{ "ID": "0x1234_5678" }', '▸{ "FIFO": 1 }', /side effect \(takes a word out\)/],
  ['{ "ID": "0x1234_5678" }', '▸{ "STAMP": 1 }', /only one of 32 bits/],
  ['{ "ID": "0x1234_5678" }', '{ ▸"DST": 1 }', /It is an array: DST0, DST1, DST2/],
  ['{ "ID": "0x1234_5678" }', '{ "ID": 1, ▸"VERSION.MAJOR": 1 }', /one register at a time/],
  ['{ "ID": "0x1234_5678" }', '{ "ID": 1, ▸"ID": 2 }', /twice/],
  ['[{ "VERSION.MAJOR": 1 }, {', '[{ "VERSION.MAJOR": 1 }, ▸{ "ID": 2 }, {', /alternative to VERSION/],
  ['"anyOf": [{ "VERSION.MAJOR": 1 }, { "VERSION.MAJOR": 2 }]', '"anyOf": ▸[]', /empty list/],
  ['"VERSION.MAJOR": 1 }', '"VERSION": 1, ▸"VERSION.MAJOR": 1 }', /has a value already|have a value already/],
  ['["MAJOR", "MINOR"]', '["MAJOR", ▸"PATCH"]', /VERSION has MINOR, MAJOR/],
  ['"register": "VERSION"', '"register": ▸"COUNT"', /version in COUNT/],
  ['"1.9"', '▸"1.9.0"', /2 numbers/],
  ['"1.9"', '▸"1.65536"', /numbers that fit/],
  ['"1.10"', '▸"1.9"', /end of versions from 1\.9/],
  ['"name": "SRC"', '"name": ▸"2SRC"', /begins with no digit/],
  ['"name": "SRC"', '"name": ▸"ID"', /Cannot name two of these ID/],
  ['"name": "KEY"', '"name": ▸"DST1"', /Cannot name two of these DST1/],
  ['"name": "KEY"', '"name": ▸"DST"', /Cannot name two of these DST/],
  ['"offset": "0x10"', '"offset": ▸"0x12"', /multiple of 4/],
  ['"offset": "0x10"', '"offset": ▸"16 "', /whole number/],
  ['"offset": "0x10"', '"offset": ▸-4', /whole number/],
  ['"offset": "0x10"', '"offset": ▸16.5', /whole number/],
  ['"offset": "0x10"', '"offset": ▸"0x1000000"', /from 0 to 0xfffffc/],
  ['"offset": "0x48"', '"offset": ▸"0x44"', /multiple of 8/],
  ['{ "name": "SRC", "offset": "0x10"', '▸{ "name": "SRC", "offset": "0xc"', /SRC at 0xc: register FIFO is there/],
  ['{ "name": "KEY", "offset": "0x50"', '▸{ "name": "KEY", "offset": "0x4c"', /KEY at 0x4c: register STAMP is there/],
  ['{ "name": "KEY", "offset": "0x50"', '▸{ "name": "KEY", "offset": "0x30"', /register DST2 is there/],
  ['"access": "RO", "reset": "0x12345678"', '"access": ▸"R", "reset": "0x12345678"', /RO, RW, WO/],
  ['"reset": "0x12345678"', '"reset": ▸"0x112345678"', /reset value/],
  ['"widthBits": 64', '"widthBits": ▸16', /32 or 64/],
  ['"access": "WO",', '"access": "WO", ▸"readSideEffect": "x",', /is WO/],
  ['"count": 3', '"count": ▸0', /a count/],
  ['"count": 3, "strideBytes": 8', '▸"strideBytes": 8', /without count/],
  ['"strideBytes": 8', '"strideBytes": ▸6', /multiple of 4/],
  ['{ "name": "DST", "offset": "0x20"', '▸{ "name": "DST", "offset": "0xfffff0"', /offsets are below 0x1000000/],
  ['"name": "MODE"', '"name": ▸"GO"', /Cannot name two of these GO/],
  ['"bits": "3:1"', '"bits": ▸"32:1"', /of bits 31 to 0/],
  ['"bits": "3:1"', '"bits": ▸"1:3"', /Cannot use "1:3" as bits/],
  ['"bits": "3:1"', '"bits": ▸[3, 1]', /as bits/],
  ['"bits": "3:1"', '"bits": ▸""', /as bits/],
  ['{ "name": "MODE", "bits": "3:1"', '▸{ "name": "MODE", "bits": "3:0"', /field GO has some of its bits/],
  ['"bits": "31:16"', '"bits": "31:16", "access": ▸"RW"', /field's access in an RO register: it is one of RO\./],
  ['"Slow": 0', '"Slow": ▸8', /value of field MODE: it is a whole number from 0 to 7/],
  ['"Slow": 0', '▸"so slow": 0', /name of a value/],
  ['{ "name": "TABLE", "offset": "0x1000"', '▸{ "name": "TABLE", "offset": "0x50"', /KEY is there/],
  ['"name": "TABLE"', '"name": ▸"KEY"', /Cannot name two of these KEY/],
  ['{ "low": "SRC", "bits": 32 }', '{ "low": ▸"ID", "bits": 32 }', /ID in a DMA engine: it is RO/],
  ['{ "low": "SRC", "bits": 32 }', '{ "low": ▸"CONTROL.GO", "bits": 32 }', /whole register/],
  ['{ "low": "SRC", "bits": 32 }', '{ "low": "SRC", "bits": ▸33 }', /from 1 to 32/],
  ['"high": "DST1", "bits": 40', '"high": "DST1", "bits": ▸32', /from 33 to 64/],
  ['"high": "DST1"', '"high": ▸"DST0"', /both halves/],
  ['"COUNT.WORDS", "unitBytes": 4', '▸"CONTROL.MODE", "unitBytes": 4', /does not begin at bit 0/],
  ['"unitBytes": 4', '"unitBytes": ▸0', /unit in bytes/],
  ['{ "register": "COUNT.WORDS", "unitBytes": 4 }', '▸{ "unitBytes": 4 }', /has "bytes", or "register"/],
  ['{ "bytes": 256 }', '▸{ "bytes": 256, "register": "KEY" }', /one of them/],
  ['"alignmentBytes": 4', '"alignmentBytes": ▸12', /power of two/],
  ['"burstBytes": 64', '"burstBytes": ▸8192', /from 1 to 4096/],
  ['["KEY"]', '["KEY", ▸"KEY"]', /twice/],
  ['["KEY"]', '["KEY", ▸"POP"]', /POP in a DMA engine: reading it has a side effect/],
  ['["KEY"]', '[▸"SRC"]', /start, address or length register/],
  ['["KEY"]', '[▸"DST"]', /DST0 as a parameter/],
  ['"start": "COUNT"', '"start": ▸"STAMP"', /RO/],
  ['{ "name": "out"', '▸{ "name": "in"', /another one has that name/],
  ['"direction": "reads"', '"direction": ▸"read"', /reads, writes/],
  ['[{ "CONTROL.GO": 0, "CONTROL.MODE": "Fast" }]', "▸[]", /without "idle"/],
  ['"CONTROL.MODE": "Fast"', '"CONTROL.MODE": ▸"Fats"', /CONTROL\.MODE: it is a whole number from 0 to 7/],
  ['"CONTROL.MODE": "Fast"', '▸"CONTROL.MODES": 1', /its fields are GO, MODE, CLEAR\. Did you mean MODE\?/],
  ['"CONTROL.MODE": "Fast"', '▸"CONTROL.GO.GO": 1', /there is none/],
  ['[{ "CONTROL.MODE": 3,', '[▸{ "CONTROL.GO": 1,', /would start the transfer in/],
  ['[{ "CONTROL.MODE": 3, "CONTROL.CLEAR": 1 }]', '[▸{ "COUNT": 0 }]', /would start the transfer out/],
  ['[{ "CONTROL.MODE": 3, "CONTROL.CLEAR": 1 }]', '[▸{ "ID": 0 }]', /it is RO/],
  ['"rest": [{ "CONTROL.MODE": 3, "CONTROL.CLEAR": 1 }]', '"rest": ▸7', /it is a list/],
];

for (const [correct, wrong, message] of MISTAKES) {
  test(`${wrong.replaceAll("\n", " ")} is refused, at its place`, async () => {
    assert.ok(TEXT.includes(correct), "the text to be replaced is there");
    const marked = TEXT.replace(correct, () => wrong);
    const at = marked.indexOf(MARK);
    const line = marked.slice(0, at).split("\n").length;
    const column = at - marked.lastIndexOf("\n", at);
    const error = await rejectsWith("ERR_AXI_DESCRIPTION", () => parseDescription(marked.replace(MARK, ""), "my.json"));
    assert.match(error.message, message);
    assert.is(/^my\.json:\d+:\d+/.exec(error.message)?.[0], `my.json:${line}:${column}`);
  });
}

test("a device without a bus manager says so; any other text is refused", async () => {
  const without = TEXT.replace(/"dma": \{[^]*?\n {2}\},/, '"dma": "none",').replace(/ {2}"idle": .*\n/, "");
  assert.is(parseDescription(without, "my.json").dma, "none");
  const error = await rejectsWith("ERR_AXI_DESCRIPTION", () =>
    parseDescription(without.replace('"none"', '"no"'), "x"),
  );
  assert.match(error.message, /^x:30:10: .*"no" as a DMA engine/);
});

test("a description that is not valid any more is refused, and nothing else happens, whatever was changed", () => {
  let state = 1;
  const random = (below: number) => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return (state >>> 8) % below;
  };
  const tokens = [...new Set(TEXT.match(/"[^"]*"|-?\d+|[[\]{}:,]/g))];
  const parts = TEXT.split(/("[^"]*"|-?\d+|[[\]{}:,])/);
  let refused = 0;
  for (let round = 0; round < 5000; round++) {
    const changed = [...parts];
    const at = random(parts.length);
    changed[at] = [tokens[random(tokens.length)] ?? "", "", "null", "1e99", "true", '"__proto__"'][random(6)] ?? "";
    try {
      parseDescription(changed.join(""), "my.json");
    } catch (error) {
      if (!(error instanceof AxiscriptError)) throw error;
      assert.is(error.code, "ERR_AXI_DESCRIPTION");
      assert.match(error.message, /^my\.json:\d+:\d+: Cannot /);
      refused++;
    }
  }
  assert.ok(refused > 1000);
});

/** Where a key may be added to the text, and the part of the editors' schema that stands for it. */
const LEVELS = [
  ['"kind":', ""],
  ['"uioNames":', "/properties/match"],
  ['"id": "10EE:7021"', "/properties/match/properties/pci/items"],
  ['"register": "VERSION"', "/properties/match/properties/version"],
  ['"name": "SRC"', "/definitions/register"],
  ['"name": "GO"', "/definitions/field"],
  ['"name": "TABLE"', "/definitions/memory"],
  ['"alignmentBytes":', "/properties/dma/anyOf/2"],
  ['"low": "SRC"', "/definitions/address"],
  ['"register": "COUNT.WORDS"', "/definitions/length"],
  ['"name": "in"', "/definitions/transfer"],
] as const;

test("the editors' schema has the keys that are read, at every level", async () => {
  const schema = JSON.parse(readFileSync(join(PACKAGE, "devices/device.schema.json"), "utf8")) as unknown;
  for (const [before, path] of LEVELS) {
    assert.ok(TEXT.includes(before), before);
    const text = TEXT.replace(before, `"unknown": 1, ${before}`);
    const { message } = await rejectsWith("ERR_AXI_DESCRIPTION", () => parseDescription(text, "my.json"));
    const read = /it may have (.*)\.$/.exec(message)?.[1]?.split(", ");
    let part = schema;
    for (const key of path.split("/").slice(1)) part = (part as Record<string, unknown>)[key];
    assert.equal(Object.keys((part as { properties: object }).properties).sort(), read?.sort(), path);
  }
});

test("a file that cannot be read is refused with its name", async () => {
  const missing = join(temporaryDirectory(), "none.json");
  assert.match((await rejectsWith("ERR_AXI_DESCRIPTION", () => readDescription(missing))).message, missing);
  await rejectsWith("ERR_AXI_DESCRIPTION", () => readDescription(temporaryDirectory()));
  const large = temporaryFile("large.json", Buffer.alloc(2 ** 23, " "));
  assert.match((await rejectsWith("ERR_AXI_DESCRIPTION", () => readDescription(large))).message, "4 MiB");
  const deep = temporaryFile("deep.json", "[".repeat(100_000));
  assert.match(
    (await rejectsWith("ERR_AXI_DESCRIPTION", () => readDescription(deep))).message,
    "nested deeper than 64",
  );
});

test("the descriptions that ship are written as the format has it, and say where their facts come from", () => {
  const directory = join(PACKAGE, "devices");
  const names = readdirSync(directory).filter((name) => !name.includes(".schema."));
  assert.ok(names.length >= 3);
  for (const name of names) {
    const description = readDescription(join(directory, name));
    assert.ok(description.source.length > 10 && description.summary.length > 10, name);
    for (const register of description.registers) assert.ok(register.summary, `${name}: ${register.name}`);
    assert.not.match(readFileSync(join(directory, name), "utf8"), /\t/);
  }
});

test.run();
