import { UioDevice } from "axiscript/assembly";

const device = UioDevice.open("uio0");

/** Reads a register `count` times; gives the sum. */
export function read(offset: u32, count: i32): u32 {
  let sum: u32 = 0;
  for (let i = 0; i < count; i++) sum += device.read32(offset);
  return sum;
}

/** Writes a register `count` times. */
export function write(offset: u32, value: u32, count: i32): void {
  for (let i = 0; i < count; i++) device.write32(offset, value);
}

/** Writes a register, and then another one, `count` times: the first gets `count` values, `step` apart, in turn. */
export function writeInTurn(offset: u32, first: u32, step: u32, then: u32, value: u32, count: i32): void {
  for (let i = 0; i < count; i++) {
    device.write32(offset, first + step * i);
    device.write32(then, value);
  }
}
