import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { takePermissionFlags } from "../../host/cli/permission-options";
import { compileScript, writeScript } from "../../host/index";
import { axiscript, type CliResult } from "../support/cli";
import { rejectsWith } from "../support/expect";
import { WITH_PROXY } from "../support/run-script";
import { temporaryDirectory, temporaryFile } from "../support/temporary";

const test = suite("permissions on the command line");

const EVERYTHING = `${WITH_PROXY}
import { readText, writeText } from "axiscript/assembly";
const xs = new CacheLineArray<i32>(16);
const paddr = new VirtualToPhysical().getPhysicalAddress(virtualAddressOf(xs));
new AxiProxy(device).write(paddr, [1, 2, 3, 4]);
console.log(xs.toString());
writeText("out/x.txt", "written");
console.log(readText("in/x.txt"));
console.log(process.env.has("FRUIT") ? process.env.get("FRUIT") : "none");
device.close();
fpga.remove();
`;

/** A directory with the script, compiled, and files for it. */
async function project(source = EVERYTHING): Promise<string> {
  const directory = temporaryDirectory();
  writeScript(await compileScript(temporaryFile("script.ts", source)), join(directory, "script.wasm"));
  for (const name of ["in", "out"]) mkdirSync(join(directory, name));
  writeFileSync(join(directory, "in/x.txt"), "read");
  return directory;
}

function run(cwd: string, flags: readonly string[]): Promise<CliResult> {
  return axiscript(["run", "--board=virtual", ...flags, "script.wasm"], { cwd, env: { FRUIT: "pear" } });
}

test("each refusal names a flag, and with exactly that flag it goes on, to the end", async () => {
  const cwd = await project();
  const flags = ["--allow-env=FRUIT"];
  let result = await run(cwd, flags);
  for (let round = 0; round < 10 && result.status !== 0; round++) {
    assert.is(result.status, 1, result.stderr);
    assert.match(result.stderr, /^ERR_AXI_NOT_ALLOWED: Cannot .*\n {4}at .*script\.ts:\d+/m);
    const [, flag = ""] = /Allow it with (--\S+)\n/.exec(result.stderr) ?? [];
    assert.not(flags.includes(flag), result.stderr);
    flags.push(flag);
    result = await run(cwd, flags);
  }
  assert.is(result.stdout, `[1, 2, 3, 4, ${Array(12).fill(0).join(", ")}]\nread\npear\n`);
  assert.equal(flags, [
    "--allow-env=FRUIT",
    "--allow-fpga=/lib/firmware/xilinx/axi_proxy/axi_proxy.bit.bin,/lib/firmware/xilinx/axi_proxy/axi_proxy.dtbo",
    "--allow-device=AxiProxy:hpc",
    "--allow-physical-addresses",
    "--allow-dma",
    "--allow-write=out",
    "--allow-read=in",
  ]);
  assert.is(readFileSync(join(cwd, "out/x.txt"), "utf8"), "written");
});

test("a virtual board needs no flag for what is its own; files need one; denials win over everything", async () => {
  const cwd = await project();
  const plain = await run(cwd, []);
  assert.match(plain.stderr, "Allow it with --allow-write=out");
  const all = await run(cwd, ["-A"]);
  assert.is(all.status, 0, all.stderr);
  assert.match(all.stdout, "read\npear\n");
  const withoutEnv = await run(cwd, ["-A", "--deny-env=FRUIT"]);
  assert.match(withoutEnv.stdout, "read\nnone\n");
  for (const [deny, says] of [
    ["--deny-device=AxiProxy", /open device AxiProxy:hpc: it is denied by --deny-device=AxiProxy, and denials win/],
    ["--deny-dma", /denied by --deny-dma,/],
    ["--deny-read=in", /Cannot read in\/x\.txt: it is denied, by --deny-read or a profile/],
  ] as const) {
    const { status, stderr } = await run(cwd, ["--allow-all", deny, "--allow-device=AxiProxy:hpc", "--allow-dma"]);
    assert.is(status, 1);
    assert.match(stderr, says);
  }
});

test("a profile allows and denies, flags add to it, and a mistake in it is shown with its place", async () => {
  const cwd = await project();
  const profile = join(cwd, "p.json");
  const rules = { allow: { all: true }, deny: { device: ["AxiProxy:hpc"] } };
  writeFileSync(profile, JSON.stringify(rules));
  assert.match((await run(cwd, ["-P", "p.json"])).stderr, 'denied by deny.device "AxiProxy:hpc" in the profile p.json');
  writeFileSync(profile, JSON.stringify({ allow: { fpga: true, dma: true, physicalAddresses: true, read: ["in"] } }));
  const narrow = await run(cwd, ["--profile=p.json"]);
  assert.match(narrow.stderr, "--allow-device=AxiProxy:hpc");
  const added = await run(cwd, ["--profile=p.json", "--allow-device", "--allow-write=out"]);
  assert.is(added.status, 0, added.stderr);
  assert.match(added.stdout, "read\nnone\n");
  writeFileSync(profile, '{ "allow": { "devices": [] } }');
  const wrong = await run(cwd, ["-P", "p.json"]);
  assert.is(wrong.status, 2);
  assert.match(
    wrong.stderr,
    "ERR_AXI_USAGE: Cannot use the profile p.json: there is no key allow.devices; there are all,",
  );
});

test("each use is in the record; where there is no room for it the script does not run", async () => {
  const cwd = await project();
  assert.is((await run(cwd, ["-A", "--audit", "audit"])).status, 0);
  assert.is((await run(cwd, ["--audit=audit", "--deny-device"])).status, 1);
  const lines = readFileSync(join(cwd, "audit"), "utf8").trim().split("\n");
  const short = lines.map((line) => {
    const { permission, value, granted } = JSON.parse(line) as Record<string, unknown>;
    return `${String(permission)} ${String(value).replace(/^.*\/|(?<=sha256:).*/g, "")} ${String(granted)}`;
  });
  const start = ["run sha256: true", "fpga axi_proxy.bit.bin true", "fpga axi_proxy.dtbo true"];
  assert.equal(short.slice(0, 8), [
    ...start,
    "device AxiProxy:hpc true",
    "physical-addresses  true",
    "dma  true",
    "write x.txt true",
    "read x.txt true",
  ]);
  assert.ok(short.includes("env FRUIT true"));
  assert.equal(short.slice(-4), [...start, "device AxiProxy:hpc false"]);
  const { status, stderr, stdout } = await run(cwd, ["-A", "--audit=/dev/full"]);
  assert.is(status, 1);
  assert.match(stderr, "ERR_AXI_IO: Cannot write the audit file /dev/full: ENOSPC.");
  assert.is(stdout, "");
});

test("flags are read wherever they stand before the script, and swallow nothing", async () => {
  const cwd = await project('console.log(process.argv.slice(1).join("|"));');
  const { stdout, stderr } = await axiscript(
    ["run", "--allow-fpga", "-A", "--board=virtual", "--deny-read", "script.wasm", "--allow-dma", "-A"],
    { cwd },
  );
  assert.is(stdout, "--allow-dma|-A\n", stderr);
});

test("flags mean what the library takes", () => {
  const of = (...flags: string[]) => takePermissionFlags([...flags, "x.ts"]).permissions;
  assert.is(of(), undefined);
  assert.equal(of("-A"), { allow: { all: true } });
  assert.equal(of("--allow-device=a,b:c", "--allow-device=d"), { allow: { device: ["a", "b:c", "d"] } });
  assert.equal(of("--allow-device=a", "--allow-device", "--allow-device=b"), { allow: { device: true } });
  assert.equal(of("--allow-read=a,,b,c=d"), { allow: { read: ["a,b", "c=d"] } });
  assert.equal(of("--deny-unchecked-dma", "--deny-env=A"), { deny: { uncheckedDma: true, env: ["A"] } });
  assert.equal(of("--allow-dma", "--deny-physical-addresses"), {
    allow: { dma: true },
    deny: { physicalAddresses: true },
  });
  assert.equal(takePermissionFlags(["--timeout", "2s", "--allow-dma", "x.ts"]).rest, ["--timeout", "2s", "x.ts"]);
});

test("flags that make no sense are refused", async () => {
  const wrong: [flags: string[], says: RegExp][] = [
    [["--allow-unchecked-dma"], /name the devices: --allow-unchecked-dma=NAME/],
    [["--allow-device="], /a value is empty/],
    [["--allow-device=a,"], /a value is empty/],
    [["--allow-dma=x"], /--allow-dma takes no value/],
    [["--allow-read", "data"], /a value is attached\. Write --allow-read=data/],
  ];
  for (const [flags, says] of wrong) {
    const error = await rejectsWith("ERR_AXI_USAGE", () => takePermissionFlags([...flags, "x.ts"]));
    assert.match(error.message, says);
  }
  for (const flag of ["--allow-nothing", "--deny-all", "--no-allow-dma", "-Ax"]) {
    const { status, stderr } = await axiscript(["run", flag, "x.ts"]);
    assert.is(status, 2);
    assert.match(stderr, /^ERR_AXI_USAGE: /);
  }
});

test("help explains the permissions, and completion knows them", async () => {
  const { stdout } = await axiscript(["run", "--help"]);
  assert.match(
    stdout,
    /Permissions[\s\S]*-A, --allow-all[\s\S]*--allow-unchecked-dma=NAME[\s\S]*--deny-[\s\S]*--audit/,
  );
  assert.match(stdout, /without unchecked DMA/);
  const completed = await axiscript(["--get-yargs-completions", "axiscript", "run", "--allow-p"]);
  assert.match(completed.stdout, /^--allow-physical-addresses/m);
});

test("a limit on output stops a script, with its exit code", async () => {
  const cwd = await project('while (true) console.log("more");');
  const { status, stdout, stderr } = await run(cwd, ["--max-output", "1K"]);
  assert.is(status, 1);
  assert.is(stdout.length, 1024);
  assert.match(stderr, /^ERR_AXI_LIMIT: .*1024 bytes/);
  assert.not(existsSync(join(cwd, "x")));
});

test.run();
