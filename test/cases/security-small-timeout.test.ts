import { suite } from "uvu";
import * as assert from "uvu/assert";
import { compileScript, createRuntime, writeScript } from "../../host/index";
import { axiscript } from "../support/cli";
import { rejectsWith } from "../support/expect";
import { assertNothingKept, pinnedKilobytes, settledResources } from "../support/resources";
import { WITH_PROXY } from "../support/run-script";
import { temporaryFile } from "../support/temporary";

const test = suite("stops in the middle of the host's own bookkeeping");

/** Is in the host nearly all the time: it gives devices memory in pieces and takes it back, and opens and closes devices. */
const SOURCE = `
import { Backing, DmaBuffer } from "axiscript/assembly";
${WITH_PROXY}
const many = new StaticArray<u8>(1 << 24);
const start = changetype<usize>(many);
const vtp = new VirtualToPhysical();
let seed: u32 = 1;
function random(below: u32): u32 {
  seed = seed * 1664525 + 1013904223;
  return (seed >>> 8) % below;
}
for (;;) {
  vtp.getPhysicalAddress(<u64>virtualAddressOf(many) + random(1 << 24));
  DmaBuffer.alloc(1 + random(500000)).free();
  DmaBuffer.alloc(4096, { backing: Backing.UDmaBuf }).free();
  UioDevice.open("AxiProxy", "acp").close();
}`;

test("--timeout at any moment: exit code 124, one message, nothing left", async () => {
  const script = temporaryFile("script.wasm", "");
  writeScript(await compileScript(temporaryFile("script.ts", SOURCE), { optimize: "0" }), script);
  for (let extraMs = 0; extraMs < 150; extraMs += 15) {
    const args = ["run", "--board=virtual", "--timeout", `${200 + extraMs}ms`, script];
    const { status, stderr, leftBehind } = await axiscript(args);
    assert.is(status, 124, stderr);
    // Notes come before it: an ordinary user is told what is not guaranteed.
    const messages = stderr.split("\n").filter((line) => line !== "" && !line.startsWith("axiscript: "));
    assert.is(messages.length, 1, stderr);
    assert.match(messages[0] ?? "", /^ERR_AXI_TIMEOUT: /);
    assert.equal(leftBehind, []);
  }
});

for (const way of ["run", "runSync"] as const) {
  test(`a time limit of the library at any moment releases all: ${way}`, async () => {
    const script = await compileScript(temporaryFile("script.ts", SOURCE), { optimize: "0" });
    const runtime = await createRuntime({ board: "virtual" });
    const stop = (timeoutMs: number) => rejectsWith("ERR_AXI_TIMEOUT", () => runtime[way](script, { timeoutMs }));
    // The first stop must not come while the FPGA is programmed. And what a board opens at its first transfer stays open.
    for (let first = 0; first < 3; first++) await stop(1000);
    const before = await settledResources();
    const pinned = pinnedKilobytes();
    for (let timeoutMs = 20; timeoutMs < 120; timeoutMs += 2) {
      await stop(timeoutMs);
      assert.is(pinnedKilobytes(), pinned, `after ${timeoutMs} ms`);
    }
    await assertNothingKept(before);
    await runtime.close();
  });
}

test.run();
