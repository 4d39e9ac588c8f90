import { AxiProxy, UioDevice } from "axiscript/assembly";

const proxy = new AxiProxy(UioDevice.open("AxiProxy"));
// The device is a program, and others may have its processor for a while.
proxy.timeoutMs = 60_000;

/** Has the FPGA read a line `count` times; gives a sum of what came back. */
export function readLines(physicalAddress: u64, count: i32): u32 {
  let sum: u32 = 0;
  for (let i = 0; i < count; i++) {
    const line = proxy.read(physicalAddress);
    sum += line.words[0] + line.cycles;
  }
  return sum;
}
