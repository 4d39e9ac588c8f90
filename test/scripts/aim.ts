/** Has the AXI Proxy write to, or read, an address beside what it was granted: `aim.wasm WHERE`. */
import { CacheLineArray, hex, UioDevice, virtualAddressOf, VirtualToPhysical } from "axiscript/assembly";

const where = process.argv[1];
const own = CacheLineArray.arange<i32>(16);
const granted = new VirtualToPhysical().getPhysicalAddress(virtualAddressOf(own));
let address: u64 = granted;
// The page that holds the array is the script's own, and granted.
const page = granted & ~4095;
if (where == "before") address = page - 64;
else if (where == "behind") address = page + 4096;
else if (where == "across") address = granted + 32;
else if (where == "above") address = granted + ((<u64>1) << 40);
else if (where != "own") address = <u64>parseInt(where);

const device = UioDevice.open("AxiProxy", "hpc");
device.write32(0x40, <u32>address);
device.write32(0x44, <u32>(address >> 32));
device.write32(0x60, 0xbadbad);
console.log(`writing to ${hex(address)}`);
device.write32(0x14, 1);
if (!device.poll32(0x10, 1, 1, 20000)) throw new Error("the device is not done");
device.write32(0x14, 0x100);
console.log(`written ${hex(own[0])}`);
