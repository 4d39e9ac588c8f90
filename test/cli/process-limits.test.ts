import { spawnSync } from "node:child_process";
import { chmodSync } from "node:fs";
import { dirname, join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { compileScript } from "../../host/index";
import { axiscript, type CliOptions, PACKAGE } from "../support/cli";
import { testWhere } from "../support/rights";
import { temporaryFile } from "../support/temporary";

const test = suite("limits of the process and options of Node, on the command line");

const MAIN = join(PACKAGE, "dist/host/cli/main.js");

/** Compiles here: a process that is limited only runs. */
async function wasmOf(source: string): Promise<string> {
  const { wasm } = await compileScript(temporaryFile("script.ts", source), { cacheDirectory: false });
  const path = temporaryFile("script.wasm", wasm);
  chmodSync(dirname(path), 0o755);
  return path;
}

const HELLO = wasmOf('console.log("hello");');
/** Uses the FPGA manager, a device and its memory. */
const TRANSFER = wasmOf(`
  import { AxiProxy, CacheLineArray, FpgaManager, UioDevice, VirtualToPhysical, virtualAddressOf } from "axiscript/assembly";
  new FpgaManager().programBitstream(
    "/lib/firmware/xilinx/axi_proxy/axi_proxy.bit.bin",
    "/lib/firmware/xilinx/axi_proxy/axi_proxy.dtbo",
  );
  const proxy = new AxiProxy(UioDevice.open("AxiProxy", "hpc"));
  proxy.read(new VirtualToPhysical().getPhysicalAddress(virtualAddressOf(new CacheLineArray<i32>(16))));
`);

async function hello(options: CliOptions, flags: readonly string[] = []) {
  return axiscript(["run", "--board=virtual", ...flags, await HELLO], options);
}

test("few open files: the limit is named, however few they are, and the program ends", async () => {
  let named = 0;
  for (let limit = 19; limit <= 36; limit++) {
    const through = ["prlimit", `--nofile=${limit}:${limit}`];
    const { status, stderr } = await axiscript(["run", "--board=virtual", await TRANSFER], { through });
    assert.not.match(stderr, "please report");
    // Below that Node itself does not find its program; with enough the run goes well.
    if (!stderr.includes("ERR_AXI_")) continue;
    assert.ok(status === 1 || status === 2, `${limit}: ${status} ${stderr}`);
    assert.match(stderr, /^ERR_AXI_\w+: .*limit on open files is reached/m, `${limit}: ${stderr}`);
    named++;
  }
  assert.ok(named > 0);
});

/** Of nobody else: the limit is on what a user has. */
const LONELY = ["setpriv", "--reuid=64321", "--regid=65534", "--clear-groups"] as const;
testWhere(
  test,
  process.getuid?.() === 0 && spawnSync(LONELY[0], [...LONELY.slice(1), process.execPath, "-v"]).status === 0,
  "needs root, and a Node that everybody may run",
)("few processes: the limit is named", async () => {
  // Node itself takes seven threads, or eight, and does not start with fewer.
  let stderr = "";
  for (let limit = 14; limit > 6 && !stderr.includes("ERR_AXI_"); limit--) {
    const through = [...LONELY, "prlimit", `--nproc=${limit}:${limit}`];
    ({ stderr } = await hello({ through, cwd: "/" }));
    assert.not.match(stderr, "please report");
  }
  assert.match(stderr, /^ERR_AXI_PROCESS_LIMIT: .*no thread can be started.*ulimit -u/m);
});

test("options of Node under which no script can run are named", async () => {
  for (const [option, advice] of [
    ["--frozen-intrinsics", "--frozen-intrinsics"],
    ["--no-addons", "--no-addons"],
    ["--jitless", "--jitless"],
    ["--no-expose-wasm", "--no-expose-wasm"],
  ] as const) {
    const { status, stdout, stderr, leftBehind } = await hello({ nodeOptions: [option, "--no-warnings"] });
    assert.is(status, 2, stderr);
    assert.is(stdout, "");
    assert.match(stderr, /^ERR_AXI_NODE_OPTIONS: /m);
    assert.match(stderr, advice);
    assert.equal(leftBehind, []);
  }
});

const PERMISSION = ["--permission", "--experimental-permission"].find((option) =>
  process.allowedNodeEnvironmentFlags.has(option),
);
testWhere(
  test,
  PERMISSION !== undefined,
  "this Node has no permission model",
)("Node's permission model: what it forbids and what it would have to allow are named", async () => {
  const granted = [PERMISSION ?? "", "--no-warnings", "--allow-fs-read=*"];
  for (const more of [[], ["--allow-worker"], ["--allow-worker", "--allow-addons"]]) {
    const { status, stdout, stderr } = await hello({ nodeOptions: [...granted, ...more] });
    assert.ok(status === 1 || status === 2, stderr);
    assert.is(stdout, "");
    assert.match(stderr, /^ERR_AXI_(?:NODE_OPTIONS|BOARD): .*--allow-addons, --allow-worker, --allow-wasi/m);
  }
  const all = ["--allow-fs-write=*", "--allow-worker", "--allow-addons", "--allow-wasi"];
  const { status, stdout, stderr } = await hello({ nodeOptions: [...granted, ...all] });
  assert.is(status, 0, stderr);
  assert.is(stdout, "hello\n");
});

/** Runs with a stream on a disk that is full. */
function withFull(stream: "1" | "2", wasm: string): { readonly status: number | null; readonly stdout: string } {
  const command = `exec "$0" "$1" run "$2" ${stream}> /dev/full`;
  return spawnSync("sh", ["-c", command, process.execPath, MAIN, wasm], {
    encoding: "utf8",
  });
}

test("stderr on a full disk loses messages, and changes no exit code", async () => {
  // Which board was chosen is said on stderr.
  const noted = withFull("2", await HELLO);
  assert.is(noted.status, 0);
  assert.is(noted.stdout, "hello\n");
  const writing = await wasmOf('process.stderr.write("lost"); console.log("after");');
  assert.is(withFull("2", writing).stdout, "after\n");
  assert.is(withFull("2", writing).status, 0);
  assert.is(withFull("2", await wasmOf("process.exit(7);")).status, 7);
  assert.is(withFull("2", await wasmOf("unreachable();")).status, 134);
  assert.is(withFull("2", "nowhere.wasm").status, 2);
});

test("stdout on a full disk is an error", async () => {
  assert.is(withFull("1", await HELLO).status, 134);
});

test("stderr that nobody reads, or that is closed, changes no exit code", async () => {
  const shell = (script: string) =>
    spawnSync("bash", ["-c", script], { encoding: "utf8", env: { ...process.env, NODE: process.execPath, main: MAIN } })
      .stdout;
  const wasm = await HELLO;
  assert.is(shell(`"$NODE" "$main" run ${wasm} 2>&-; echo $?`), "hello\n0\n");
  assert.is(shell(`exec 3>&1; { "$NODE" "$main" run ${wasm} 2>&1 >&3; echo $? >&3; } | exec true`), "hello\n0\n");
});

const WITHOUT_NET_RAW = ["setpriv", "--bounding-set=-net_raw", "--inh-caps=-net_raw"] as const;
testWhere(
  test,
  process.getuid?.() === 0 && spawnSync(WITHOUT_NET_RAW[0], [...WITHOUT_NET_RAW.slice(1), "true"]).status === 0,
  "needs root with setpriv",
)("--pin af_xdp without its capability names the capability, and no limit", async () => {
  const wasm = await wasmOf(`
    import { CacheLineArray, VirtualToPhysical, virtualAddressOf } from "axiscript/assembly";
    const xs = new CacheLineArray<i32>(16);
    new VirtualToPhysical().getPhysicalAddress(virtualAddressOf(xs));`);
  const { status, stderr } = await axiscript(["run", "--board=virtual", "--pin", "af_xdp", wasm], {
    through: WITHOUT_NET_RAW,
  });
  assert.is(status, 1, stderr);
  assert.match(stderr, /^ERR_AXI_PIN: .*with af_xdp: .*CAP_NET_RAW/m);
  assert.not.match(stderr, "ulimit");
});

test.run();
