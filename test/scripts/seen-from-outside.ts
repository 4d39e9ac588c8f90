/** Prints where its memory lies, piece by piece, and waits until somebody who knows no more than that has written there. */
import { DmaBuffer } from "axiscript/assembly";

/** Whole cache lines: a segment has no others. */
const LENGTH: i32 = 3 * 4096 + 128;
const TIMEOUT_MS: i64 = 120000;

const buffer = DmaBuffer.alloc(LENGTH);
for (let i = 0; i < LENGTH; i++) buffer.u8[i] = <u8>(i * 7 + (i >> 8));
for (let i = 0; i < buffer.segments.length; i++) {
  const segment = buffer.segments[i];
  console.log(`segment ${segment.physicalAddress} ${segment.lengthBytes}`);
}
console.log("look");

const started = Date.now();
const isAnswered = (): bool => {
  for (let i = 0; i < LENGTH; i++) if (buffer.u8[i] != <u8>~(i * 7 + (i >> 8))) return false;
  return true;
};
while (!isAnswered()) {
  if (Date.now() - started > TIMEOUT_MS) throw new Error("nobody has written");
}
console.log("answered");
