/**
 * A core of your own: the device whose model is crc32.mjs and whose description is crc32.json takes the checksum of a
 * buffer, and says by its interrupt that it is done.
 */
import { DmaBuffer, FpgaManager, hex32, UioDevice } from "axiscript/assembly";
import { Crc32CONTROL, Crc32Registers, Crc32STATUS } from "./crc32-registers";

const firmware = "/lib/firmware/xilinx/crc32/crc32";
const fpga = new FpgaManager();
if (fpga.isProgrammed()) fpga.remove();
fpga.programBitstream(firmware + ".bit.bin", firmware + ".dtbo");

const device = UioDevice.open("Crc32", "hpc");
const engine = new Crc32Registers(device);

/** The checksum of a range that is one segment in physical memory. */
function checksum(physicalAddress: u64, lengthBytes: u32): u32 {
  engine.ADDRESS_HI = <u32>(physicalAddress >> 32);
  engine.ADDRESS_LO = <u32>physicalAddress;
  engine.LENGTH = lengthBytes;
  // Every interrupt disables itself, also one that an earlier user has left.
  device.enableInterrupt();
  engine.writeCONTROL(Crc32CONTROL.ENABLE | Crc32CONTROL.START);
  if (device.waitInterrupt(2000) < 0) throw new Error("no interrupt within 2 s");
  if (engine.STATUS.ERROR) throw new Error("the bus has refused a burst at " + physicalAddress.toString(16));
  const result = engine.RESULT;
  // Only when it is gone in the device may the interrupt come again.
  engine.writeCONTROL(Crc32CONTROL.CLEAR);
  if (!engine.pollSTATUS(Crc32STATUS.DONE, 0, 1000)) throw new Error("CLEAR had no effect");
  return result;
}

/** The same in software, bit by bit. */
function crc32(bytes: Uint8Array): u32 {
  let crc: u32 = 0xffffffff;
  for (let i = 0; i < bytes.length; i++) {
    crc ^= bytes[i];
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (0xedb88320 & (0 - (crc & 1)));
  }
  return ~crc;
}

const buffer = DmaBuffer.alloc(4096);
for (let i = 0; i < 4096; i++) buffer.u8[i] = <u8>(i * 7);
const text = Uint8Array.wrap(String.UTF8.encode("123456789"));
for (let i = 0; i < text.length; i++) buffer.u8[i] = text[i];
buffer.syncForDevice();

const address = buffer.segments[0].physicalAddress;
console.log("123456789: " + hex32(checksum(address, 9)));
console.log("4096 bytes: " + hex32(checksum(address, 4096)) + " in " + engine.CYCLES.toString() + " cycles");

const all = new Uint8Array(4096);
for (let i = 0; i < 4096; i++) all[i] = buffer.u8[i];
console.log("in software: " + hex32(crc32(all)));
buffer.free();
