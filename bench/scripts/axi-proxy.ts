import { AxiProxy, ReadResult, UioDevice } from "axiscript/assembly";

const proxy = new AxiProxy(UioDevice.open("AxiProxy"));
const kept = new ReadResult();

/** Has the FPGA read a line `count` times; gives a sum of what came back. */
export function readLines(physicalAddress: u64, count: i32): u32 {
  let sum: u32 = 0;
  for (let i = 0; i < count; i++) {
    const line = proxy.read(physicalAddress);
    sum += line.words[0] + line.cycles;
  }
  return sum;
}

/** As `readLines`, into one result. */
export function readLinesIntoOne(physicalAddress: u64, count: i32): u32 {
  let sum: u32 = 0;
  for (let i = 0; i < count; i++) {
    proxy.read(physicalAddress, kept);
    sum += kept.words[0] + kept.cycles;
  }
  return sum;
}
