import { parentPort, receiveMessageOnPort, workerData } from "node:worker_threads";
import type { BusLog } from "./bus-log";
import { Fabric } from "./fabric";
import { BoardFiles } from "./files";
import { BoardFpgaManager } from "./fpga-manager";
import { openBus } from "./open-bus";
import { Overlays } from "./overlays";
import { randomNumbers } from "./port-timing";
import { type BoardJob, THREAD_STATE } from "./thread";
import { BoardUDmaBuf } from "./u-dma-buf";
import { UioClass } from "./uio-class";

/** Polls in a row before the thread sleeps, while a program is using the board. */
const SPINS = 2000;
/** Sleep while a program is using the board, and later. */
const ACTIVE_SLEEP_MS = 0.05;
const IDLE_SLEEP_MS = 1.5;
const ACTIVE_FOR_MS = 100;
/** How often the kernel looks at its files while a program is using the board, and later. */
const KERNEL_INTERVAL_MS = 0.2;
const IDLE_KERNEL_INTERVAL_MS = 20;
const BUFFER_INTERVAL_MS = 10;

/** The kernel and the fabric behind the board's files, in a thread of their own that does nothing else. */
function serve({ sysroot, memory, faults, seed, busLog: busLogPath }: BoardJob, state: Int32Array): void {
  const files = new BoardFiles(sysroot);
  const buffer = new BoardUDmaBuf(files);
  const bus = openBus(memory, files, buffer);
  const busLog = busLogPath === undefined ? undefined : openBusLog(busLogPath);
  const fabric = new Fabric({ bus, faults, random: randomNumbers(seed), busLog });
  const manager = new BoardFpgaManager(files, (design) => fabric.configure(design));
  const uio = new UioClass(files);
  const overlays = new Overlays(files, manager, uio, (nodes) => fabric.connect(nodes));

  // What an earlier board left is there before anybody is told that this one is.
  overlays.serve();
  parentPort?.postMessage("serving");
  let lastActive = performance.now();
  let isIdle = false;
  let lastServed = 0;
  let lastSynced = 0;
  while (Atomics.load(state, 0) === THREAD_STATE.serving) {
    let active = false;
    const spins = isIdle ? 1 : SPINS;
    for (let i = 0; i < spins && !active; i++) active = fabric.poll();
    const now = performance.now();
    if (active || fabric.underWay) lastActive = now;
    isIdle = now - lastActive >= ACTIVE_FOR_MS;
    if (now - lastServed >= (isIdle ? IDLE_KERNEL_INTERVAL_MS : KERNEL_INTERVAL_MS)) {
      manager.serve();
      overlays.serve();
      uio.serve();
      fabric.settle();
      lastServed = now;
    }
    if (now - lastSynced >= BUFFER_INTERVAL_MS) {
      buffer.serve();
      lastSynced = now;
    }
    if (!active) {
      busLog?.flush();
      Atomics.wait(state, 0, THREAD_STATE.serving, isIdle ? IDLE_SLEEP_MS : ACTIVE_SLEEP_MS);
    }
  }
  busLog?.close();
  bus.close();
  buffer.close();
}

function openBusLog(path: string): BusLog {
  const { BusLog } = require("./bus-log") as typeof import("./bus-log");
  return new BusLog(path);
}

const state = new Int32Array(workerData as SharedArrayBuffer);
Atomics.wait(state, 0, THREAD_STATE.waiting);
const job = parentPort && receiveMessageOnPort(parentPort);
let end: number = THREAD_STATE.failed;
try {
  if (job && Atomics.load(state, 0) === THREAD_STATE.serving) serve(job.message as BoardJob, state);
  end = THREAD_STATE.ended;
} finally {
  Atomics.store(state, 0, end);
  Atomics.notify(state, 0);
}
