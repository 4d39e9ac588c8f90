/** Has the AXI Traffic Generator fill a buffer and read it, and looks at every beat: `traffic.wasm KIBIBYTES`. */
import { AxiTrafficGen, DmaBuffer, UioDevice } from "axiscript/assembly";

const BEAT_BYTES: usize = 16;
const length = process.argv.length > 1 ? (<i32>parseInt(process.argv[1])) << 10 : 64 << 10;

const generator = new AxiTrafficGen(UioDevice.open("AxiTrafficGen", "hpc"));
generator.printInfo();
generator.configAxi(0xf, 0x2, 0x1);

const buffer = DmaBuffer.alloc(length);
memory.fill(buffer.dataStart, 0xa5, length);
generator.writeBuffer(buffer);
let wrong = 0;
let at = buffer.dataStart;
for (let i = 0; i < buffer.segments.length; i++) {
  const beats = buffer.segments[i].lengthBytes / BEAT_BYTES;
  for (let beat: u64 = 0; beat < beats; beat++) {
    if (load<u64>(at) != beat || load<u64>(at, 8) != 0) wrong++;
    at += BEAT_BYTES;
  }
}
console.log(`written ${length} bytes, ${wrong} beats wrong`);

console.log(`read ${generator.readBuffer(buffer).beatsOk} beats as written`);
store<u8>(buffer.dataStart + length - 1, 1);
console.log(`read ${generator.readBuffer(buffer).beatsOk} beats after a change`);
