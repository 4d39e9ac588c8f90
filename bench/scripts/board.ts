// How long the virtual board takes: one number for each of the kinds of work, on a line of its own.

import {
  AxiProxy,
  AxiTrafficGen,
  CacheLineArray,
  Contiguous,
  DmaBuffer,
  FpgaManager,
  UioDevice,
  VirtualToPhysical,
  virtualAddressOf,
} from "axiscript/assembly";

const TRANSFERS = 20000;
const BULK_BYTES = 32 << 20;
/** The last counts: the board's thread has been compiled by then. */
const ROUNDS = 3;

const fpga = new FpgaManager();

function program(design: string): void {
  const path = `/lib/firmware/xilinx/${design}/${design}`;
  fpga.programBitstream(path + ".bit.bin", path + ".dtbo");
}

program("axi_proxy");
const proxy = new AxiProxy(UioDevice.open("AxiProxy", "hpc"));
const line = new VirtualToPhysical().getPhysicalAddress(virtualAddressOf(new CacheLineArray<i32>(16)));
let elapsedMs: i64 = 0;
for (let round = 0; round < ROUNDS; round++) {
  const started = Date.now();
  for (let i = 0; i < TRANSFERS; i++) proxy.read(line);
  elapsedMs = Date.now() - started;
}
console.log(((<f64>elapsedMs * 1000) / <f64>TRANSFERS).toString());
proxy.device.close();
fpga.remove();

program("axi_traffic_gen");
const generator = new AxiTrafficGen(UioDevice.open("AxiTrafficGen", "hpc"));
const buffer = DmaBuffer.alloc(BULK_BYTES, { contiguous: Contiguous.Single });
for (let round = 0; round < ROUNDS; round++) {
  const started = Date.now();
  generator.write(buffer.segments[0].physicalAddress, BULK_BYTES / 64);
  elapsedMs = Date.now() - started;
}
console.log(elapsedMs.toString());
