import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { exitCodeOf } from "../../host/cli/exit-codes";
import { AxiscriptError, ERROR_KINDS, type ErrorCode } from "../../host/util/errors";
import { compileScript, writeScript } from "../../host/index";
import { axiscript, PACKAGE } from "../support/cli";
import { WITH_PROXY } from "../support/run-script";
import { temporaryDirectory, temporaryFile } from "../support/temporary";
import { assemble } from "../support/wasm";

const test = suite("what users see");

const run = (source: string, flags: readonly string[] = [], args: readonly string[] = []) =>
  axiscript(["run", "--board=virtual", ...flags, temporaryFile("script.ts", source), ...args]);

test("console.warn and console.error go to stderr, all else to stdout", async () => {
  const { status, stdout, stderr } = await run(
    `console.log("a"); console.info("b"); console.debug("c"); console.warn("d"); console.error("e"); console.assert(false, "f");`,
  );
  assert.is(status, 0, stderr);
  assert.is(stdout, "a\nInfo: b\nDebug: c\n");
  assert.match(stderr, "Warning: d\nError: e\nAssertion failed: f\n");
});

const GREEDY: readonly string[] = [
  "const kept: StaticArray<u8>[] = [];\nwhile (true)\n  kept.push(new StaticArray<u8>(1 << 20));",
  `let text = "abcdefgh";\nwhile (true)\n  text = text + text;`,
  "memory.grow(1);\n\nheap.alloc(200_000_000);",
];

for (const optimize of ["0", "2", "3"]) {
  test(`memory that runs out is said, with the limit, its flag and the line, at -O${optimize}`, async () => {
    for (const source of optimize === "2" ? GREEDY : GREEDY.slice(0, 1)) {
      const { status, stderr } = await run(source, [`-O${optimize}`, "--max-memory=32M"]);
      assert.is(status, 1, stderr);
      assert.match(stderr, /^ERR_AXI_OUT_OF_MEMORY: .*ran out of memory.* 33554432 bytes.*--max-memory/m);
      assert.match(stderr, /script\.ts:3/);
    }
  });
}

test("memory that runs out is said without a source map too; `unreachable` for another reason is a trap", async () => {
  const built = join(temporaryDirectory(), "greedy.wasm");
  writeScript(await compileScript(temporaryFile("script.ts", GREEDY[0] ?? "")), built);
  writeFileSync(`${built}.map`, "");
  const greedy = await axiscript(["run", "--board=virtual", "--max-memory=32M", built]);
  assert.is(greedy.status, 1, greedy.stderr);
  assert.match(greedy.stderr, "ERR_AXI_OUT_OF_MEMORY");
  const trapped = await run("if (process.argv.length > 0) unreachable();", ["--max-memory=32M"]);
  assert.is(trapped.status, 134, trapped.stderr);
  assert.match(trapped.stderr, "ERR_AXI_TRAP");
});

test("the exit codes are those of the table in the README", async () => {
  const table = readFileSync(join(PACKAGE, "README.md"), "utf8");
  const rowOf = (code: number) =>
    new RegExp(`^\\| (?:\\d+, )*${code}(?:, \\d+)* +\\| (.*) \\|$`, "m").exec(table)?.[1] ?? "";
  const says: Readonly<Record<string, RegExp>> = {
    usage: /command line/,
    compile: /compile/,
    link: /link/,
    platform: /platform/,
    device: /device/,
    memory: /memory/,
    fpga: /FPGA/,
    board: /board/,
    io: /board|device/,
    argument: /device/,
    permission: /permission/,
    trap: /trapped or aborted, or the gate refused/,
  };
  for (const [code, kind] of Object.entries(ERROR_KINDS) as [ErrorCode, string][]) {
    if (kind === "stopped") continue;
    assert.match(rowOf(exitCodeOf(new AxiscriptError(code, "x"))), says[kind] ?? /none/, code);
  }
  assert.match(rowOf(exitCodeOf(new AxiscriptError("ERR_AXI_LIMIT", "x"))), /limit/);
  for (const statement of ["device.read32(0x4000);", "device.write32(0x4000, 1);"]) {
    assert.is((await run(`${WITH_PROXY}${statement}`)).status, 134);
  }
});

test("advice to allow a file can be typed as it stands, and allows no more than that directory", async () => {
  const source = `import { readText } from "axiscript/assembly"; readText(process.argv[1]);`;
  for (const [path, flag] of [
    ["a.txt", "--allow-read=."],
    ["..", "--allow-read=.."],
    ["data/..", "--allow-read=data/.."],
    ["/etc/passwd", "--allow-read=/etc"],
  ] as const) {
    const { stderr } = await run(source, ["--allow-dma"], [path]);
    assert.match(stderr, `Allow it with ${flag}\n`);
  }
});

test("options behind the script's name that axiscript knows are noted, and those of the script are not", async () => {
  const source = `console.log(process.argv.slice(1).join(" "));`;
  const noted = await run(source, [], ["--timeout", "2s", "-O3", "--allow-device=X", "--mine=1", "x"]);
  assert.is(noted.stdout, "--timeout 2s -O3 --allow-device=X --mine=1 x\n");
  assert.match(noted.stderr, /--timeout, -O3, --allow-device after .*script\.ts go to the script/);
  for (const args of [
    ["--mine", "-x", "timeout"],
    ["--", "--timeout=2s"],
  ]) {
    const { status, stderr } = await run(source, [], args);
    assert.is(status, 0);
    assert.not.match(stderr, "to the script");
  }
});

/** A core that says what is written to it, and does not come back from a 9. */
const MODEL = `
console.log("loaded");
process.stdout.write("loaded too\\n");
export default {
  kind: "loud",
  uioName: "Loud",
  registerBytes: 8,
  handshake: [],
  cores: [{ address: 0xa0100000 }],
  create() {
    let value = 0;
    return {
      regRead: () => value,
      regWrite(offset, written) {
        console.log("written", written);
        value = written;
        while (written === 9);
      },
    };
  },
};`;
const DESCRIPTION = {
  kind: "Loud",
  summary: "Says what it does",
  match: { uioNames: ["Loud"] },
  dma: "none",
  registers: [
    { name: "A", offset: 0, access: "RW" },
    { name: "B", offset: 4, access: "RW" },
  ],
};

test("what a model prints is not in the script's stdout, and a model that never returns is named", async () => {
  const directory = temporaryDirectory();
  writeFileSync(join(directory, "loud.mjs"), MODEL);
  writeFileSync(join(directory, "loud.json"), JSON.stringify(DESCRIPTION));
  writeFileSync(
    join(directory, "script.ts"),
    `import { FpgaManager, UioDevice } from "axiscript/assembly";
new FpgaManager().programBitstream("/lib/firmware/xilinx/loud/loud.bit.bin", "/lib/firmware/xilinx/loud/loud.dtbo");
const device = UioDevice.open("Loud");
device.write32(4, <u32>parseInt(process.argv[1]));
console.log(device.poll32(0, 0xff, 5, 2000) ? "seen" : "not seen");`,
  );
  const flags = ["--board=virtual", "--model=loud.mjs", "--devices=.", "script.ts"];
  const loud = await axiscript(["run", ...flags, "5"], { cwd: directory });
  assert.is(loud.stdout, "seen\n", loud.stderr);
  assert.match(loud.stderr, "loaded\nloaded too\n");
  assert.match(loud.stderr, "written 5\n");
  assert.not.match(loud.stderr, "does not return");
  const hanging = await axiscript(["run", ...flags, "9"], { cwd: directory });
  assert.is(hanging.stdout, "not seen\n", hanging.stderr);
  assert.match(hanging.stderr, /ERR_AXI_MODEL: the model .*loud\.mjs does not return from a call/);
  assert.equal(hanging.leftBehind, []);
});

const EVIL = "\x1b[2Jred\x9b1m\rline\n\u202eback\u2028x";
const SHOWN = "\\x1b[2Jred\\x9b1m\\rline\\n\\u202eback\\u2028x";
// eslint-disable-next-line no-control-regex
const RAW = /[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2028]/;

test("control characters in what a script brings are escaped in every message", async () => {
  const units = Array.from(Buffer.from(EVIL, "utf16le").swap16().toString("hex").match(/..../g) ?? []);
  const evil = `"${units.map((unit) => `\\u${unit}`).join("")}"`;
  const sources = [
    `throw new Error(${evil});`,
    `import { UioDevice } from "axiscript/assembly"; UioDevice.open(${evil});`,
    `import { note } from "axiscript/assembly"; note(${evil});`,
    `import { fail } from "axiscript/assembly"; fail("ERR_AXI_IO", ${evil});`,
    `import { readText } from "axiscript/assembly"; readText(${evil});`,
    `import { FpgaManager } from "axiscript/assembly"; new FpgaManager().programBitstream(${evil}, ${evil});`,
  ];
  for (const source of sources) {
    const { stderr } = await run(source);
    assert.match(stderr, SHOWN, source);
    assert.not.match(stderr, RAW, source);
  }
  const misfit = temporaryFile("misfit.wasm", assemble({ imports: [{ module: EVIL, name: EVIL }], start: [] }));
  const linked = await axiscript(["run", "--board=virtual", misfit]);
  assert.is(linked.status, 2);
  assert.match(linked.stderr, SHOWN);
  assert.not.match(linked.stderr, RAW);
  const inspected = await axiscript(["inspect", "--json", misfit]);
  assert.not.match(inspected.stdout, RAW);
  assert.match(JSON.stringify(JSON.parse(inspected.stdout)), JSON.stringify(EVIL).slice(1, -1));
});

test("control characters in names of files are escaped in every message", async () => {
  const directory = temporaryDirectory();
  const name = "\x1b[2J\nERR_AXI_FORGED: x\u202e.ts";
  writeFileSync(join(directory, name), "nope();");
  for (const args of [
    ["run", "--board=virtual", name],
    ["run", "--board=virtual", `missing${name}`],
    ["inspect", `missing${name}`],
    ["run", "--board=virtual", "--devices", name, "x.wasm"],
    ["run", "--profile", name, "x.wasm"],
    ["build", name, "-o", `x${name}`],
  ]) {
    const { status, stdout, stderr } = await axiscript(args, { cwd: directory });
    assert.is.not(status, 0);
    assert.not.match(stdout + stderr, RAW, args.join(" "));
    assert.not.match(stderr, /^ERR_AXI_FORGED/m, args.join(" "));
  }
});

test.run();
