import { parentPort, workerData } from "node:worker_threads";
import type { ManagerCore } from "../../host/board/kernel/fpga/bitstream";
import { BoardRecord } from "../../host/board/fabric/record";
import { Fabric } from "../../host/board/fabric/fabric";
import { FileMemory } from "../../host/board/memory/file-memory";
import { MemoryBus } from "../../host/board/fabric/memory-bus";
import { randomNumbers } from "../../host/board/fabric/port-timing";
import { overlayFile } from "../../host/native/memory-overlay";

/** What the thread serves. */
export interface FabricJob {
  readonly memoryFd: number;
  readonly memoryBytes: number;
  /** Cores, with their register files. */
  readonly cores: readonly (ManagerCore & { readonly fd: number; readonly lengthBytes: number })[];
  /** Path of the record of the bus. */
  readonly record: string;
  /** Not 0: it is over. */
  readonly state: Int32Array;
}

/** Looks after a transfer, for the next one: a guest that finds its core asleep takes three times as long. */
const SPINS = 10_000;
/**
 * Between looks while nothing is asked of the cores, soon after a transfer and later: the guests need the processors more,
 * and to be woken takes as much of one as a sleep of 0.2 ms is long.
 */
const SLEEP_MS = 0.2;
const IDLE_SLEEP_MS = 5;
/** How many looks in vain make them idle. */
const VAIN_LOOKS = 100;
const WASM_PAGE_BYTES = 65536;

const { memoryFd, memoryBytes, cores, state, record: recordPath } = workerData as FabricJob;
const bus = new MemoryBus([new FileMemory(memoryFd, memoryBytes)]);
const record = new BoardRecord(recordPath);
const fabric = new Fabric({ bus, faults: {}, random: randomNumbers(1), record });
fabric.configure({ name: "pci", cores });
fabric.connect(
  cores.map(({ address, fd, lengthBytes }) => {
    const memory = new WebAssembly.Memory({ initial: 1, maximum: 1 });
    overlayFile(memory, 0, Math.min(lengthBytes, WASM_PAGE_BYTES), fd, 0);
    const registers = new Int32Array(memory.buffer, 0, lengthBytes / 4);
    return {
      device: { nodeName: "", interrupt: undefined },
      maps: [{ range: { address }, registers }],
      interrupt: undefined,
    };
  }),
);
parentPort?.postMessage("serving");
let looks = 1;
let vain = 0;
while (Atomics.load(state, 0) === 0) {
  let active = false;
  for (let i = 0; i < looks && !active; i++) active = fabric.poll();
  fabric.settle();
  // What follows on a transfer is another one, as a rule.
  looks = active ? SPINS : 1;
  vain = active ? 0 : vain + 1;
  if (active) continue;
  record.flush();
  Atomics.wait(state, 0, 0, vain > VAIN_LOOKS ? IDLE_SLEEP_MS : SLEEP_MS);
}
record.close();
