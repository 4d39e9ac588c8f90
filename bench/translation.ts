import * as assert from "node:assert/strict";
import { hex } from "../host/util/errors";
import type { LinearMemory } from "../host/memory/linear-memory";
import { Pagemap } from "../host/memory/pagemap";
import { pageSizeBytes } from "../host/native/libc";
import { cProgram, pythonProgram } from "./baselines";
import { type Aim, type BenchRow, comparePairs, median, outputOf, type Row, rowOf, Skip } from "./measure";
import { pinned, touchedMemory, type TouchOrder } from "./memory";

const MIB = 2 ** 20;
const WHOLE_BYTES = 1024 * MIB;
const PYTHON_PAGES = 16384;
const RUNS = 31;

/** Bulk translation: beside C for several sizes and for the worst case, beside the notebook's Python by the page. */
export async function translation(): Promise<Row[]> {
  return [
    ...withMemory("ascending", [
      againstC("translation of 1 MiB", { lengthBytes: MIB, repeats: 501 }),
      againstC("translation of 64 MiB", { lengthBytes: 64 * MIB, repeats: 51 }),
      againstC("translation of 1 GiB", { lengthBytes: WHOLE_BYTES, repeats: 5, aim: { atMost: 1.15 } }),
      ["translation per page", againstPython],
    ]),
    ...withMemory("scattered", [
      againstC("translation of 1 GiB, about a segment a page", { lengthBytes: WHOLE_BYTES, repeats: 5 }),
    ]),
  ];
}

/** What a row measures. */
type Subject = readonly [name: string, measure: (name: string, memory: LinearMemory, pagemap: Pagemap) => BenchRow];

/** Measures rows on 1 GiB of memory that is there for as long as they take. */
function withMemory(order: TouchOrder, subjects: readonly Subject[]): Row[] {
  const pagemap = new Pagemap("/proc/self/pagemap");
  let setup: { memory: LinearMemory; release: () => void } | undefined;
  const prepare = () => {
    const memory = touchedMemory(WHOLE_BYTES, order);
    if (pagemap.peek(memory.baseAddress) === 0) throw new Skip("page frame numbers are hidden without CAP_SYS_ADMIN");
    const pin = pinned(memory);
    return { memory, release: () => pin.release() };
  };
  try {
    return subjects.map(([name, measure]) =>
      rowOf(name, () => {
        setup ??= prepare();
        return measure(name, setup.memory, pagemap);
      }),
    );
  } finally {
    setup?.release();
    pagemap.close();
  }
}

interface Size {
  readonly lengthBytes: number;
  /** Translations a run, of which the median counts. */
  readonly repeats: number;
  readonly aim?: Aim;
}

function againstC(name: string, { lengthBytes, repeats, aim }: Size): Subject {
  const measure = (_: string, { baseAddress }: LinearMemory, pagemap: Pagemap): BenchRow => {
    const program = cProgram("translate");
    const args = [process.pid, hex(baseAddress), lengthBytes, repeats].map(String);
    const segments = assertSameSegments(outputOf([program, ...args, "segments"]), pagemap, baseAddress, lengthBytes);
    return comparePairs(
      {
        name,
        baseline: "C, the same read and merge",
        unit: "µs",
        runs: RUNS,
        note: `${segments} segments, after the kernel was asked to compact memory`,
        ...(aim && { aim }),
      },
      {
        ours: () => translateMs(pagemap, baseAddress, { lengthBytes, repeats }) * 1e3,
        baseline: () => Number(outputOf([program, ...args])) / 1e3,
      },
    );
  };
  return [name, measure];
}

function againstPython(name: string, { baseAddress }: LinearMemory, pagemap: Pagemap): BenchRow {
  const [python, ...program] = pythonProgram("translate");
  const pageCount = WHOLE_BYTES / pageSizeBytes;
  return comparePairs(
    {
      ...{ name, baseline: "Python, one pread a page", unit: "ns", runs: RUNS, aim: { atLeast: 30 } },
      note: "after the kernel was asked to compact memory; in a memory in pieces it is less",
    },
    {
      ours: () => (translateMs(pagemap, baseAddress, { lengthBytes: WHOLE_BYTES, repeats: 5 }) * 1e6) / pageCount,
      baseline: () =>
        Number(outputOf([python, ...program, String(process.pid), String(baseAddress), String(PYTHON_PAGES)])),
    },
  );
}

/** The median of several translations. */
function translateMs(pagemap: Pagemap, virtualAddress: bigint, { lengthBytes, repeats }: Size): number {
  const timesMs = Array.from({ length: repeats }, () => {
    const started = performance.now();
    pagemap.segmentsOf(virtualAddress, lengthBytes);
    return performance.now() - started;
  });
  return median(timesMs);
}

/** Gives the number of segments. */
function assertSameSegments(output: string, pagemap: Pagemap, virtualAddress: bigint, lengthBytes: number): number {
  const ours = [...pagemap.segmentsOf(virtualAddress, lengthBytes)];
  const lines = ours.map(
    ({ physicalAddress, lengthBytes }) => `${physicalAddress.toString(16)} ${lengthBytes.toString(16)}`,
  );
  // The first line of the output is the time.
  assert.equal(output.slice(output.indexOf("\n") + 1), lines.map((line) => `${line}\n`).join(""));
  return ours.length;
}
