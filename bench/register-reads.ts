import * as assert from "node:assert/strict";
import koffi from "koffi";
import { DeviceCatalog } from "../host/linux/catalog";
import { cProgram, pythonProgram } from "./baselines";
import { javascriptGate } from "./javascript-gate";
import { benchScript, type LinkedScript, linkScript, type UioImports } from "./linked-script";
import { type Aim, type BenchRow, comparePairs, nsEach, outputOf, type Row, rowOf } from "./measure";
import { registerFile, type RegisterFile } from "./register-file";

const RUNS = 31;
const REPEATS = 101;
const READS = 20_000;
const PYTHON_READS = 100_000;
/** SCRATCH of an AXI Proxy: a register without side effects. */
const [OFFSET, VALUE] = [0x0c, 0x01234567];

type Script = LinkedScript<{ readonly read: (offset: number, count: number) => number }>;

/** A script's register read through the gate, beside C, what else a host could give a script to read with, and Python. */
export async function registerReads(): Promise<Row[]> {
  const compiled = await benchScript("registers");
  const link = (change?: (device: RegisterFile) => UioImports): (() => number) => {
    const device = newDevice();
    const script: Script = linkScript(compiled, device, () => change?.(device) ?? {});
    assert.equal(script.exports.read(OFFSET, 3) >>> 0, 3 * VALUE);
    return () => nsEach(READS, REPEATS, () => script.exports.read(OFFSET, READS));
  };
  const ours = link();
  const row = (baseline: string, makeBaseline: () => () => number, aim?: Aim, note?: string): Row =>
    rowOf("checked register read of a script", (name): BenchRow => {
      const pair = { ours, baseline: makeBaseline() };
      return comparePairs(
        { name, baseline, unit: "ns", runs: RUNS, ...(aim && { aim }), ...(note !== undefined && { note }) },
        pair,
      );
    });
  const hardly = "the aim would take a checked read in the time of a bare load";
  return [
    row("C, volatile loads", cReads, { valueAtMost: 5 }),
    row("the same loop, the same check in a JavaScript import", () => link(throughJavascript), { atLeast: 1 }),
    row("the same loop, a foreign function call (koffi) without a check", () => link(throughKoffi)),
    row("Python, a ctypes structure over mmap", () => pythonReads("ctypes"), { atLeast: 100 }, hardly),
    row("Python, struct.unpack_from over mmap", () => pythonReads("struct"), { atLeast: 100 }, hardly),
  ];
}

function newDevice(): RegisterFile {
  return registerFile("AxiProxy", { 0: 0xa8122081, 4: 0x00000301, [OFFSET]: VALUE });
}

function cReads(): () => number {
  const program = cProgram("registers");
  const { path } = newDevice();
  return () => Number(outputOf([program, ...[path, OFFSET, READS, REPEATS].map(String)]));
}

function pythonReads(way: "ctypes" | "struct"): () => number {
  const { path } = newDevice();
  const [python, ...program] = pythonProgram("registers");
  return () => Number(outputOf([python, ...program, way, ...[path, OFFSET, PYTHON_READS].map(String)]));
}

function throughJavascript({ words }: RegisterFile): UioImports {
  const description = new DeviceCatalog().find({ name: "AxiProxy", property: () => [] });
  assert.ok(description);
  const { read32, write32 } = javascriptGate(0, words, description, []);
  return { read32, write32 };
}

function throughKoffi({ virtualAddress }: RegisterFile): UioImports {
  const library = koffi.load(cProgram("load", "-shared", "-fPIC"));
  const load32: (address: number) => number = library.func("uint32_t load32(intptr_t)");
  return { read32: (_: number, offset: number) => load32(virtualAddress + offset) };
}
