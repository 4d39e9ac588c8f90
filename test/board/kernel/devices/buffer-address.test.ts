import { suite } from "uvu";
import * as assert from "uvu/assert";
import { freeBufferAddress } from "../../../../host/board/kernel/devices/buffer-address";

const test = suite("where the board's buffer lies");

const ABOVE_MEMORY = 0xff_7e00_0000;

for (const [what, resources, expected] of [
  ["a machine with 1 GiB", "00100000-3fffffff : System RAM", 0x7e000000],
  ["one with a hole below 2 GiB", "00100000-7dffffff : System RAM\n80000000-bfffffff : System RAM", 0x7e000000],
  ["one whose hole is a byte too small", "00100000-7e000000 : System RAM\n7fffffff-bfffffff : System RAM", 0xfe000000],
  ["one with a hole below 4 GiB", "00100000-bfffffff : System RAM\n100000000-63fffffff : System RAM", 0xfe000000],
  ["one without holes", "00000000-1ffffffff : System RAM", ABOVE_MEMORY],
  [
    "one with other memory there",
    "00001000-efffffff : System RAM\nf0000000-ffffffff : Persistent Memory (legacy)",
    ABOVE_MEMORY,
  ],
  ["devices that are no memory", "00001000-7dffffff : System RAM\n7e000000-7fffffff : PCI Bus 0000:00", 0x7e000000],
  ["a user who may not see it", "00000000-00000000 : System RAM\n  00000000-00000000 : Kernel code", ABOVE_MEMORY],
  ["nothing", "", ABOVE_MEMORY],
] as const) {
  test(`on ${what}`, () => assert.is(freeBufferAddress(resources), expected));
}

test.run();
