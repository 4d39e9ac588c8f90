import * as assert from "node:assert/strict";
import { ScatterGatherList } from "../host/memory/scatter-gather";
import { pageSizeBytes } from "../host/native/libc";
import type { CompiledScript } from "../host/runtime/module/script";
import { answeringPoll } from "./answering-device";
import { cProgram, pythonProgram } from "./baselines";
import { benchScript, type LinkedScript, linkScript, type UioImports } from "./linked-script";
import { type Aim, type CommandLine, comparePairs, nsEach, outputOf, type Row, rowOf } from "./measure";
import { registerFile, type RegisterFile } from "./register-file";

const RUNS = 31;
const [BATCH, BATCHES] = [5000, 41];
const LINE_ADDRESS = 0x10000;

type ReadLines = (physicalAddress: bigint, count: number) => number;
type Script = LinkedScript<Record<"readLines" | "readLinesIntoOne", ReadLines>>;

/**
 * `AxiProxy.read` of a script beside drivers in C and Python, with the same register accesses, on the same registers, and
 * with the same device. Only the driver's own time is to count: the pulses are taken, and what a poll waits for is put into
 * STATUS, just before it looks, by two stores on the same thread, through a mapping of the device's own. These are in all
 * three times.
 *
 * Where a device takes no time the aim against C cannot be met: an access of a script is a call that checks, some 3 ns, and
 * one of C a load or a store, less than 1 ns.
 */
export async function axiProxy(): Promise<Row[]> {
  const compiled = await benchScript("axi-proxy");
  const registers = registerFile("AxiProxy", { 0: 0xa8122081, 4: 0x00000301, 0x10: 0x300 });
  const row = (what: string, read: keyof Script["exports"], baseline: string, program: () => CommandLine, aim: Aim) =>
    rowOf(what, (name) => {
      const accesses = assertSameAccesses(compiled, registers, program());
      const script = linked(compiled, registers);
      const note = `${accesses} register accesses; the device takes no time: it answers before each poll looks, by two stores`;
      try {
        return comparePairs(
          { name, baseline, unit: "ns", runs: RUNS, aim, note },
          {
            ours: () => nsEach(BATCH, BATCHES, () => script.exports[read](BigInt(LINE_ADDRESS), BATCH)),
            baseline: timeOf(program(), registers),
          },
        );
      } finally {
        script.gate.closeAll();
      }
    });
  return [
    ["AxiProxy.read", "readLines"] as const,
    ["AxiProxy.read into one result", "readLinesIntoOne"] as const,
  ].flatMap(([what, read]) => [
    row(what, read, "C, the same accesses", () => [cProgram("axi-proxy")], { atMost: 1.5 }),
    row(what, read, "Python, the same accesses", () => pythonProgram("axi-proxy"), { atLeast: 30 }),
  ]);
}

/** A script to which the line that it reads was granted: the device does not touch it. */
function linked(
  compiled: CompiledScript,
  registers: RegisterFile,
  change: (functions: UioImports) => UioImports = () => ({}),
): Script {
  const script: Script = linkScript(compiled, registers, (functions) => {
    const answering = { ...functions, poll32: answeringPoll(registers, functions["poll32"]) };
    return { ...answering, ...change(answering) };
  });
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
