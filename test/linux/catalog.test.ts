import { readdirSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { DeviceCatalog } from "../../host/linux/catalog";
import { readDescription } from "../../host/description/description-file";
import { PACKAGE } from "../support/cli";
import { rejectsWith } from "../support/expect";
import { temporaryDirectory } from "../support/temporary";

const test = suite("device catalog");

const NO_PROPERTIES = () => [];

/** A description of little else than what it matches. */
function description(kind: string, uioNames: readonly string[], properties: Record<string, string> = {}): string {
  return JSON.stringify({
    kind,
    summary: "A device.",
    match: { uioNames, properties },
    registers: [{ name: "A", offset: 0, access: "RW" }],
    dma: "none",
  });
}

function directoryWith(files: Record<string, string>): string {
  const directory = temporaryDirectory();
  for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text);
  return directory;
}

test("what the build has compiled is what the files that ship say", () => {
  const files = readdirSync(join(PACKAGE, "devices")).filter((name) => !name.includes(".schema."));
  const read = files.map((name) => readDescription(join(PACKAGE, "devices", name)));
  assert.equal(
    new DeviceCatalog().all(),
    read.sort((a, b) => (a.kind < b.kind ? -1 : 1)),
  );
  // Conditions and transfers refer to the registers themselves, not to copies.
  for (const { idle, registers } of new DeviceCatalog().all()) {
    for (const { register } of idle) assert.ok(registers.includes(register));
  }
});

test("devices that ship are found by their UIO name, others are not", () => {
  const catalog = new DeviceCatalog();
  assert.is(catalog.find({ name: "AxiProxy", property: NO_PROPERTIES })?.kind, "AxiProxy");
  assert.is(catalog.find({ name: "AxiTrafficGen", property: NO_PROPERTIES })?.kind, "AxiTrafficGen");
  assert.is(catalog.find({ name: "axiproxy", property: NO_PROPERTIES }), undefined);
  assert.is(
    catalog.find({ name: "AxiProxy", property: NO_PROPERTIES }),
    catalog.all().find((d) => d.kind === "AxiProxy"),
  );
});

test("a user's description comes before the package's, for a kind and for a device", () => {
  const byKind = new DeviceCatalog([directoryWith({ "a.json": description("AxiProxy", ["mine"]) })]);
  assert.is(byKind.find({ name: "AxiProxy", property: NO_PROPERTIES }), undefined);
  assert.is(byKind.find({ name: "mine", property: NO_PROPERTIES })?.kind, "AxiProxy");
  assert.is(byKind.all().filter(({ kind }) => kind === "AxiProxy").length, 1);
  const byName = new DeviceCatalog([directoryWith({ "a.json": description("Mine", ["AxiProxy"]) })]);
  assert.is(byName.find({ name: "AxiProxy", property: NO_PROPERTIES })?.kind, "Mine");
});

test("device-tree properties must all match, and more of them come first", () => {
  const catalog = new DeviceCatalog([
    directoryWith({
      "any.json": description("Any", ["x"]),
      "left.json": description("Left", ["x"], { side: "left" }),
      "top-left.json": description("TopLeft", ["x"], { side: "left", height: "top" }),
      "readme.txt": "not a description",
      "device.schema.json": "{}",
    }),
  ]);
  const find = (properties: Record<string, string[]>) =>
    catalog.find({ name: "x", property: (name) => properties[name] ?? [] })?.kind;
  assert.is(find({}), "Any");
  assert.is(find({ side: ["right"] }), "Any");
  assert.is(find({ side: ["outer", "left"] }), "Left");
  assert.is(find({ side: ["left"], height: ["top"] }), "TopLeft");
  assert.is(find({ height: ["top"] }), "Any");
});

const RIVALS: readonly (readonly [string, string, string])[] = [
  ["have the same kind", description("A", ["x"]), description("A", ["y"])],
  ["describe the same device", description("A", ["x", "y"]), description("B", ["z", "y"])],
  ["may both match", description("A", ["x"], { side: "left" }), description("B", ["x"], { height: "top" })],
  ["have the same properties", description("A", ["x"], { side: "left" }), description("B", ["x"], { side: "left" })],
];
for (const [what, a, b] of RIVALS) {
  test(`two of the user's that ${what} are refused, with both files`, async () => {
    const catalog = new DeviceCatalog([directoryWith({ "a.json": a }), directoryWith({ "b.json": b })]);
    const { message } = await rejectsWith("ERR_AXI_DESCRIPTION", () =>
      catalog.find({ name: "q", property: NO_PROPERTIES }),
    );
    assert.match(message, /a\.json and .*b\.json/);
  });
}

test("two of the user's that no device matches both are not rivals", () => {
  const catalog = new DeviceCatalog([
    directoryWith({
      "a.json": description("A", ["x"], { side: "left" }),
      "b.json": description("B", ["x"], { side: "right" }),
      "c.json": description("C", ["x"]),
    }),
  ]);
  assert.is(catalog.find({ name: "x", property: () => ["right"] })?.kind, "B");
});

test("a directory that is not there, or a broken file in it, is refused", async () => {
  const find = (directory: string) => () => new DeviceCatalog([directory]).find({ name: "x", property: NO_PROPERTIES });
  assert.match((await rejectsWith("ERR_AXI_DESCRIPTION", find("/nowhere/at/all"))).message, "no such directory");
  const { message } = await rejectsWith("ERR_AXI_DESCRIPTION", find(directoryWith({ "broken.json": "{\n  12" })));
  assert.match(message, /\/broken\.json:2:3: Cannot read it/);
});

test("a file is read once in a process, and again when it has changed", () => {
  const directory = directoryWith({ "a.json": description("A", ["x"]) });
  const find = () => new DeviceCatalog([directory]).find({ name: "x", property: NO_PROPERTIES });
  const first = find();
  assert.is(find(), first);
  writeFileSync(join(directory, "a.json"), description("B", ["x"]));
  utimesSync(join(directory, "a.json"), 1, 1);
  assert.is(find()?.kind, "B");
  rmSync(join(directory, "a.json"));
  assert.is(find(), undefined);
});

test.run();
