import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { readShipped } from "../../tools/compile-shipped";
import { devicesReference } from "../../tools/devices-reference";
import { compileScript, generateRegisters, readDeviceDescription } from "../../host/index";
import { PACKAGE } from "../support/cli";
import { temporaryDirectory } from "../support/temporary";

const test = suite("devices reference");

const text = readFileSync(join(PACKAGE, "docs/devices.md"), "utf8");

test("docs/devices.md is what the descriptions say (npm run docs)", () => {
  assert.is(text, devicesReference(readShipped()));
});

test("its example is a description, and its script compiles with the classes made from it", async () => {
  const [, json = ""] = /^```json\n([\s\S]*?)^```$/m.exec(text) ?? [];
  const [, script = ""] = /^```ts\n([\s\S]*?)^```$/m.exec(text) ?? [];
  const directory = temporaryDirectory();
  writeFileSync(join(directory, "frame-grabber.json"), json);
  const description = readDeviceDescription(join(directory, "frame-grabber.json"));
  assert.is(description.kind, "FrameGrabber");
  writeFileSync(join(directory, "frame-grabber.ts"), generateRegisters(description));
  writeFileSync(join(directory, "script.ts"), script);
  await compileScript(join(directory, "script.ts"), { cacheDirectory: false });
});

test.run();
