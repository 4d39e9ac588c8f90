import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { CommandModule } from "yargs";
import { base } from "../../host/cli/commands";
import { readPlainOptions } from "../../host/cli/plain-options";
import { RUN, RUN_OPTIONS } from "../../host/cli/run";

const test = suite("options that are read without yargs");

const PLAIN = [
  "script.wasm",
  "--board=virtual script.wasm",
  "--board virtual --timeout 2s --max-memory=256M --max-output 10M script.wasm",
  "--timeout=1s --timeout=2s --board=linux --board=virtual script.wasm",
  "--fault hpc:slow --fault=hp:never-done --devices a --devices b script.ts",
  "--seed 7 --pin=mlock --optimize=3 -O s script.ts",
  "--stack-trace -P profile.json --audit=a=b.jsonl --record record.jsonl script.ts",
  "--sysroot /tmp/board --profile 1.0 ../a/b.wasm",
];

const SPECIAL = [
  "",
  "--help",
  "-h script.wasm",
  "--version",
  "--no-cache script.ts",
  "--cache=false script.ts",
  "--board=moon script.wasm",
  "--seed=many script.wasm",
  "--seed=0x10 script.wasm",
  "--seed=1e3 script.wasm",
  "--timeout= script.wasm",
  "--timeout --stack-trace script.wasm",
  "--timeout",
  "--sysroot='a' script.wasm",
  '--sysroot "a" script.wasm',
  "-Pfile script.wasm",
  "--unknown script.wasm",
  "script.wasm another.wasm",
  "'script.wasm'",
];

/** What yargs makes of a command line, in the options of a run. */
function readWithYargs(argv: readonly string[]): unknown {
  let flags: Record<string, unknown> = {};
  const command: CommandModule<object, Record<string, unknown>> = {
    ...(RUN as CommandModule),
    command: `$0 ${String(RUN.command)}`,
    handler: (read) => {
      flags = read;
    },
  };
  void base("axiscript run", argv).command(command).parse();
  return Object.fromEntries(["script", ...Object.keys(RUN_OPTIONS)].map((name) => [name, flags[name]]));
}

for (const line of PLAIN) {
  test(`are what yargs reads: ${line}`, () => {
    const argv = line.split(" ");
    const flags = readPlainOptions(argv, RUN_OPTIONS);
    assert.ok(flags);
    assert.equal(flags, readWithYargs(argv));
  });
}

for (const line of SPECIAL) {
  test(`are left to yargs: ${line}`, () => {
    assert.is(readPlainOptions(line === "" ? [] : line.split(" "), RUN_OPTIONS), undefined);
  });
}

test.run();
