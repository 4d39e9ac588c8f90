import { suite } from "uvu";
import * as assert from "uvu/assert";
import { GATE_MEMORY_PAGES } from "../../host/gate/layout";
import { GrantedMemory } from "../../host/gate/granted-memory";
import { ScatterGatherList } from "../../host/memory/scatter-gather";
import { axiscript } from "../support/cli";
import { temporaryFile } from "../support/temporary";

const test = suite("the end of a run that gave devices many single pages");

/**
 * Pins every second page of a range, one by one in ascending order, and says so at the end. Physical addresses are the
 * board's own where this user may not see others; there they ascend with the virtual ones, elsewhere as they like.
 */
const pages = (count: number, then: string) => `
import { VirtualToPhysical } from "axiscript/assembly";
const place = <usize>memory.grow(${Math.ceil((count * 2 * 4096) / 65536)}) << 16;
const vtp = new VirtualToPhysical();
// @ts-ignore: decorator
@external("axiscript:memory@1", "virtual_address") declare function virtualAddress(p: usize): i64;
for (let index: usize = 0; index < ${count}; index++) {
  store<u8>(place + index * 8192, 1);
  vtp.getPhysicalAddress(virtualAddress(place + index * 8192));
}
console.log("granted");
${then}`;

test("ends, and gives all back", async () => {
  const script = temporaryFile("script.ts", pages(20_000, ""));
  const { status, stdout, stderr, leftBehind } = await axiscript(["run", "--board=virtual", "--timeout=50s", script]);
  // An ordinary user may not pin that much.
  if (stderr.includes("ERR_AXI_PIN")) return;
  assert.is(status, 0, stderr);
  assert.match(stdout, "granted");
  assert.equal(leftBehind, []);
});

test("is stopped by a signal: exit code 130", async () => {
  const script = temporaryFile("script.ts", pages(10_000, "for (;;) {}"));
  const { status, stderr, leftBehind } = await axiscript(["run", "--board=virtual", script], {
    onOutput: (_, child) => child.kill("SIGINT"),
  });
  if (stderr.includes("ERR_AXI_PIN")) return;
  assert.is(status, 130, stderr);
  assert.equal(leftBehind, []);
});

test("takes all grants back at once, whatever they are", () => {
  const table = new GrantedMemory(new ArrayBuffer(GATE_MEMORY_PAGES * 65536));
  for (let frame = 1; frame < 100; frame += 2) {
    table.grant(ScatterGatherList.ofOneRun({ virtualAddress: 0n, lengthBytes: 4096 }, frame), "both");
  }
  assert.is(table.length, 50);
  table.revokeAll();
  assert.is(table.length, 0);
});

test.run();
