/**
 * Memory that a device may be given: as it comes, in large pages, in one piece, and an array of the script's own.
 */
import { AxiProxy, CacheLineArray, Contiguous, DmaBuffer, FpgaManager, hex, UioDevice } from "axiscript/assembly";

const firmware = "/lib/firmware/xilinx/axi_proxy/axi_proxy";
const fpga = new FpgaManager();
if (!fpga.isProgrammed()) fpga.programBitstream(firmware + ".bit.bin", firmware + ".dtbo");
const proxy = new AxiProxy(UioDevice.open("AxiProxy", "hpc"));
proxy.configAxi(0xf, 0x2, 0x1);

const MIB = 1 << 20;

/** Has the device write into the last line of a buffer, and shows where the buffer lies. */
function show(what: string, buffer: DmaBuffer): void {
  const segments = buffer.segments;
  const last = segments[segments.length - 1];
  proxy.write(last.physicalAddress + last.lengthBytes - 64, [1, 2, 3, 4]);
  buffer.verify();
  console.log(
    `${what}: ${buffer.lengthBytes} bytes, segments: ${segments.length}, first at ${hex(segments[0].physicalAddress)}`,
  );
  console.log(buffer.i32[buffer.i32.length - 16].toString());
}

const pages = DmaBuffer.alloc(MIB);
show("ordinary pages", pages);
pages.free();

// Where the machine has no huge pages, ordinary ones will do; that is told on stderr.
const blocks = DmaBuffer.alloc(4 * MIB, { contiguous: Contiguous.Blocks, fallback: true });
show("blocks of 2 MiB", blocks);
blocks.free();

const frame = DmaBuffer.alloc(8 * MIB, { contiguous: Contiguous.Single });
show("one piece", frame);
frame.free();

const xs = CacheLineArray.arange<i32>(32);
const lent = DmaBuffer.of(xs);
show("an array", lent);
console.log(xs.toString());
lent.free();
