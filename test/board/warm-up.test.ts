import { mkdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInThisContext } from "node:vm";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { BufferMemory } from "../../host/board/memory/buffer-memory";
import { Fabric } from "../../host/board/fabric/fabric";
import { BoardFiles } from "../../host/board/directory/files";
import { MemoryBus } from "../../host/board/fabric/memory-bus";
import { PortBus } from "../../host/board/fabric/port";
import { PortTimer, randomNumbers } from "../../host/board/fabric/port-timing";
import { RegisterFile } from "../../host/board/fabric/register-file";
import { CONTROL, DONE_CLEAR, START, TransferCore } from "../../host/board/cores/transfer-core";
import { BoardUDmaBuf, createUDmaBufDevice, NAME } from "../../host/board/kernel/devices/u-dma-buf";
import { warmUp } from "../../host/board/warm-up";
import { assertNothingKept, settledResources } from "../support/resources";
import { temporaryDirectory } from "../support/temporary";

const test = suite("warming up");

const STATUS = 0x10;
const DONE = 3;
/** Of what V8 says of a function: that it runs as bytecode. Source: V8, `src/runtime/runtime.h`, OptimizationStatus. */
const INTERPRETED = 1 << 7;
/** The same: that it runs as code which V8 has optimised. */
const OPTIMIZED = 1 << 4;
/** What a board does once. */
const ONCE = ["Fabric.configure", "Fabric.connect", "BoardUDmaBuf.close"];
/** Of what a transfer takes. It was 12 to 15 of 19 in each of 120 runs, with busy processors, too; 5 after 400 transfers. */
const LEAST_OPTIMISED = 1 / 3;
/** As a board rests between two parts. */
const REST_MS = 2;

setFlagsFromString("--allow-natives-syntax");
const statusOf = runInThisContext("(each) => %GetOptimizationStatus(each)") as (each: unknown) => number;

interface Part {
  readonly name: string;
  readonly method: unknown;
}

/** Methods that are not private: V8 does not show the others to a test. */
function methodsOf({ name, prototype }: { readonly name: string; readonly prototype: object }): Part[] {
  return Object.entries(Object.getOwnPropertyDescriptors(prototype))
    .filter(([method, { value }]) => method !== "constructor" && typeof value === "function")
    .map(([method, { value }]) => ({ name: `${name}.${method}`, method: value as unknown }));
}

function isInterpreted({ method }: Part): boolean {
  return (statusOf(method) & INTERPRETED) !== 0;
}

function isOptimised({ method }: Part): boolean {
  return (statusOf(method) & OPTIMIZED) !== 0;
}

/** The files of a board that has a u-dma-buf and nothing else. */
function boardFiles(): BoardFiles {
  const sysroot = temporaryDirectory();
  mkdirSync(join(sysroot, "dev"));
  createUDmaBufDevice(sysroot);
  return new BoardFiles(sysroot);
}

/** Does a transfer in each direction as a board does it. */
function transfer(files: BoardFiles): void {
  const buffer = new BoardUDmaBuf(files, { physicalAddress: 0 });
  const bus = new MemoryBus([new BufferMemory(buffer)]);
  const fabric = new Fabric({ bus, faults: {}, random: randomNumbers(2), record: undefined });
  fabric.configure({ name: "", cores: [{ kind: "axi-proxy", address: 0, port: "hpc" }] });
  const registers = new Int32Array(1024);
  const maps = [{ range: { address: 0 }, registers }];
  fabric.connect([{ device: { nodeName: "", interrupt: undefined }, maps, interrupt: undefined }]);
  for (const pulse of [DONE_CLEAR, START.read, START.write]) {
    registers[CONTROL / 4] = pulse;
    fabric.poll();
    fabric.settle();
  }
  assert.is((registers[STATUS / 4] ?? 0) & DONE, DONE);
  buffer.close();
}

test("has V8 compile what a transfer takes", async () => {
  const files = boardFiles();
  const parts = [Fabric, TransferCore, RegisterFile, PortTimer, PortBus, MemoryBus, BoardUDmaBuf]
    .flatMap(methodsOf)
    .filter(({ name }) => !ONCE.includes(name));
  transfer(files);
  // What V8 never called, it has not even as bytecode.
  const taken = parts.filter(isInterpreted);
  const names = taken.map(({ name }) => name);
  for (const name of ["Fabric.poll", "TransferCore.poll", "RegisterFile.set", "PortTimer.next", "BoardUDmaBuf.read"]) {
    assert.ok(names.includes(name), `${name} is not among ${names.join(", ")}`);
  }
  for (const warming = warmUp(files, false); !warming.next().done;) await setTimeout(REST_MS);
  transfer(files);
  assert.equal(taken.filter(isInterpreted), []);
  // Which takes in which is V8's choice: it does not optimise by itself what is part of something else.
  const optimised = taken.filter(isOptimised).map(({ name }) => name);
  assert.ok(optimised.length >= taken.length * LEAST_OPTIMISED, `of ${names.join(", ")}: ${optimised.join(", ")}`);
});

test("leaves the board's buffer alone, and keeps no file open, ended early or not", async () => {
  const files = boardFiles();
  const before = await settledResources();
  Array.from(warmUp(files, true));
  const ended = warmUp(files, true);
  ended.next();
  ended.return();
  await assertNothingKept(before);
  assert.is(statSync(files.path(`dev/${NAME}`)).blocks, 0);
});

test.run();
