import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type Port, randomNumbers } from "../../host/board/fabric/port-timing";
import { ThroughputTimer } from "../../host/board/fabric/throughput";
import { runText } from "../support/run-script";

const test = suite("durations through the board");

const PORTS: readonly Port[] = ["hp", "hpc", "acp"];
const COUNT = 1000;

/** Minimum, median and maximum of 100 transfers of 64 bytes on hardware, in clock cycles, as published with them. */
const PUBLISHED: Record<"first" | "repeated", Record<Port, { write: number[]; read: number[] }>> = {
  first: {
    hp: { write: [36, 36, 37], read: [64, 64, 139] },
    hpc: { write: [46, 47, 47], read: [40, 41, 43] },
    acp: { write: [25, 27, 35], read: [13, 14, 25] },
  },
  repeated: {
    hp: { write: [36, 36, 37], read: [64, 64, 154] },
    hpc: { write: [46, 66, 71], read: [40, 41, 73] },
    acp: { write: [14, 14, 24], read: [13, 13, 14] },
  },
};

/** Prints the cycles of each transfer: port, direction, cycles. `first`: of cores that were configured just before. */
const LATENCIES = `
import { AxiProxy, CacheLineArray, FpgaManager, UioDevice, VirtualToPhysical, virtualAddressOf } from "axiscript/assembly";
const fpga = new FpgaManager();
const path = "/lib/firmware/xilinx/axi_proxy/axi_proxy";
const xs = new CacheLineArray<i32>(16);
const paddr = new VirtualToPhysical().getPhysicalAddress(virtualAddressOf(xs));
const ports: string[] = ["hp", "hpc", "acp"];

function transfers(count: i32): void {
  fpga.programBitstream(path + ".bit.bin", path + ".dtbo");
  for (let port = 0; port < ports.length; port++) {
    const device = UioDevice.open("AxiProxy", ports[port]);
    const proxy = new AxiProxy(device);
    for (let i = 0; i < count; i++) {
      const write = proxy.write(paddr, [i, 2, 3, 4]);
      const read = proxy.read(paddr);
      if (<i32>read.words[0] != i || xs[0] != i) throw new Error("lost");
      console.log(ports[port] + " " + write.toString() + " " + read.cycles.toString());
    }
    device.close();
  }
  fpga.remove();
}
`;

for (const [experiment, body] of [
  ["first", `for (let i = 0; i < ${COUNT}; i++) transfers(1);`],
  ["repeated", `transfers(${COUNT + 1});`],
] as const) {
  test(`64 bytes, ${experiment} access: minimum and median as measured, and nothing outside the range`, async () => {
    const { stdout, exitCode } = await runText(LATENCIES + body, { seed: 11 }, { timeoutMs: 240_000 });
    assert.is(exitCode, 0);
    const lines = stdout
      .trim()
      .split("\n")
      .map((line) => line.split(" "));
    for (const port of PORTS) {
      // Of repeated access, all but the one before it.
      const ofPort = lines.filter(([name]) => name === port).slice(-COUNT);
      assert.is(ofPort.length, COUNT);
      for (const [column, direction] of [
        [1, "write"],
        [2, "read"],
      ] as const) {
        const cycles = ofPort.map((line) => Number(line[column])).sort((a, b) => a - b);
        const [minimum = 0, median = 0, maximum = 0] = PUBLISHED[experiment][port][direction];
        const [least = 0, middle = 0, most = 0] = [0, COUNT / 2, COUNT - 1].map((index) => cycles[index]);
        const what = `${port} ${direction}: ${least}, ${middle}, ${most}`;
        assert.ok(least >= minimum && most <= maximum, what);
        assert.ok(least <= minimum + 1 && Math.abs(middle - median) <= 1, what);
      }
    }
  });
}

const SMALLEST = 64;
const LARGEST = 32 * 2 ** 20;

/** Prints for each length: port, bytes, cycles of a write, of a read, and how many beats of that were right. */
const THROUGHPUT = `
import { AxiTrafficGen, Contiguous, DmaBuffer, FpgaManager, UioDevice } from "axiscript/assembly";
const path = "/lib/firmware/xilinx/axi_traffic_gen/axi_traffic_gen";
new FpgaManager().programBitstream(path + ".bit.bin", path + ".dtbo");
const buffer = DmaBuffer.alloc(${LARGEST}, { contiguous: Contiguous.Single });
const paddr = buffer.segments[0].physicalAddress;
const ports: string[] = ["hp", "hpc", "acp"];
for (let port = 0; port < ports.length; port++) {
  const generator = new AxiTrafficGen(UioDevice.open("AxiTrafficGen", ports[port]));
  generator.timeoutMs = 20000;
  for (let bytes: u32 = ${SMALLEST}; bytes <= ${LARGEST}; bytes *= 2) {
    const write = generator.write(paddr, bytes / 64);
    const read = generator.read(paddr, bytes / 64);
    console.log([ports[port], bytes.toString(), write.toString(), read.cycles.toString(), read.beatsOk.toString()].join(" "));
  }
}
`;

test("64 bytes to 32 MiB: within 10 % of what was measured at every length", async () => {
  const { stdout, exitCode } = await runText(THROUGHPUT, { seed: 5 }, { timeoutMs: 240_000 });
  assert.is(exitCode, 0);
  const lines = stdout
    .trim()
    .split("\n")
    .map((line) => line.split(" "));
  assert.is(lines.length, PORTS.length * 20);
  for (const [port, bytes, write, read, beats] of lines) {
    assert.is(Number(beats), Number(bytes) / 16);
    const random = randomNumbers(3);
    const timer = new ThroughputTimer(port as Port, random);
    for (const [direction, cycles] of [
      ["write", Number(write)],
      ["read", Number(read)],
    ] as const) {
      const measured = Array.from({ length: 50 }, () => timer.next(direction, Number(bytes)));
      const what = `${port} ${direction} of ${bytes}: ${cycles}`;
      assert.ok(cycles >= 0.9 * Math.min(...measured) && cycles <= 1.1 * Math.max(...measured), what);
    }
  }
});

test.run();
