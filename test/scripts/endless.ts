/**
 * Allocates, pins, translates, transfers, frees and prints, round after round, without end or for as many rounds as the
 * first argument says: what a script may be doing when it is stopped.
 */
import {
  AxiProxy,
  Backing,
  CacheLineArray,
  DmaBuffer,
  FpgaManager,
  UioDevice,
  VirtualToPhysical,
  virtualAddressOf,
} from "axiscript/assembly";

const rounds = process.argv.length > 1 ? <i32>parseInt(process.argv[1]) : i32.MAX_VALUE;
const port = process.argv.length > 2 ? process.argv[2] : "hpc";
const BACKINGS: StaticArray<i32> = [Backing.Pages, Backing.UDmaBuf, Backing.TransparentHugePages, Backing.Pages];

const fpga = new FpgaManager();
const firmware = "/lib/firmware/xilinx/axi_proxy/axi_proxy";
if (!fpga.isProgrammed()) fpga.programBitstream(firmware + ".bit.bin", firmware + ".dtbo");

for (let round = 0; round < rounds; round++) {
  const device = UioDevice.open("AxiProxy", port);
  const proxy = new AxiProxy(device);
  proxy.configAxi(0xf, 0x2, 0x1);

  const buffer = DmaBuffer.alloc(3 << 12, { backing: BACKINGS[round % BACKINGS.length], fallback: true });
  buffer.u8.fill(<u8>round);
  const address = buffer.segments[0].physicalAddress;
  for (let i = 0; i < 4; i++) {
    assert((proxy.read(address + 64 * i).words[0] & 0xff) == (round & 0xff));
    proxy.write(address + 64 * i, [round, 2, 3, 4]);
  }
  buffer.verify();
  assert(buffer.i32[0] == round);

  const line = new CacheLineArray<i32>(1024);
  proxy.write(new VirtualToPhysical().getPhysicalAddress(virtualAddressOf(line)), [1, 2, 3, round]);
  assert(line[3] == round);

  buffer.free();
  device.close();
  console.log("round " + round.toString());
}
