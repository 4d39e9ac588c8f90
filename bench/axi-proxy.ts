import * as assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { ScatterGatherList } from "../host/memory/scatter-gather";
import { pageSizeBytes } from "../host/native/libc";
import type { CompiledScript } from "../host/runtime/script";
import { cProgram, pythonProgram } from "./baselines";
import { benchScript, type LinkedScript, linkScript, type UioImports } from "./linked-script";
import { type Aim, type CommandLine, comparePairs, nsEach, outputOf, type Row, rowOf } from "./measure";
import { registerFile, type RegisterFile } from "./register-file";

const RUNS = 31;
/** The median counts of many short batches: most fall into a time when nobody else has the device's processor. */
const [BATCH, BATCHES] = [50, 41];
const LINE_ADDRESS = 0x10000;

type Script = LinkedScript<{ readonly readLines: (physicalAddress: bigint, count: number) => number }>;

/**
 * `AxiProxy.read` of a script beside drivers in C and Python, with the same register accesses, on the same registers, and
 * with the same device: a C program on another processor that answers as fast as it can.
 */
export async function axiProxy(): Promise<Row[]> {
  const compiled = await benchScript("axi-proxy");
  const registers = registerFile("AxiProxy", { 0: 0xa8122081, 4: 0x00000301, 0x10: 0x300 });
  let device: ChildProcess | undefined;
  const row = (baseline: string, program: () => CommandLine, aim: Aim): Row =>
    rowOf("AxiProxy.read", (name) => {
      device ??= spawn(cProgram("axi-proxy-device"), [registers.path], { stdio: "ignore" });
      const accesses = assertSameAccesses(compiled, registers, program());
      const script = linked(compiled, registers);
      const note = `${accesses} register accesses, the same device on another processor answers at once`;
      try {
        return comparePairs(
          { name, baseline, unit: "ns", runs: RUNS, aim, note },
          {
            ours: () => nsEach(BATCH, BATCHES, () => script.exports.readLines(BigInt(LINE_ADDRESS), BATCH)),
            baseline: timeOf(program(), registers),
          },
        );
      } finally {
        script.gate.closeAll();
      }
    });
  try {
    return [
      row("C, the same accesses", () => [cProgram("axi-proxy")], { atMost: 1.5 }),
      row("Python, the same accesses", () => pythonProgram("axi-proxy"), { atLeast: 30 }),
    ];
  } finally {
    device?.kill();
  }
}

/** A script to which the line that it reads was granted: the device does not touch it. */
function linked(
  compiled: CompiledScript,
  registers: RegisterFile,
  change?: (functions: UioImports) => UioImports,
): Script {
  const script: Script = linkScript(compiled, registers, change);
  const frame = LINE_ADDRESS / pageSizeBytes;
  const range = { virtualAddress: 0n, lengthBytes: pageSizeBytes };
  script.gate.granted.grant(ScatterGatherList.ofOneRun(range, frame), "both");
  return script;
}

function timeOf([program, ...args]: CommandLine, { path }: RegisterFile): () => number {
  return () => Number(outputOf([program, ...args, path, "read", String(BATCH), String(BATCHES)]));
}

/**
 * The driver and the script make the same register accesses in the same order, however often each poll looks. Gives their
 * number.
 */
function assertSameAccesses(compiled: CompiledScript, registers: RegisterFile, command: CommandLine): number {
  const [program, ...args] = command[0].endsWith("axi-proxy") ? [cProgram("axi-proxy", "-DTRACE")] : command;
  const theirs = outputOf([program, ...args, registers.path, "trace", "1", "1"])
    .trim()
    .split("\n");
  const ours: string[] = [];
  const note = (kind: string, offset: number) => ours.push(`${kind} ${offset.toString(16)}`);
  const script = linked(compiled, registers, (functions) => {
    const traced = (name: string, kind: string) => {
      const body = functions[name];
      assert.ok(body);
      return (...values: number[]) => {
        note(kind, values[1] ?? 0);
        return body(...values);
      };
    };
    return { read32: traced("read32", "R"), write32: traced("write32", "W"), poll32: traced("poll32", "P") };
  });
  ours.length = 0;
  script.exports.readLines(BigInt(LINE_ADDRESS), 1);
  script.gate.closeAll();
  assert.deepEqual(ours, theirs);
  return ours.length;
}
