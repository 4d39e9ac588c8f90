import { parentPort, receiveMessageOnPort, workerData } from "node:worker_threads";
import { closeDescriptor } from "../native/libc";
import type { BusLog } from "./bus-log";
import { Fabric } from "./fabric";
import { BoardFiles } from "./files";
import type { BoardKernel } from "./kernel";
import { openBus } from "./open-bus";
import { PlainKernel } from "./plain-kernel";
import { randomNumbers } from "./port-timing";
import { type BoardJob, THREAD_STATE } from "./thread";
import { BoardUDmaBuf } from "./u-dma-buf";

/** Polls in a row before the thread sleeps, while a program is using the board. */
const SPINS = 2000;
/** The same while a program is asking the kernel for one thing after the other. */
const ASKED_SPINS = 20;
/** Sleep while a program is using the board, and later. */
const ACTIVE_SLEEP_MS = 0.05;
const IDLE_SLEEP_MS = 1.5;
const ACTIVE_FOR_MS = 100;
/** How often the kernel looks at its files while a program is using the board, and later. */
const KERNEL_INTERVAL_MS = 0.2;
const IDLE_KERNEL_INTERVAL_MS = 20;

/** The kernel and the fabric behind the board's files, in a thread of their own that does nothing else. */
function serve(job: BoardJob, state: Int32Array): void {
  const { sysroot, memory, faults, seed, busLog: busLogPath } = job;
  const files = new BoardFiles(sysroot);
  const buffer = new BoardUDmaBuf(files, job.bufferAddress);
  const bus = openBus(memory, files, buffer);
  const busLog = busLogPath === undefined ? undefined : openBusLog(busLogPath);
  const fabric = new Fabric({ bus, faults, random: randomNumbers(seed), busLog });
  const kernel = startKernel(job, files, fabric, buffer, state);

  // What an earlier board left is there before anybody is told that this one is.
  kernel.serve();
  parentPort?.postMessage("serving");
  let lastActive = performance.now();
  let isIdle = false;
  let lastServed = 0;
  let asked = false;
  while (Atomics.load(state, 0) === THREAD_STATE.serving) {
    let active = false;
    const spins = asked ? ASKED_SPINS : isIdle ? 1 : SPINS;
    for (let i = 0; i < spins && !active; i++) active = fabric.poll();
    const now = performance.now();
    if (active || asked || fabric.underWay) lastActive = now;
    isIdle = now - lastActive >= ACTIVE_FOR_MS;
    if (now - lastServed >= (isIdle ? IDLE_KERNEL_INTERVAL_MS : KERNEL_INTERVAL_MS)) {
      kernel.serve();
      fabric.settle();
      lastServed = now;
    }
    if (!active) busLog?.flush();
    asked = kernel.rest(active ? 0 : isIdle ? IDLE_SLEEP_MS : ACTIVE_SLEEP_MS);
  }
  busLog?.close();
  bus.close();
  buffer.close();
}

/** Loaded as the board needs it. */
function startKernel(
  { fuse, bufferAddress }: BoardJob,
  files: BoardFiles,
  fabric: Fabric,
  buffer: BoardUDmaBuf,
  state: Int32Array,
): BoardKernel {
  if (!fuse) return new PlainKernel(files, fabric, buffer, state);
  const { FuseKernel } = require("./fuse-kernel") as typeof import("./fuse-kernel");
  return new FuseKernel(files, fabric, bufferAddress, fuse);
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
  // Whoever waits for an answer now gets an error instead.
  const fuse = (job?.message as BoardJob | undefined)?.fuse;
  if (fuse) closeDescriptor(fuse.fd);
  Atomics.store(state, 0, end);
  Atomics.notify(state, 0);
}
