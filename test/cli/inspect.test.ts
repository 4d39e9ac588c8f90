import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { compileScript, type Inspection, inspectScript, writeScript } from "../../host/index";
import { axiscript } from "../support/cli";
import { rejectsWith } from "../support/expect";
import { WITH_PROXY } from "../support/run-script";
import { temporaryDirectory, temporaryFile } from "../support/temporary";
import { assemble } from "../support/wasm";

const test = suite("inspecting scripts");

async function built(source: string): Promise<string> {
  const path = join(temporaryDirectory(), "script.wasm");
  writeScript(await compileScript(temporaryFile("script.ts", source)), path);
  return path;
}

const asked = ({ permissions }: Inspection) => permissions.map(({ permission }) => permission).join(" ");

test("a script can ask for what its imports ask for", async () => {
  assert.is(asked(inspectScript(await built('console.log("nothing");'))), "");
  assert.is(asked(inspectScript(await built("process.env.size;"))), "env");
  const proxy = `${WITH_PROXY}new VirtualToPhysical().getPhysicalAddress(virtualAddressOf(new CacheLineArray<i32>(16)));`;
  const inspection = inspectScript(await built(proxy));
  assert.is(asked(inspection), "device uncheckedDma fpga dma physicalAddresses");
  assert.equal(inspection.problems, []);
  assert.ok(inspection.hints.devices.includes("AxiProxy"));
  assert.equal(inspection.hints.firmware, ["/lib/firmware/xilinx/axi_proxy/axi_proxy"]);
  assert.equal(inspection.exports.map(({ name, kind }) => `${kind} ${name}`).sort(), [
    "function _start",
    "memory memory",
  ]);
  assert.is(inspection.memory?.initial, 1);
  const files = 'import { readText, writeText } from "axiscript/assembly"; writeText("a", readText("b"));';
  assert.is(asked(inspectScript(await built(files))), "read write");
});

test("what cannot run here is said with both signatures", () => {
  const imports = [
    { module: "axiscript:uio@1", name: "read32", parameters: ["i64" as const] },
    { module: "axiscript:uio@9", name: "open" },
    { module: "constructor", name: "toString" },
    { module: "wasi_snapshot_preview1", name: "constructor" },
  ];
  const { problems, permissions } = inspectScript(
    temporaryFile("odd.wasm", assemble({ imports, importMemory: [1, 9], ownMemory: false })),
  );
  assert.is(problems.length, 5);
  assert.match(problems[0] ?? "", "axiscript:uio@1.read32: expected (i32, i32) -> (i32), found (i64) -> ()");
  assert.match(problems[4] ?? "", "_start: expected a function that is exported, found none");
  assert.equal(permissions, []);
});

test("it prints for people, and as JSON for programs", async () => {
  const path = await built(`${WITH_PROXY}console.log(device.lengthBytes.toString());`);
  const { stdout, stderr, status } = await axiscript(["inspect", path]);
  assert.is(status, 0, stderr);
  assert.match(stdout, /--allow-device +axiscript:uio@1\.open\n +--allow-unchecked-dma=NAME/);
  assert.match(stdout, /Names in its data \(a guess/);
  assert.not.match(stdout, /cannot run/);
  const json = await axiscript(["inspect", "--json", path]);
  assert.equal(JSON.parse(json.stdout), JSON.parse(JSON.stringify(inspectScript(path))));
});

test("it is neither run nor compiled, and one that cannot run is told by the exit code", async () => {
  const trap = temporaryFile("trap.wasm", assemble({ importMemory: [1, 2], start: [0x00] }));
  assert.is((await axiscript(["inspect", trap])).status, 0);
  const misfit = assemble({ imports: [{ module: "\u001b[31mred", name: "\u202ename" }], start: [] });
  const { status, stdout } = await axiscript(["inspect", temporaryFile("misfit.wasm", misfit)]);
  assert.is(status, 2);
  assert.match(stdout, "It cannot run here\n  \\x1b[31mred.\\u202ename: expected nothing of that name");
  assert.not.match(stdout, /[^\n -~]/);
});

test("what is no compiled script is refused", async () => {
  const cases: [path: string, code: string, says: RegExp, status: number][] = [
    [temporaryFile("x.ts", ""), "ERR_AXI_USAGE", /Build it first: axiscript build/, 2],
    [temporaryFile("x.wasm", "hello"), "ERR_AXI_NOT_WASM", /not a valid WebAssembly module/, 2],
    [join(temporaryDirectory(), "none.wasm"), "ERR_AXI_SCRIPT_NOT_FOUND", /none\.wasm/, 2],
  ];
  for (const [path, code, says, expected] of cases) {
    const { status, stderr, stdout } = await axiscript(["inspect", path]);
    assert.is(status, expected);
    assert.match(stderr, new RegExp(`^${code}: `));
    assert.match(stderr, says);
    assert.is(stdout, "");
  }
});

test("a module that is cut off or damaged anywhere is refused, or inspected", async () => {
  const bytes = Buffer.from((await compileScript(await built("console.log(process.argv.length.toString());"))).wasm);
  const path = join(temporaryDirectory(), "damaged.wasm");
  for (let at = 0; at < bytes.length; at += 97) {
    const damaged = Buffer.from(bytes);
    damaged[at] = (damaged[at] ?? 0) ^ 0x41;
    for (const content of [bytes.subarray(0, at), damaged]) {
      writeFileSync(path, content);
      try {
        inspectScript(path);
      } catch {
        await rejectsWith("ERR_AXI_NOT_WASM", () => inspectScript(path));
      }
    }
  }
});

test.run();
