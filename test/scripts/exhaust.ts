/** Asks for more memory than there is, as buffers for devices or as its own: `exhaust.wasm buffers|arrays MEBIBYTES`. */
import { DmaBuffer } from "axiscript/assembly";

const MEBIBYTE: i32 = 1 << 20;
const count = <i32>parseInt(process.argv[2]);
if (process.argv[1] == "buffers") {
  const buffers: DmaBuffer[] = [];
  for (let i = 0; i < count; i++) buffers.push(DmaBuffer.alloc(MEBIBYTE));
} else {
  const arrays: StaticArray<u8>[] = [];
  for (let i = 0; i < count; i++) arrays.push(new StaticArray<u8>(MEBIBYTE).fill(1));
}
console.log(`${count} MiB`);
