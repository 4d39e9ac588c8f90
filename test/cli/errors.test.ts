import { chmodSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { axiscript, type CliOptions, type CliResult } from "../support/cli";
import { canDropSysAdmin, seesPageFrames, testWhere, WITHOUT_SYS_ADMIN } from "../support/rights";
import { WITH_PROXY } from "../support/run-script";
import { temporaryDirectory, temporaryFile } from "../support/temporary";
import { assemble } from "../support/wasm";

const test = suite("errors on the command line");

/** One clear message with its code, nothing of our own stack, nothing on stdout, nothing left behind. */
function assertClean(result: CliResult, status: number, code: string): void {
  assert.is(result.status, status, result.stderr);
  assert.match(result.stderr, new RegExp(`^${code}: `, "m"));
  assert.is(result.stderr.match(/ERR_AXI_/g)?.length, 1, result.stderr);
  assert.not.match(result.stderr, /node:|host\/|\.js:\d+/);
  assert.equal(result.leftBehind, []);
}

async function run(source: string, flags: readonly string[] = [], options: CliOptions = {}): Promise<CliResult> {
  return axiscript(["run", "--board=virtual", ...flags, temporaryFile("script.ts", source)], options);
}

interface Case {
  readonly name: string;
  readonly source: string;
  readonly flags?: readonly string[];
  readonly status: number;
  readonly code: string;
  readonly says: RegExp;
}

const PROXY = `${WITH_PROXY}
const proxy = new AxiProxy(device);
const xs = new CacheLineArray<i32>(16);
const paddr = new VirtualToPhysical().getPhysicalAddress(virtualAddressOf(xs));
`;
const FIRMWARE = `
import { FpgaManager } from "axiscript/assembly";
const directory = "/lib/firmware/xilinx/axi_proxy/";
`;

const CASES: readonly Case[] = [
  {
    name: "a compile error",
    source: "const ok = 1;\nnope();",
    status: 2,
    code: "ERR_AXI_COMPILE",
    says: /TS2304[\s\S]*nope[\s\S]*script\.ts\(2,1\)/,
  },
  {
    name: "a trap",
    source: "function f(a: i32): i32 {\n  return 1 / a;\n}\nconsole.log(f(process.argv.length - 1).toString());",
    status: 134,
    code: "ERR_AXI_TRAP",
    says: /divide by zero[\s\S]*at .*script\.ts:2:/,
  },
  {
    name: "an abort",
    source: 'if (process.argv.length > 0)\n  throw new Error("my own words");',
    status: 134,
    code: "ERR_AXI_ABORT",
    says: /my own words[\s\S]*at .*script\.ts:2:/,
  },
  {
    name: "no such device",
    source: `${WITH_PROXY}UioDevice.open("Missing", "hpc");`,
    status: 1,
    code: "ERR_AXI_NO_SUCH_DEVICE",
    says: /Missing:hpc.*AxiProxy:hp \(uio0\), AxiProxy:hpc \(uio1\), AxiProxy:acp \(uio2\)[\s\S]*at .*script\.ts:\d+/,
  },
  {
    name: "a device that is not ready",
    source: `${PROXY}proxy.read(paddr);`,
    flags: ["--fault", "hpc:never-ready"],
    status: 1,
    code: "ERR_AXI_NOT_READY",
    says: /AxiProxy:hpc.*not ready.*00000000/,
  },
  {
    name: "a transfer that never finishes",
    source: `${PROXY}proxy.read(paddr);`,
    flags: ["--fault=hpc:never-done"],
    status: 1,
    code: "ERR_AXI_TRANSFER_TIMEOUT",
    says: /did not finish within 1000 ms/,
  },
  {
    name: "a write without exactly 4 words",
    source: `${PROXY}proxy.write(paddr, [1, 2, 3]);`,
    status: 1,
    code: "ERR_AXI_WORD_COUNT",
    says: /exactly 4 words.*found 3/,
  },
  {
    name: "an address that is not aligned",
    source: `${PROXY}proxy.write(paddr + 16, [1, 2, 3, 4]);`,
    status: 1,
    code: "ERR_AXI_UNALIGNED",
    says: /multiple of 64/,
  },
  {
    name: "a page that is not present",
    source: `${WITH_PROXY}new VirtualToPhysical().getPhysicalAddress(0x1000);`,
    status: 1,
    code: "ERR_AXI_PAGE_NOT_PRESENT",
    says: /0x1000.*not present/,
  },
  {
    name: "a firmware file that is missing",
    source: `${FIRMWARE}new FpgaManager().programBitstream(directory + "nope.bit.bin", directory + "axi_proxy.dtbo");`,
    status: 1,
    code: "ERR_AXI_FIRMWARE_NOT_FOUND",
    says: /nope\.bit\.bin.*holds: axi_proxy\.bit\.bin, axi_proxy\.dtbo/,
  },
  {
    name: "a broken .dtbo",
    source: `${FIRMWARE}new FpgaManager().programBitstream(directory + "axi_proxy.bit.bin", directory + "axi_proxy.bit.bin");`,
    status: 1,
    code: "ERR_AXI_OVERLAY_REJECTED",
    says: /refused the overlay/,
  },
];

for (const { name, source, flags, status, code, says } of CASES) {
  test(`${name}: one message, exit code ${status}, nothing left`, async () => {
    const result = await run(source, flags);
    assertClean(result, status, code);
    assert.match(result.stderr, says);
    assert.is(result.stdout, "");
  });
}

test("a script that is not there", async () => {
  const result = await axiscript(["run", "--board=virtual", "nowhere.ts"]);
  assertClean(result, 2, "ERR_AXI_SCRIPT_NOT_FOUND");
  assert.match(result.stderr, "nowhere.ts");
});

test("an import that does not exist", async () => {
  const imports = [{ module: "axiscript:uio@1", name: "read32", parameters: ["i64" as const] }];
  const file = temporaryFile("module.wasm", assemble({ imports, importMemory: [1], start: [] }));
  const result = await axiscript(["run", "--board=virtual", file]);
  assertClean(result, 2, "ERR_AXI_LINK");
  assert.match(result.stderr, "axiscript:uio@1.read32: expected (i32, i32) -> (i32), found (i64) -> ()");
});

test("the script's own exit code", async () => {
  for (const status of [0, 1, 77, 255]) {
    const result = await run(`process.exit(${status});`);
    assert.is(result.status, status);
    assert.is(result.stderr, "");
    assert.equal(result.leftBehind, []);
  }
});

const TRANSLATE = `
import { CacheLineArray, VirtualToPhysical, virtualAddressOf } from "axiscript/assembly";
new VirtualToPhysical().getPhysicalAddress(virtualAddressOf(new CacheLineArray<i32>(16)));`;

const withoutFrames = testWhere(test, !seesPageFrames() || canDropSysAdmin(), "setpriv is missing");
withoutFrames("no right to see real page frame numbers", async () => {
  const options = seesPageFrames() ? { through: WITHOUT_SYS_ADMIN } : {};
  const result = await axiscript(["run", "--board=linux", "-A", temporaryFile("script.ts", TRANSLATE)], options);
  assertClean(result, 1, "ERR_AXI_NO_PAGE_FRAME_NUMBERS");
  assert.match(result.stderr, /CAP_SYS_ADMIN.*--board=virtual/);
});

test("an unsupported platform", async () => {
  for (const [platform, arch] of [
    ["darwin", "arm64"],
    ["linux", "arm"],
  ]) {
    const fake = temporaryFile(
      "fake.cjs",
      `Object.defineProperty(process, "platform", { value: "${platform}" }); Object.defineProperty(process, "arch", { value: "${arch}" });`,
    );
    const result = await axiscript(["run", "x.ts"], { nodeOptions: ["--require", fake] });
    assertClean(result, 2, "ERR_AXI_UNSUPPORTED_PLATFORM");
    assert.match(result.stderr, `${platform} ${arch}`);
  }
});

test("our own stack is shown when it is asked for", async () => {
  const result = await run("unreachable();", ["--stack-trace"]);
  assert.is(result.status, 134);
  assert.match(result.stderr, /host\/.*\.js:\d+/);
});

test("a command line that makes no sense", async () => {
  const lines: [args: string[], says: RegExp][] = [
    [[], /Say what to do: run, build, \w+/],
    [["rnu", "x.ts"], /Did you mean run\?/],
    [["run"], /Name a script/],
    [["run", "--nope", "x.ts"], /--nope/],
    [["run", "--board=mars", "x.ts"], /mars/],
    [["run", "--timeout", "soon", "x.ts"], /"soon".*500ms/],
    [["run", "--timeout", "0", "x.ts"], /"0"/],
    [["run", "--fault", "hpc:broken", "x.ts"], /hpc:broken/],
    [["run", "-O9", "x.ts"], /9/],
    [["build"], /Name a script/],
    [["build", "x.wasm"], /x\.wasm/],
    [["build", "x.ts", "-o", "x.js"], /x\.js/],
  ];
  for (const [args, says] of lines) {
    const result = await axiscript(args);
    assertClean(result, 2, "ERR_AXI_USAGE");
    assert.match(result.stderr, says);
    assert.is(result.stdout, "");
  }
});

test("a place for the board that cannot be written", async () => {
  const directory = temporaryDirectory();
  mkdirSync(join(directory, "locked"));
  chmodSync(join(directory, "locked"), 0o555);
  const sysroot = process.getuid?.() === 0 ? "/proc/nope" : join(directory, "locked/board");
  const result = await run("unreachable();", ["--sysroot", sysroot]);
  assertClean(result, 1, "ERR_AXI_BOARD");
});

test.run();
