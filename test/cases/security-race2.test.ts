import { readFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { parseTransfers } from "../support/bus-record";
import { runText } from "../support/run-script";
import { temporaryFile } from "../support/temporary";

const test = suite("security/race2");

/**
 * Starts one line, and takes the start back before the board may have looked; then starts many lines elsewhere. The board
 * never sees the address of the one with the length of the other.
 */
const RACE = `
import { DmaBuffer, FpgaManager, UioDevice } from "axiscript/assembly";
const firmware = "/lib/firmware/xilinx/axi_traffic_gen/axi_traffic_gen";
const fpga = new FpgaManager();
if (!fpga.isProgrammed()) fpga.programBitstream(firmware + ".bit.bin", firmware + ".dtbo");
const device = UioDevice.open("AxiTrafficGen", "hpc");
const one = DmaBuffer.alloc(64);
const many = DmaBuffer.alloc(1 << 20);
const at = one.segments[0].physicalAddress;
let longest = 0;
for (let i = 0; i < many.segments.length; i++) if (many.segments[i].lengthBytes > many.segments[longest].lengthBytes) longest = i;
const other = many.segments[longest];
console.log(at.toString());
let shortDone = 0;
let longDone = 0;
function parameters(address: u64, lines: u32): void {
  device.write32(0x40, <u32>address);
  device.write32(0x44, <u32>(address >> 32));
  device.write32(0x30, lines);
}
function finish(): bool {
  const done = device.poll32(0x10, 2, 2, 5000);
  if (done) device.write32(0x14, 0x100);
  return done && device.poll32(0x10, 2, 0, 5000);
}
for (let round: u32 = 0; round < 1000; round++) {
  parameters(at, 1);
  device.write32(0x14, 2);
  for (let spin: u32 = 0; spin < (round * 7) % 200; spin++) device.read32(0x0c);
  device.write32(0x14, 0);
  if (!finish()) throw new Error("the first start was lost");
  shortDone++;
  parameters(other.physicalAddress, <u32>(other.lengthBytes / 64));
  device.write32(0x14, 2);
  if (!finish()) throw new Error("the second start was lost");
  longDone++;
}
console.log(shortDone.toString() + " " + longDone.toString());
`;

test("a start that is taken back at once is made nevertheless, with its own parameters", async () => {
  const record = temporaryFile("record.jsonl", "");
  const { stdout } = await runText(RACE, { record }, { timeoutMs: 120_000 });
  const [address = "", counts] = stdout.trimEnd().split("\n");
  assert.is(counts, "1000 1000");
  const start = Number(address);
  const beyond = parseTransfers(readFileSync(record, "utf8")).filter(({ physicalAddress, lengthBytes }) => {
    return physicalAddress === start && lengthBytes > 64;
  });
  assert.equal(beyond, []);
});

test.run();
