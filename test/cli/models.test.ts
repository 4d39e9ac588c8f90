import { readFileSync } from "node:fs";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { startBoard } from "../../host/index";
import { axiscript, type CliResult, PACKAGE } from "../support/cli";
import { rejectsWith } from "../support/expect";
import { modelFile, modelText } from "../support/model-files";
import { startBoardProcess } from "../support/standalone-board";
import { temporaryDirectory, temporaryFile } from "../support/temporary";

const test = suite("models of users' own on the command line");

const EXAMPLE = join(PACKAGE, "examples/own-model");
const MODEL = join(EXAMPLE, "crc32.mjs");
const SCRIPT = join(EXAMPLE, "checksum.ts");
const WITH_DEVICES = ["--devices", EXAMPLE];

/** What the example prints. */
const TEXT = Buffer.from("123456789");
const BYTES = Buffer.from(Array.from({ length: 4096 }, (_, i) => TEXT[i] ?? (i * 7) % 256));
const hex = (value: number) => value.toString(16).padStart(8, "0");
const EXPECTED = `123456789: ${hex(crc32(TEXT))}
4096 bytes: ${hex(crc32(BYTES))} in 512 cycles
in software: ${hex(crc32(BYTES))}
`;

function assertExample({ status, stdout, stderr }: CliResult): void {
  assert.is(status, 0, stderr);
  assert.is(stdout, EXPECTED);
  assert.not.match(stderr, /ERR_AXI/);
}

test("the example runs on a board of its own", async () => {
  const result = await axiscript(["run", "--board=virtual", "--model", MODEL, ...WITH_DEVICES, SCRIPT]);
  assertExample(result);
  assert.equal(result.leftBehind, []);
});

test("the example runs on a board that stands by itself, and the gate keeps its device to the script's memory", async () => {
  const path = join(temporaryDirectory(), "record.jsonl");
  const board = await startBoardProcess(["--model", MODEL, "--record", path]);
  const onBoard = ["run", "--board=virtual", "--sysroot", board.sysroot, ...WITH_DEVICES];
  if (board.addressNote === undefined) {
    assertExample(await axiscript([...onBoard, SCRIPT]));
    assert.match(readFileSync(path, "utf8"), /"core":"crc32@a0100000","port":"hpc","direction":"read"/);
  }
  const elsewhere = `import { FpgaManager, UioDevice } from "axiscript/assembly";
    const fpga = new FpgaManager();
    const firmware = "/lib/firmware/xilinx/crc32/crc32";
    if (!fpga.isProgrammed()) fpga.programBitstream(firmware + ".bit.bin", firmware + ".dtbo");
    const device = UioDevice.open("Crc32");
    device.write32(0x10, 0x1000);
    device.write32(0x0c, 64);
    device.write32(0x04, 1);`;
  const refused = await axiscript([...onBoard, temporaryFile("elsewhere.ts", elsewhere)]);
  assert.is(refused.status, 134, refused.stderr);
  assert.match(refused.stderr, /^ERR_AXI_DMA_REFUSED: .*"checksum" of device Crc32/m);
  await board.end();
});

test("its registers are known by their names", async () => {
  const sysroot = join(temporaryDirectory(), "board");
  const kept = await axiscript([
    "run",
    "--sysroot",
    sysroot,
    "--board=virtual",
    "--model",
    MODEL,
    ...WITH_DEVICES,
    SCRIPT,
  ]);
  assertExample(kept);
  const peek = await axiscript(["peek", "--sysroot", sysroot, ...WITH_DEVICES, "Crc32:hpc", "RESULT"]);
  assert.is(peek.status, 0, peek.stderr);
  assert.match(peek.stdout, new RegExp(hex(crc32(BYTES))));
});

test("the classes of the example are what its description generates", async () => {
  const { stdout } = await axiscript(["generate", join(EXAMPLE, "crc32.json")]);
  assert.is(stdout, readFileSync(join(EXAMPLE, "crc32-registers.ts"), "utf8"));
});

/** Does what kills the core, and waits for an answer. */
const DEADLY = `import { FpgaManager, UioDevice } from "axiscript/assembly";
const fpga = new FpgaManager();
const firmware = "/lib/firmware/xilinx/plain/plain";
if (!fpga.isProgrammed()) fpga.programBitstream(firmware + ".bit.bin", firmware + ".dtbo");
const device = UioDevice.open("Plain");
device.write32(0, 1);
// What it reads is put back when the core is dead.
console.log(device.poll32(0, 0xffffffff, 0, 20000) ? "taken back" : "kept");`;
const DEADLY_MODEL = {
  create: "() => ({ regRead: () => 0, regWrite: () => { throw new Error('enough'); } })",
};

test("a core that dies is said on stderr, and the script goes on", async () => {
  const model = modelFile(DEADLY_MODEL);
  const { status, stdout, stderr } = await axiscript([
    "run",
    "--board=virtual",
    "--model",
    model,
    temporaryFile("a.ts", DEADLY),
  ]);
  assert.is(status, 0, stderr);
  assert.is(stdout, "taken back\n");
  assert.match(stderr, /^axiscript: ERR_AXI_MODEL: core plain@a0100000 is dead: Error: enough at .*model\.mjs:\d+/);
  assert.is(stderr.trimEnd().split("\n").length, 1);
});

test("a board that is kept says which model it lacks, and goes on without it", async () => {
  const sysroot = join(temporaryDirectory(), "board");
  const touch = temporaryFile("touch.ts", DEADLY.replace("device.write32(0, 1);", ""));
  const run = (...flags: string[]) => axiscript(["run", "--board=virtual", "--sysroot", sysroot, ...flags, touch]);
  assert.is((await run("--model", modelFile())).stderr, "");
  const without = await run();
  assert.is(without.status, 0);
  assert.match(
    without.stderr,
    /^axiscript: ERR_AXI_MODEL: the bitstream configures core plain@a0100000, of which this board has no model.*\(--model\)\n$/,
  );
  assert.is((await run("--model", modelFile())).stderr, "");
});

test("a bitstream without its model is refused, with the reason", async () => {
  const sysroot = join(temporaryDirectory(), "board");
  const model = modelFile();
  const nothing = temporaryFile("nothing.ts", "");
  await axiscript(["run", "--board=virtual", "--sysroot", sysroot, "--model", model, nothing]);
  const { status, stderr } = await axiscript([
    "run",
    "--board=virtual",
    "--sysroot",
    sysroot,
    temporaryFile("a.ts", DEADLY),
  ]);
  assert.is(status, 1);
  assert.match(stderr, /^axiscript: ERR_AXI_MODEL: the bitstream configures core plain@a0100000/m);
  assert.match(stderr, /^ERR_AXI_OVERLAY_REJECTED: .*write error/m);
});

interface Mistake {
  readonly name: string;
  readonly models: () => readonly string[];
  readonly says: RegExp;
}

const at = (address: string) => ({ cores: `[{ address: ${address} }]` });
const MISTAKES: readonly Mistake[] = [
  { name: "no such file", models: () => ["/nowhere/core.mjs"], says: /\/nowhere\/core\.mjs: there is no such file/ },
  {
    name: "no default export",
    models: () => [temporaryFile("m.mjs", "export const kind = 1;")],
    says: /m\.mjs: it has no default export \(it exports kind\)/,
  },
  {
    name: "a syntax error",
    models: () => [temporaryFile("m.mjs", "export default {{};")],
    says: /m\.mjs: Unexpected token.*node --check/,
  },
  {
    name: "a wrong field",
    models: () => [modelFile({ registerBytes: "10" })],
    says: /"registerBytes" is 10, and should/,
  },
  { name: "a kind that is taken", models: () => [modelFile({ kind: '"axi-proxy"' })], says: /"kind" is "axi-proxy"/ },
  { name: "an address that is taken", models: () => [modelFile(at("0xa0000000"))], says: /collides with .*axi-proxy/ },
  { name: "an address within a word", models: () => [modelFile(at("0xa0100804"))], says: /"address" is 0xa0100804/ },
  { name: "one model twice", models: () => Array<string>(2).fill(modelFile()), says: /"kind" is "plain", which is/ },
  {
    name: "a module that waits for ever",
    models: () => [temporaryFile("m.mjs", "await new Promise(() => {});")],
    says: /not loaded after 10000 ms/,
  },
];

for (const { name, models, says } of MISTAKES) {
  test(`${name}: one message and an exit code, before anything is built`, async () => {
    const flags = models().flatMap((path) => ["--model", path]);
    const sysroot = join(temporaryDirectory(), "board");
    const result = await axiscript(["board", "--sysroot", sysroot, ...flags]);
    assert.is(result.status, 2, result.stderr);
    assert.match(result.stderr, /^ERR_AXI_MODEL: Cannot use the model \/.*\n$/);
    assert.is(result.stderr.match(/ERR_AXI_/g)?.length, 1);
    assert.match(result.stderr, says);
    assert.is(result.stdout, "");
    assert.throws(() => readFileSync(join(sysroot, "var/log/kern.log")), /ENOENT/);
    assert.equal(result.leftBehind, []);
  });
}

test("a script does not run if its model cannot be used", async () => {
  const script = temporaryFile("a.ts", 'console.log("ran");');
  const { status, stdout, stderr } = await axiscript(["run", "--board=virtual", "--model=/nowhere.mjs", script]);
  assert.is(status, 2);
  assert.is(stdout, "");
  assert.match(stderr, /^ERR_AXI_MODEL: .*\/nowhere\.mjs/);
});

test("a module that fails in the board's thread alone ends the board, with its reason", async () => {
  const imports = 'import { isMainThread } from "node:worker_threads"; if (!isMainThread) throw new Error("not here");';
  const model = temporaryFile("m.mjs", `${imports} export default ${modelText()};`);
  const { status, stderr, leftBehind } = await axiscript(["board", "--model", model]);
  assert.is(status, 1);
  assert.match(stderr, /^ERR_AXI_BOARD: The virtual board failed: Cannot use the model .*m\.mjs: not here/m);
  assert.equal(leftBehind, []);
});

test("models are for virtual boards, and for those that are started", async () => {
  const script = temporaryFile("a.ts", "");
  const model = modelFile();
  const real = await axiscript(["run", "--board=linux", "--model", model, script]);
  assert.is(real.status, 2);
  assert.match(real.stderr, /^ERR_AXI_USAGE: Cannot use the model .*--board=virtual/);
  const board = await startBoardProcess();
  const late = await axiscript(["run", "--board=virtual", "--sysroot", board.sysroot, "--model", model, script]);
  assert.is(late.status, 2);
  assert.match(late.stderr, /^ERR_AXI_USAGE: Cannot give models to the virtual board .*already running/);
  await board.end();
});

test("the help of run and board says --model", async () => {
  for (const command of ["run", "board"]) {
    const { stdout } = await axiscript([command, "--help"]);
    assert.match(stdout, /--model +Put a core of your own on the virtual board/);
  }
});

test("startBoard takes models, and refuses those that cannot be used", async () => {
  const board = await startBoard({ models: [modelFile()] });
  assert.ok(readFileSync(join(board.sysroot, "lib/firmware/xilinx/plain/plain.dtbo")).includes("Plain@a0100000"));
  await board.stop();
  await rejectsWith("ERR_AXI_MODEL", () => startBoard({ models: ["nowhere.mjs"] }));
});

test.run();
