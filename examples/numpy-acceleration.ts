// The notebook "Numpy acceleration example" by Jan Marjanovic, step by step.

import {
  AxiProxy,
  CacheLineArray,
  FpgaManager,
  hex,
  list,
  logging,
  UioDevice,
  virtualAddressOf,
  VirtualToPhysical,
} from "axiscript/assembly";

// Logging

logging.basicConfig(logging.INFO);

// FPGA configuration

const fpga = new FpgaManager();

if (!fpga.isPresent) {
  console.log("No FPGA manager.");
} else if (!fpga.isProgrammed()) {
  console.log("Programming FPGA...");
  fpga.programBitstream(
    "/lib/firmware/xilinx/axi_proxy/axi_proxy.bit.bin",
    "/lib/firmware/xilinx/axi_proxy/axi_proxy.dtbo",
  );
  console.log("Programming done.");
} else {
  console.log("FPGA already programmed.");
}

// Basic config

const INTERFACE = "hpc";

const uioDevice = UioDevice.open("AxiProxy", INTERFACE);
const axiProxy = new AxiProxy(uioDevice);

axiProxy.printInfo();

axiProxy.configAxi(0xf, 0x2, 0x1);

// The array: as np.arange(16, dtype=np.int32), on cache lines of its own

const xs = CacheLineArray.arange<i32>(16);
console.log(xs.toString());

const vaddr = virtualAddressOf(xs);
console.log(`Data virtual addr = ${hex(vaddr)}`);

// Virtual address to physical address

const vtp = new VirtualToPhysical();
const paddr = vtp.getPhysicalAddress(vaddr);
console.log(`${hex(vaddr)} -> ${hex(paddr)}`);

// Reading the data

const data = axiProxy.read(paddr);
console.log(`Read duration ${data.cycles} cycles`);

console.log(list(data.words));

// Writing the data: a whole cache line, of which the IP sets the first 16 bytes and zeroes the other 48

const durWrite = axiProxy.write(paddr, [100, 200, 300, 400]);
console.log(`Write duration ${durWrite} cycles`);

console.log(xs.toString());
