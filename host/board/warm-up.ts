import { devNull } from "node:os";
import { LENGTH } from "./cores/axi-traffic-gen";
import type { FabricCore } from "./kernel/fpga/bitstream";
import { BufferMemory } from "./memory/buffer-memory";
import { Fabric } from "./fabric/fabric";
import type { BoardFiles } from "./directory/files";
import { MemoryBus } from "./fabric/memory-bus";
import { randomNumbers } from "./fabric/port-timing";
import { BoardRecord } from "./fabric/record";
import { CONTROL, DONE_CLEAR, START } from "./cores/transfer-core";
import { BoardUDmaBuf } from "./kernel/devices/u-dma-buf";

/** Each has a fabric of its own: what is compiled for a single one is thrown away at the first transfer of the board's. */
const PARTS = 60;
/**
 * How often each core transfers in a part. A transfer after 0.15 s of rest took 0.05 ms after 1,000 in all, 0.03 ms after
 * 3,000, and no less after more.
 */
const ROUNDS = 50;
/** Reads as zeros, and keeps nothing. */
const NOWHERE = "/dev/zero";
const REGISTER_BYTES = 4096;
const CORES: readonly FabricCore[] = [
  { kind: "axi-proxy", address: 0, port: "hpc" },
  { kind: "axi-traffic-gen", address: REGISTER_BYTES, port: "hpc" },
];

/**
 * Has V8 compile what a board's transfers take before there are any, on fabrics and memory that nobody else sees.
 *
 * A transfer after a second without one takes longest, and longer still where its code is not compiled. A board that asks
 * for short turns has one of 0.1 ms: if that is over before the transfer is, a busy program may have the processor for some
 * milliseconds first.
 *
 * V8 optimises in threads of its own. Who rests between two parts lets them keep up: what they have done when the last
 * part is over is there, what they have not may never be.
 *
 * @param isRecorded whether the board keeps a record
 * @returns goes on by a part, of about a millisecond, with each call; to be ended by `return()` if not done before
 */
export function* warmUp(files: BoardFiles, isRecorded: boolean): Generator<void, void> {
  const buffer = new BoardUDmaBuf(files, { physicalAddress: 0, memory: NOWHERE });
  const record = isRecorded ? new BoardRecord(devNull) : undefined;
  try {
    for (let part = 0; part < PARTS; part++) {
      exercise(buffer, record);
      yield;
    }
  } finally {
    record?.close();
    buffer.close();
  }
}

function exercise(buffer: BoardUDmaBuf, record: BoardRecord | undefined): void {
  const bus = new MemoryBus([new BufferMemory(buffer)]);
  const fabric = new Fabric({ bus, faults: {}, random: randomNumbers(1), record });
  fabric.configure({ name: "", cores: CORES });
  const maps = CORES.map((range) => ({ range, registers: new Int32Array(REGISTER_BYTES / 4) }));
  fabric.connect([{ device: { nodeName: "", interrupt: undefined }, maps, interrupt: undefined }]);
  for (const { registers } of maps) registers[LENGTH / 4] = 1;
  // The cores and the directions take turns: what is compiled for one alone is thrown away at the first use of the other.
  for (let round = 0; round < ROUNDS; round++) {
    for (const pulse of [round % 2 === 0 ? START.read : START.write, DONE_CLEAR]) {
      for (const { registers } of maps) Atomics.store(registers, CONTROL / 4, pulse);
      fabric.poll();
      fabric.settle();
    }
  }
}
