/**
 * Has a device transfer lines that lie somewhere beside a buffer of LENGTH bytes:
 * `stray.wasm DEVICE read|write LENGTH BACKING start|end|zero OFFSET OF_RANGE MORE [own|freed]`. BACKING is what the buffer
 * rests on. OFFSET is hexadecimal, of 64 bits; the lines are those of the buffer's first segment OF_RANGE times, and MORE.
 * Exits with 3 if all of them are the buffer's own, unless that is what is wanted: as they are, or once more after the buffer
 * was freed.
 */
import { DmaBuffer, hex, UioDevice } from "axiscript/assembly";

const LINE_BYTES: u64 = 64;
const TIMEOUT_MS: i32 = 20000;
const MARK: u32 = 0xbadbad;

const kind = process.argv[1];
const bit: u32 = process.argv[2] == "write" ? 1 : 2;
const buffer = DmaBuffer.alloc(<i32>parseInt(process.argv[3]), { backing: <i32>parseInt(process.argv[4]) });
const range = buffer.segments[0];
const from = process.argv[5];
let address = U64.parseInt(process.argv[6], 16);
if (from == "start") address += range.physicalAddress;
else if (from == "end") address += range.physicalAddress + range.lengthBytes;
const lines = (U64.parseInt(process.argv[7]) * range.lengthBytes) / LINE_BYTES + U64.parseInt(process.argv[8]);
const wanted = process.argv.length > 9 ? process.argv[9] : "";

function isOwn(line: u64): bool {
  if (line % LINE_BYTES != 0) return false;
  for (let i = 0; i < buffer.segments.length; i++) {
    const start: u64 = buffer.segments[i].physicalAddress;
    if (line >= start && line - start < buffer.segments[i].lengthBytes) return true;
  }
  return false;
}

let own: u64 = 0;
while (own < lines && isOwn(address + own * LINE_BYTES)) own++;
if (own == lines && lines > 0 && wanted == "") process.exit(3);

const device = UioDevice.open(kind, "hpc");

function transfer(): void {
  device.write32(0x40, <u32>address);
  device.write32(0x44, <u32>(address >> 32));
  if (kind == "AxiProxy") device.write32(0x60, MARK);
  else device.write32(0x30, <u32>lines);
  device.write32(0x14, bit);
  if (!device.poll32(0x10, bit, bit, TIMEOUT_MS)) throw new Error("the device is not done");
  device.write32(0x14, 0x100);
  if (!device.poll32(0x10, bit, 0, TIMEOUT_MS)) throw new Error("the device stays done");
}

if (wanted == "freed") {
  transfer();
  buffer.free();
}
transfer();
console.log(`${lines} lines at ${hex(address)}`);
