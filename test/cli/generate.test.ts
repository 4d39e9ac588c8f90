import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { axiscript, PACKAGE } from "../support/cli";
import { temporaryDirectory } from "../support/temporary";

const test = suite("axiscript generate");

const DESCRIPTION = join(PACKAGE, "devices/axi-timer.json");
const GENERATED = readFileSync(join(PACKAGE, "assembly/registers/axi-timer.ts"), "utf8");

test("writes a file, or to standard output", async () => {
  const cwd = temporaryDirectory();
  const written = await axiscript(["generate", DESCRIPTION, "-o", "timer.ts", "--import", "../uio"], { cwd });
  assert.is(written.stderr, "");
  assert.is(written.stdout, "");
  assert.is(written.status, 0);
  assert.is(readFileSync(join(cwd, "timer.ts"), "utf8"), GENERATED);
  const printed = await axiscript(["generate", DESCRIPTION]);
  assert.is(printed.stdout, GENERATED.replace('"../uio"', '"axiscript/assembly"'));
});

test("a mistake in the description is said with its place, and nothing is written", async () => {
  const cwd = temporaryDirectory();
  writeFileSync(join(cwd, "bad.json"), readFileSync(DESCRIPTION, "utf8").replace('"TCSR1.T1INT"', '"TCSR1.TINT"'));
  const { status, stderr } = await axiscript(["generate", "bad.json", "-o", "bad.ts"], { cwd });
  assert.is(status, 2);
  assert.match(stderr, /^ERR_AXI_DESCRIPTION: bad\.json:\d+:\d+: .*Did you mean T1INT\?\n$/);
  assert.throws(() => readFileSync(join(cwd, "bad.ts")), /ENOENT/);
});

test("a command line that makes no sense is refused", async () => {
  const cases: readonly (readonly [readonly string[], RegExp, number])[] = [
    [[], /^ERR_AXI_USAGE: Name a device description/, 2],
    [[DESCRIPTION, "-o", "timer.wasm"], /^ERR_AXI_USAGE: .*the output is a \.ts file/, 2],
    [["nowhere.json"], /^ERR_AXI_DESCRIPTION: Cannot read the description nowhere\.json/, 2],
    [[DESCRIPTION, "-o", "/nowhere/timer.ts"], /^ERR_AXI_IO: Cannot write \/nowhere\/timer\.ts/, 1],
  ];
  for (const [args, message, status] of cases) {
    const result = await axiscript(["generate", ...args]);
    assert.match(result.stderr, message);
    assert.is(result.status, status);
  }
});

test.run();
