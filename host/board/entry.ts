import "./begin";
import { constants, setPriority } from "node:os";
import { parentPort, receiveMessageOnPort, workerData } from "node:worker_threads";
import { monotonicMs } from "../util/clock";
import { closeDescriptor } from "../native/libc";
import { ThreadStart } from "../util/thread-start";
import type { BurstBus } from "./fabric/bus";
import type { MainMemory } from "./memory/main-memory";
import type { BoardRecord } from "./fabric/record";
import { Fabric } from "./fabric/fabric";
import type { DeviceFiles, KnownDeviceFiles } from "./kernel/devices/device-files";
import { BoardFiles } from "./directory/files";
import type { BoardKernel } from "./kernel/kernel";
import { openBus } from "./kernel/open-bus";
import { PlainDeviceFiles } from "./kernel/plain/plain-device-files";
import { PlainKernel } from "./kernel/plain/plain-kernel";
import { randomNumbers } from "./fabric/port-timing";
import type { BoardJob } from "./thread";
import { THREAD_STATE, THREAD_WORDS } from "./thread-words";
import { threadNumber } from "./thread-number";
import { BoardUDmaBuf, LENGTH_BYTES as U_DMA_BUF_BYTES, NAME as U_DMA_BUF } from "./kernel/devices/u-dma-buf";
import type { LoadedModel } from "./cores/user-core";

/** A direction of u-dma-buf's in which the processor has nothing to look for. */
const TO_DEVICE = 1;
/** How long the thread looks at the registers before it sleeps, while a program is using the board. */
const SPIN_MS = 0.05;
/** The same while a program is asking the kernel for one thing after the other, and before the FPGA is programmed. */
const BRIEF_SPIN_MS = 0.001;
/** Looks between two at the clock. */
const LOOKS = 64;
/**
 * Sleep while a program is using the board, soon after, some time after, and later. To be woken costs a virtual machine's
 * core 0.03 to 0.1 ms, the more the longer it slept.
 */
const ACTIVE_SLEEP_MS = 0.05;
const RECENT_SLEEP_MS = 0.5;
const IDLE_SLEEP_MS = 1;
const LATE_SLEEP_MS = 25;
/** Sleep while nobody has a device open. Who opens one wakes the board. */
const UNUSED_SLEEP_MS = 50;
/** Sleep between two parts of the warm-up, in which V8's threads keep up. */
const WARM_UP_SLEEP_MS = 2;
/** How long a board counts as used, as recently used, and as idle, after the last use. */
const ACTIVE_FOR_MS = 100;
const RECENT_FOR_MS = 2000;
const IDLE_FOR_MS = 5000;
/** The shortest turn that Linux gives to a thread. */
const TIME_SLICE_NS = 100_000n;
/** How often the kernel's turn comes while a program is using the board, and later. */
const KERNEL_INTERVAL_MS = 0.2;
const IDLE_KERNEL_INTERVAL_MS = 20;

/** The kernel and the fabric behind the board's files, in a thread of their own that does nothing else. */
function serve(job: BoardJob, loaded: readonly LoadedModel[]): void {
  const { sysroot, memory, faults, seed, record: recordPath } = job;
  // A board within a program is not to delay the program's start, nor its end.
  const isStandalone = memory.of !== "this-process";
  if (isStandalone) goFirst();
  const record = recordPath === undefined ? undefined : openRecord(recordPath);
  const files = new BoardFiles(sysroot, record);
  const { devices, known } = openDeviceFiles(job, files);
  const buffer = new BoardUDmaBuf(files, {
    physicalAddress: job.bufferAddress,
    coherent: !job.strictCoherency,
    memory: devices.add(U_DMA_BUF, { lengthBytes: U_DMA_BUF_BYTES }),
  });
  const bus = openBus(memory, { files, buffer, devices: known });
  const mainMemory = job.strictCoherency ? openMainMemory(bus, buffer, job) : undefined;
  const watched = loaded.map((model, index) => ({
    ...model,
    onCall: (runs: boolean) => showModel(runs ? index + 1 : 0),
  }));
  const models = new Map(watched.map((model) => [model.description.kind, model]));
  const log = (message: string) => files.log(message);
  const use = isStandalone ? known : undefined;
  let opened = 0;
  const openings = () => opened;
  const fabric = new Fabric({ bus, mainMemory, faults, random: randomNumbers(seed), openings, record, models, log });
  const kernel = startKernel(job, files, fabric, { buffer, devices });
  parentPort?.postMessage("serving");
  let warmUp = isStandalone ? startWarmUp(files, record !== undefined) : undefined;
  let lastActive = monotonicMs();
  let isIdle = false;
  let lastServed = 0;
  let asked = false;
  while (isServing()) {
    const spinMs = asked || !fabric.hasCores ? BRIEF_SPIN_MS : SPIN_MS;
    const active: boolean = isIdle ? fabric.poll() : spin(fabric, spinMs);
    const now = monotonicMs();
    const inUse = active || asked || fabric.underWay;
    if (inUse) lastActive = now;
    isIdle = !warmUp && now - lastActive >= ACTIVE_FOR_MS;
    const isTurn = now - lastServed >= (isIdle ? IDLE_KERNEL_INTERVAL_MS : KERNEL_INTERVAL_MS);
    if (isTurn) {
      kernel.serve();
      opened = use?.opened ?? 0;
      fabric.settle();
      lastServed = now;
    }
    // While there is one transfer after the other, nothing else is asked for between any two.
    if (active && !isTurn) {
      asked = false;
      continue;
    }
    if (!active) record?.flush();
    if (!inUse && warmUp && isOver(warmUp)) warmUp = undefined;
    const activeSleepMs = inUse || !warmUp ? ACTIVE_SLEEP_MS : WARM_UP_SLEEP_MS;
    const sleepMs = isIdle ? idleSleepMs(use?.inUse ?? true, now - lastActive) : activeSleepMs;
    asked = kernel.rest(active ? 0 : sleepMs, isIdle && use ? use.fd : -1);
  }
  warmUp?.return();
  kernel.close();
  bus.close();
  buffer.close();
  devices.close();
  record?.close();
}

function idleSleepMs(inUse: boolean, idleForMs: number): number {
  if (!inUse) return UNUSED_SLEEP_MS;
  if (idleForMs < RECENT_FOR_MS) return RECENT_SLEEP_MS;
  return idleForMs < IDLE_FOR_MS ? IDLE_SLEEP_MS : LATE_SLEEP_MS;
}

/** Hardware does not wait until a processor is free. Not everybody may put a thread before all others. */
function goFirst(): void {
  // Loaded for a board in a process of its own.
  const { takeTimeSlices } = require("../native/scheduling") as typeof import("../native/scheduling");
  for (const measure of [
    () => setPriority(threadNumber(), constants.priority.PRIORITY_HIGHEST),
    () => takeTimeSlices(TIME_SLICE_NS),
  ]) {
    try {
      measure();
    } catch {
      // The board answers as soon as it has its turn.
    }
  }
}

/** So that the first transfer does not wait for its code to be compiled. */
function startWarmUp(files: BoardFiles, isRecorded: boolean): Generator<void, void> {
  const { warmUp } = require("./warm-up") as typeof import("./warm-up");
  return warmUp(files, isRecorded);
}

/** Does a part of the warm-up. True if there is nothing left of it. */
function isOver(warmUp: Generator<void, void>): boolean {
  try {
    return warmUp.next().done === true;
  } catch {
    // The first transfers take longer.
    return true;
  }
}

/** Looks at the registers until there was something to do, or for a while. True if there was. */
function spin(fabric: Fabric, durationMs: number): boolean {
  const end = monotonicMs() + durationMs;
  do {
    for (let look = 0; look < LOOKS; look++) if (fabric.poll()) return true;
  } while (monotonicMs() < end);
  return false;
}

/** Loaded as the board needs it. What an earlier board left is there when this returns. */
function startKernel(
  { fuse }: BoardJob,
  files: BoardFiles,
  fabric: Fabric,
  { buffer, devices }: { buffer: BoardUDmaBuf; devices: DeviceFiles },
): BoardKernel {
  if (!fuse) return new PlainKernel(files, fabric, buffer, devices);
  const { FuseKernel } = require("./kernel/fuse/fuse-kernel") as typeof import("./kernel/fuse/fuse-kernel");
  return new FuseKernel(files, fabric, { buffer, devices }, fuse);
}

/** Device files of the best sort that can be had. @returns them, `known` if others than this process may use them */
function openDeviceFiles(
  { fuse, memory }: BoardJob,
  files: BoardFiles,
): { devices: DeviceFiles; known: KnownDeviceFiles | undefined } {
  if (fuse) {
    const { FuseKernel } = require("./kernel/fuse/fuse-kernel") as typeof import("./kernel/fuse/fuse-kernel");
    FuseKernel.hideMounts(files, fuse);
  }
  if (fuse?.devices) {
    const { FuseDeviceFiles } =
      require("./kernel/fuse/fuse-device-files") as typeof import("./kernel/fuse/fuse-device-files");
    const devices = new FuseDeviceFiles(fuse.devices);
    return { devices, known: devices };
  }
  if (memory.of !== "this-process") {
    const { SealedDeviceFiles } =
      require("./kernel/plain/sealed-device-files") as typeof import("./kernel/plain/sealed-device-files");
    const devices = new SealedDeviceFiles(files);
    return { devices, known: devices };
  }
  return { devices: new PlainDeviceFiles(files), known: undefined };
}

/** What ports see that do not snoop the processor's caches. */
function openMainMemory(bus: BurstBus, buffer: BoardUDmaBuf, { fuse }: BoardJob): MainMemory {
  const { MainMemory } = require("./memory/main-memory") as typeof import("./memory/main-memory");
  const main = new MainMemory(bus, {
    isCached: (physicalAddress) => buffer.isCached || !buffer.holds(physicalAddress),
    // Of a file system's attributes each has taken effect when it was written.
    settle: fuse ? () => {} : () => buffer.serve(),
  });
  buffer.onSync(({ side, offset, lengthBytes, direction }) => {
    const start = buffer.physicalAddress + offset;
    if (side === "device") main.syncForDevice(start, lengthBytes);
    else if (direction !== TO_DEVICE) main.syncForCpu(start, lengthBytes);
  });
  return main;
}

function openRecord(path: string): BoardRecord {
  const { BoardRecord } = require("./fabric/record") as typeof import("./fabric/record");
  return new BoardRecord(path);
}

/** Serves a board until it is stopped, and says that it is over, however it came to that. */
function work(job: BoardJob | undefined, models: readonly LoadedModel[]): void {
  let end: number = THREAD_STATE.failed;
  try {
    if (job && isServing()) serve(job, models);
    end = THREAD_STATE.ended;
  } finally {
    finish(job, end);
  }
}

function finish(job: BoardJob | undefined, end: number): void {
  // Whoever waits for an answer now gets an error instead.
  for (const fd of [job?.fuse?.fd, job?.fuse?.devices?.fd]) if (fd !== undefined) closeDescriptor(fd);
  Atomics.store(words, THREAD_WORDS.state, end);
  Atomics.notify(words, THREAD_WORDS.state);
}

/** Modules are loaded while the thread's event loop runs; without them it never does. */
async function workWithModels(job: BoardJob): Promise<void> {
  const { loadModels } = require("./models/model-file") as typeof import("./models/model-file");
  const { printToStderr } = require("./models/model-console") as typeof import("./models/model-console");
  printToStderr();
  let models: LoadedModel[];
  try {
    models = await loadModels(job.models);
  } catch (error) {
    finish(job, THREAD_STATE.failed);
    throw error;
  }
  work(job, models);
}

/** So that a model that never returns can be found from outside. */
function showModel(number: number): void {
  if (number !== 0) Atomics.add(words, THREAD_WORDS.modelCalls, 1);
  Atomics.store(words, THREAD_WORDS.model, number);
}

function isServing(): boolean {
  return Atomics.load(words, THREAD_WORDS.state) === THREAD_STATE.serving;
}

const words = new Int32Array(workerData as SharedArrayBuffer);
new ThreadStart(words, THREAD_WORDS.started).done();
Atomics.wait(words, THREAD_WORDS.state, THREAD_STATE.waiting);
const received = parentPort && receiveMessageOnPort(parentPort);
const job = received?.message as BoardJob | undefined;
if (job && job.models.length > 0) void workWithModels(job);
else work(job, []);
