import { suite } from "uvu";
import * as assert from "uvu/assert";
import { runCase } from "../support/case";

const test = suite("descriptor-ring-freed");

/**
 * Fetches descriptors of 32 bytes (next, address, length, status as 64-bit words) from HEAD on until TAIL, one in 5 ms, and
 * fills what they point to. No description can say that.
 */
const CORE = {
  kind: "ring",
  model: `export default { kind: "ring", uioName: "Ring", registerBytes: 0x20, handshake: [0x00, 0x18],
  cores: [{ address: 0xa0100000, port: "hpc" }],
  create: ({ bus }) => {
    const words = new Map();
    const at = (offset) => (words.get(offset + 4) ?? 0) * 2 ** 32 + (words.get(offset) ?? 0);
    let [current, isRunning, credit] = [0, false, 0];
    return {
      get busy() { return isRunning; },
      regRead: (offset) => offset === 0 ? (isRunning ? 0 : 2) : offset === 0x18 ? 0x51000000 : words.get(offset) ?? 0,
      regWrite(offset, value) {
        if (offset !== 0x18) return void words.set(offset, value);
        [current, isRunning, credit] = [at(8), true, 0];
      },
      advance(cycles) {
        for (credit += cycles; isRunning && credit >= 500_000; credit -= 500_000) {
          const bytes = new Uint8Array(32);
          const fetched = bus.read(current, bytes);
          const [next, address, length] = new BigUint64Array(bytes.buffer);
          const done = bus.write(Number(address), new Uint8Array(Number(length)).fill(0x77));
          trace(fetched + " " + done);
          isRunning = current !== at(16);
          current = Number(next);
        }
      },
    };
  } };`,
};
const SUBMIT = `
const ring = UioDevice.open("Ring");
if (process.argv.length > 1) ring.idleWhen(0, 2, 2);
const descriptors = DmaBuffer.alloc(4096);
const data = DmaBuffer.alloc(4096);
const head = descriptors.segments[0].physicalAddress;
const words = descriptors.view<u64>();
for (let i = 0; i < 3; i++) {
  words[4 * i] = head + 32 * (i + 1);
  words[4 * i + 1] = data.segments[0].physicalAddress + 256 * i;
  words[4 * i + 2] = 256;
}
const tail = head + 64;
ring.write32(8, <u32>head);
ring.write32(12, <u32>(head >> 32));
ring.write32(20, <u32>(tail >> 32));
ring.write32(16, <u32>tail);
ring.write32(0x18, 1);
`;
const ALL = ["OKAY OKAY", "OKAY OKAY", "OKAY OKAY"];

test("memory is not given back while descriptors are pending, also before the device has begun", async () => {
  const script = `${SUBMIT}data.free();\nconsole.log("freed");`;
  const { stdout, error, trace } = await runCase({ ...CORE, script }, ["idle"]);
  assert.is(stdout, "");
  assert.match(error ?? "", /^ERR_AXI_DEVICE_BUSY: Cannot free/);
  assert.equal(trace, ALL, "the run ends when the device is idle");
});

test("it is given back when the script has seen the device at work, and it is idle", async () => {
  const script = `${SUBMIT}
ring.poll32(0, 2, 0, 5000);
if (!ring.poll32(0, 2, 2, 5000)) throw new Error("it goes on");
console.log(data.u8[600].toString());
data.free();
descriptors.free();`;
  const { stdout, error, trace } = await runCase({ ...CORE, script }, ["idle"]);
  assert.is(error, undefined);
  assert.is(stdout, "119\n");
  assert.equal(trace, ALL);
});

test("memory of a device that does not say when it is idle is kept", async () => {
  const script = `${SUBMIT}data.free();\nconst next = DmaBuffer.alloc(4096);\nconsole.log(next.dataStart == 0 ? "" : "other");`;
  const { error, notes } = await runCase({ ...CORE, script });
  assert.is(error, undefined);
  assert.match(
    notes.join("\n"),
    /kept 12288 bytes pinned until this process ends: Ring:hpc does not say when it is idle/,
  );
});

test.run();
