import { closeSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { createRuntime, type Runtime } from "../../host/index";
import { rejectsWith } from "../support/expect";
import { temporaryDirectory, temporaryFile } from "../support/temporary";

const test = suite("devices of several scripts");
const cacheDirectory = temporaryDirectory();

const PROGRAM = temporaryFile(
  "program.ts",
  `import { FpgaManager } from "axiscript/assembly";
const firmware = "/lib/firmware/xilinx/axi_proxy/axi_proxy";
new FpgaManager().programBitstream(firmware + ".bit.bin", firmware + ".dtbo");`,
);
/** Reads and writes lines of its own, full of a number of its own, and checks each. */
const TRANSFERS = `
import { AxiProxy, CacheLineArray, UioDevice, VirtualToPhysical, virtualAddressOf } from "axiscript/assembly";
const mine = <u32>parseInt(process.argv[1]);
const proxy = new AxiProxy(UioDevice.OPEN);
proxy.timeoutMs = 20000;
const xs = new CacheLineArray<i32>(16);
const paddr = new VirtualToPhysical().getPhysicalAddress(virtualAddressOf(xs));
for (let i = 0; i < 300; i++) {
  proxy.write(paddr, [mine, mine + i, mine, mine]);
  assert(xs[1] == <i32>(mine + i), "a write");
  const words = proxy.read(paddr).words;
  assert(words[0] == mine && words[1] == mine + i, "a read");
}
console.log("done " + mine.toString());`;

/** Runs `body` on a board that is programmed. */
async function onBoard(body: (runtime: Runtime) => Promise<void>): Promise<void> {
  const runtime = await createRuntime({ board: "virtual", cacheDirectory });
  try {
    await runtime.run(PROGRAM);
    await body(runtime);
  } finally {
    await runtime.close();
  }
}

async function runBoth(runtime: Runtime, sources: readonly [string, string]): Promise<string[]> {
  return Promise.all(
    sources.map(async (source, index) => {
      const output = join(temporaryDirectory(), "stdout");
      const stdout = openSync(output, "w");
      const args = [String(1000 * (index + 1))];
      await runtime.run(temporaryFile("script.ts", source), { args, stdout, timeoutMs: 60_000 });
      closeSync(stdout);
      return readFileSync(output, "utf8");
    }),
  );
}

test("two scripts take turns on one device that they share, and neither sees the other's data", () =>
  onBoard(async (runtime) => {
    const source = TRANSFERS.replace("OPEN", 'openShared("AxiProxy", "hpc")');
    assert.equal(await runBoth(runtime, [source, source]), ["done 1000\n", "done 2000\n"]);
  }));

test("two scripts use a device each at the same time", () =>
  onBoard(async (runtime) => {
    const on = (note: string) => TRANSFERS.replace("OPEN", `open("AxiProxy", "${note}")`);
    assert.equal(await runBoth(runtime, [on("hp"), on("acp")]), ["done 1000\n", "done 2000\n"]);
  }));

test("a second opener is told who has the device, unless both share it", () =>
  onBoard(async (runtime) => {
    const source = (first: string, second: string) =>
      temporaryFile(
        "script.ts",
        `import { UioDevice } from "axiscript/assembly";
const device = UioDevice.${first}("AxiProxy", "hpc");
UioDevice.${second}("AxiProxy", "hpc");
device.read32(0);`,
      );
    for (const [first, second] of [
      ["open", "open"],
      ["open", "openShared"],
      ["openShared", "open"],
    ] as const) {
      const { message } = await rejectsWith("ERR_AXI_DEVICE_IN_USE", () => runtime.run(source(first, second)));
      assert.match(message, `Cannot open device AxiProxy:hpc (uio1): this process (${process.pid}) has it open`);
    }
    await runtime.run(source("openShared", "openShared"));
  }));

test.run();
