/** Makes transfers with the AXI Proxy, to and from a few lines in turn, and checks each: `transfers.wasm COUNT`. */
import { AxiProxy, DmaBuffer, UioDevice } from "axiscript/assembly";

const LINE_BYTES: i32 = 64;
const LINES: i32 = 256;
const count = <i32>parseInt(process.argv[1]);

const proxy = new AxiProxy(UioDevice.open("AxiProxy", "hpc"));
const buffer = DmaBuffer.alloc(LINES * LINE_BYTES);
const addresses = new StaticArray<u64>(LINES);
let known = 0;
for (let i = 0; i < buffer.segments.length; i++) {
  const segment = buffer.segments[i];
  for (let at: u64 = 0; at < segment.lengthBytes; at += LINE_BYTES) addresses[known++] = segment.physicalAddress + at;
}

let wrong = 0;
for (let i = 0; i < count; i++) {
  const line = (i >> 1) % LINES;
  const at = buffer.dataStart + line * LINE_BYTES;
  if ((i & 1) == 0) {
    proxy.write(addresses[line], [i, ~i, i << 8, 0x5a5a5a5a]);
    if (load<i32>(at) != i || load<i32>(at, 4) != ~i || load<u64>(at, 56) != 0) wrong++;
  } else {
    store<i32>(at, i);
    const words = proxy.read(addresses[line]).words;
    if (words[0] != i || words[1] != ~(i - 1)) wrong++;
  }
}
console.log(`${count} transfers, ${wrong} wrong`);
