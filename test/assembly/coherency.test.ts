import { suite } from "uvu";
import * as assert from "uvu/assert";
import { createRuntime, type RuntimeOptions } from "../../host/index";
import { axiscript } from "../support/cli";
import { rejectsWith } from "../support/expect";
import { seesPageFrames, testWhere } from "../support/rights";
import { runText } from "../support/run-script";
import { startBoardProcess } from "../support/standalone-board";
import { temporaryFile } from "../support/temporary";

const test = suite("strict coherency");

const WITH_PORTS = `
import { AxiProxy, Cache, CacheLineArray, Contiguous, DmaBuffer, FpgaManager, UioDevice, VirtualToPhysical, virtualAddressOf } from "axiscript/assembly";
const firmware = "/lib/firmware/xilinx/axi_proxy/axi_proxy";
const fpga = new FpgaManager();
if (!fpga.isProgrammed()) fpga.programBitstream(firmware + ".bit.bin", firmware + ".dtbo");
const proxy = new AxiProxy(UioDevice.open("AxiProxy", process.argv[1]));
function say(what: string, value: i32): void { console.log(what + " " + value.toString()); }
`;

/** The second word of an array of this script's own, as a port reads it. */
const ARRAY = `${WITH_PORTS}
const xs = CacheLineArray.arange<i32>(16);
const address = new VirtualToPhysical().getPhysicalAddress(virtualAddressOf(xs));
say("as it is:", proxy.read(address).words[1]);
proxy.configAxi(0xf, 2, 1);
say("marked as coherent:", proxy.read(address).words[1]);
proxy.write(address, [0, 5, 0, 0]);
say("written:", xs[1]);`;

/** A buffer in one piece, which is the u-dma-buf's. */
const BUFFER = (options: string) => `${WITH_PORTS}
const buffer = DmaBuffer.alloc(4096, { contiguous: Contiguous.Single${options} });
const address = buffer.segments[0].physicalAddress;
buffer.i32[1] = 7;
say("not synced:", proxy.read(address).words[1]);
buffer.syncForDevice();
say("synced:", proxy.read(address).words[1]);
proxy.write(address, [0, 5, 0, 0]);
say("written:", buffer.i32[1]);
buffer.syncForCpu();
say("synced:", buffer.i32[1]);`;

const OF_ARRAY = {
  hp: ["as it is: 0", "marked as coherent: 0", "written: 1"],
  hpc: ["as it is: 0", "marked as coherent: 1", "written: 5"],
  acp: ["as it is: 1", "marked as coherent: 1", "written: 5"],
} as const;

for (const port of ["hp", "hpc", "acp"] as const) {
  test(`${port} sees of ordinary memory what such a port sees`, async () => {
    const { stdout } = await runText(ARRAY, { coherency: "strict" }, { args: [port] });
    assert.equal(stdout.trim().split("\n"), OF_ARRAY[port]);
    const relaxed = await runText(ARRAY, {}, { args: [port] });
    assert.equal(relaxed.stdout.trim().split("\n"), OF_ARRAY.acp);
  });
}

test("a u-dma-buf is synchronised from both sides", async () => {
  const { stdout } = await runText(BUFFER(""), { coherency: "strict" }, { args: ["hp"] });
  assert.equal(stdout.trim().split("\n"), ["not synced: 0", "synced: 7", "written: 7", "synced: 5"]);
  const relaxed = await runText(BUFFER(""), { coherency: "relaxed" }, { args: ["hp"] });
  assert.equal(relaxed.stdout.trim().split("\n"), ["not synced: 7", "synced: 7", "written: 5", "synced: 5"]);
});

for (const cache of ["Uncached", "WriteCombine"]) {
  test(`a u-dma-buf that is mapped ${cache} has no need of it`, async () => {
    const { stdout } = await runText(BUFFER(`, cache: Cache.${cache}`), { coherency: "strict" }, { args: ["hp"] });
    assert.equal(stdout.trim().split("\n"), ["not synced: 7", "synced: 7", "written: 5", "synced: 5"]);
  });
}

testWhere(
  test,
  seesPageFrames(),
  "needs page frame numbers (CAP_SYS_ADMIN)",
)("a board that stands by itself does the same for the programs that use it", async () => {
  const board = await startBoardProcess(["--coherency=strict"]);
  for (const [script, expected] of [
    [ARRAY, OF_ARRAY.hp],
    [BUFFER(""), ["not synced: 0", "synced: 7", "written: 7", "synced: 5"]],
    [BUFFER(", cache: Cache.Uncached"), ["not synced: 7", "synced: 7", "written: 5", "synced: 5"]],
  ] as const) {
    const file = temporaryFile("script.ts", script);
    const { stdout, stderr } = await axiscript(["run", "--board=virtual", "--sysroot", board.sysroot, file, "hp"]);
    assert.equal(stdout.trim().split("\n"), expected, stderr);
  }
  await board.end();
});

test("a coherency that is none is refused", async () => {
  const { status, stderr } = await axiscript(["run", "--coherency=loose", "script.ts"]);
  assert.is(status, 2);
  assert.match(stderr, /Argument: coherency, Given: "loose"/);
  // As a caller without types may have it.
  const options = JSON.parse('{ "board": "virtual", "coherency": "loose" }') as RuntimeOptions;
  await rejectsWith("ERR_AXI_USAGE", () => createRuntime(options));
});

test("ordinary memory cannot be synchronised", async () => {
  const script = `${WITH_PORTS}DmaBuffer.alloc(4096).syncForDevice();`;
  await rejectsWith("ERR_AXI_NOT_SYNCABLE", () => runText(script, { coherency: "strict" }, { args: ["hp"] }));
});

test.run();
