import { suite } from "uvu";
import * as assert from "uvu/assert";
import { mayLoopRoundBulk } from "../../../host/runtime/module/bulk-loops";
import { assemble } from "../../support/wasm";

const test = suite("loops round instructions that take long");

const FILL = [0x41, 0, 0x41, 0, 0x41, 0, 0xfc, 0x0b, 0];
const PADDED_FILL = [...FILL.slice(0, 7), 0x8b, 0x00, 0];
const GROW = [0x41, 0, 0x40, 0, 0x1a];
const loop = (...body: number[]) => [0x03, 0x40, ...body, 0x0b];
const block = (...body: number[]) => [0x02, 0x40, ...body, 0x0b];

for (const [name, start, expected] of [
  ["nothing", [], false],
  ["a fill without a loop", FILL, false],
  ["a fill behind a loop", [...loop(), ...FILL], false],
  ["a fill in a loop", loop(...FILL), true],
  ["a fill in a block in a loop", loop(...block(...FILL)), true],
  ["a fill behind a block in a loop", loop(...block(), ...FILL), true],
  ["a fill whose opcode is written longer than need be", loop(...PADDED_FILL), true],
  ["a memory that grows in a loop", loop(...GROW), true],
  ["constants that look like a fill", loop(0x44, ...[0xfc, 0x0b, 0, 0, 0xfc, 0x0b, 0, 0], 0x1a), false],
  ["an instruction that is not known", [0xfb, 0x00], true],
] as const) {
  test(name, () => {
    assert.is(mayLoopRoundBulk(assemble({ importMemory: [1], start })), expected);
  });
}

test.run();
