import * as assert from "node:assert/strict";
import { randomNumbers } from "../host/board/fabric/port-timing";
import { parseDescription } from "../host/description/description-file";
import { AxiscriptError } from "../host/util/errors";
import { ScatterGatherList } from "../host/memory/scatter-gather";
import { pageSizeBytes } from "../host/native/libc";
import type { CompiledScript } from "../host/runtime/module/script";
import { takingWrite } from "./answering-device";
import { javascriptGate } from "./javascript-gate";
import { benchScript, type LinkedScript, linkScript, type UioImports } from "./linked-script";
import { type Aim, comparePairs, nsEach, type Row, rowOf } from "./measure";
import { registerFile } from "./register-file";

const RUNS = 31;
const REPEATS = 101;
const STARTS = 10_000;
const SEGMENTS = 64;
const FIRST_FRAME = 2 ** 20;
const STATUS_READY = 1;
const [GO_WRITE, GO_READ] = [1, 2];
const OFFSET = { STATUS: 0x00, CONTROL: 0x04, ADDR_LO: 0x08, ADDR_HI: 0x0c, LENGTH: 0x10 } as const;

/** A common engine: two halves of an address, a length, two start bits, and a status that says whether it is idle. */
const ENGINE = {
  kind: "Engine",
  summary: "A DMA engine for benchmarks.",
  match: { uioNames: ["engine"] },
  registers: [
    { name: "STATUS", offset: OFFSET.STATUS, access: "RO", fields: [{ name: "READY", bits: 0 }] },
    {
      ...{ name: "CONTROL", offset: OFFSET.CONTROL, access: "RW" },
      fields: [
        { name: "WRITE", bits: 0, access: "pulse" },
        { name: "READ", bits: 1, access: "pulse" },
      ],
    },
    { name: "ADDR_LO", offset: OFFSET.ADDR_LO, access: "RW" },
    { name: "ADDR_HI", offset: OFFSET.ADDR_HI, access: "RW" },
    { name: "LENGTH", offset: OFFSET.LENGTH, access: "RW", fields: [{ name: "BYTES", bits: "22:0" }] },
  ],
  dma: {
    address: { low: "ADDR_LO", high: "ADDR_HI", bits: 40 },
    length: { register: "LENGTH.BYTES", unitBytes: 1 },
    ...{ alignmentBytes: 16, burstBytes: 256, busyWithinUs: 0 },
    transfers: [
      { name: "write", direction: "writes", start: "CONTROL.WRITE" },
      { name: "read", direction: "reads", start: "CONTROL.READ" },
    ],
  },
  idle: [{ "STATUS.READY": 1 }],
};
const UNCHECKED = { ...ENGINE, dma: "none", idle: [] };

/** A script on an engine of its own. */
interface EngineScript extends LinkedScript<{
  readonly write: (offset: number, value: number, count: number) => void;
  readonly writeInTurn: (...args: [offset: number, first: number, step: number, ...rest: number[]]) => void;
}> {
  readonly words: Int32Array;
}

/**
 * The write that starts a transfer: checked against the memory that was granted, beside one that nobody checks and beside
 * the same check in JavaScript. The engine's registers are a plain file that says it is idle; one store, in all of these,
 * takes each start.
 */
export async function dmaStarts(): Promise<Row[]> {
  const compiled = await benchScript("registers");
  assertSameAnswers(compiled);
  const row = (segments: number, baseline: string, against: EngineScript, aim?: Aim): Row =>
    rowOf(`checked DMA start, ${segments} segments`, (name) =>
      comparePairs(
        { name, baseline, unit: "ns", runs: RUNS, ...(aim && { aim }) },
        { ours: startsOf(checked(compiled, segments), segments), baseline: startsOf(against, segments) },
      ),
    );
  const unchecked = linkEngine(compiled, UNCHECKED);
  return [
    row(1, "an unchecked write", unchecked),
    row(SEGMENTS, "an unchecked write", unchecked, { excessAtMost: 8 }),
    row(1024, "an unchecked write", unchecked),
    row(SEGMENTS, "the same check in a JavaScript import", throughJavascript(compiled, SEGMENTS), { atLeast: 3 }),
    rowOf("an address and a checked DMA start, each time in another of 64 segments", (name) =>
      comparePairs(
        { name, baseline: "two unchecked writes", unit: "ns", runs: RUNS },
        { ours: startsInTurn(checked(compiled, SEGMENTS)), baseline: startsInTurn(unchecked) },
      ),
    ),
  ];
}

/** Starts the same transfer, in the middle of the segments, over and over. */
function startsOf({ exports }: EngineScript, segments: number): () => number {
  const address = addressOf(Math.floor(segments / 2));
  exports.write(OFFSET.ADDR_HI, Math.floor(address / 2 ** 32), 1);
  exports.write(OFFSET.ADDR_LO, address % 2 ** 32, 1);
  exports.write(OFFSET.LENGTH, pageSizeBytes, 1);
  return () => nsEach(STARTS, REPEATS, () => exports.write(OFFSET.CONTROL, GO_WRITE, STARTS));
}

/** Starts a transfer in each of the segments, one after the other, over and over. */
function startsInTurn({ exports }: EngineScript): () => number {
  exports.write(OFFSET.ADDR_HI, Math.floor(addressOf(0) / 2 ** 32), 1);
  exports.write(OFFSET.LENGTH, pageSizeBytes, 1);
  const step = addressOf(1) - addressOf(0);
  const once = () =>
    exports.writeInTurn(OFFSET.ADDR_LO, addressOf(0) % 2 ** 32, step, OFFSET.CONTROL, GO_WRITE, SEGMENTS);
  const rounds = Math.ceil(STARTS / SEGMENTS);
  return () =>
    nsEach(rounds * SEGMENTS, REPEATS, () => {
      for (let round = 0; round < rounds; round++) once();
    });
}

function linkEngine(
  compiled: CompiledScript,
  description: object,
  change: (words: Int32Array) => UioImports = () => ({}),
): EngineScript {
  const device = registerFile("engine", { [OFFSET.STATUS]: STATUS_READY }, description);
  const script = linkScript<EngineScript["exports"]>(compiled, device, (functions) => {
    const changed = change(device.words);
    return { ...changed, write32: takingWrite(device, OFFSET.CONTROL, changed["write32"] ?? functions["write32"]) };
  });
  return { ...script, words: device.words };
}

function checked(compiled: CompiledScript, segments: number): EngineScript {
  const script = linkEngine(compiled, ENGINE);
  script.gate.granted.grant(segmentsOf(segments), "both");
  assert.equal(script.gate.granted.length, segments);
  return script;
}

function throughJavascript(compiled: CompiledScript, segments: number): EngineScript {
  const { granted } = checked(compiled, segments).gate;
  const intervals = Array.from({ length: granted.length }, (_, index) => granted.at(index));
  const description = parseDescription(JSON.stringify(ENGINE), "engine.json");
  return linkEngine(compiled, ENGINE, (words) => {
    const { read32, write32 } = javascriptGate(0, words, description, intervals);
    return { read32, write32 };
  });
}

/** Pages of every other frame: none of them touches the next. */
function segmentsOf(count: number): ScatterGatherList {
  const words = Array.from({ length: count }, (_, page) => [page, FIRST_FRAME + 2 * page, 0]).flat();
  return new ScatterGatherList({ virtualAddress: 0n, lengthBytes: count * pageSizeBytes }, Uint32Array.from(words));
}

function addressOf(segment: number): number {
  return (FIRST_FRAME + 2 * segment) * pageSizeBytes;
}

/** Random transfers around the ends of the segments: both let the same ones through, and the device sees the same. */
function assertSameAnswers(compiled: CompiledScript): void {
  const random = randomNumbers(7);
  const below = (limit: number) => Math.floor(random() * limit);
  const counts = { passed: 0, refused: 0 };
  const theirs = throughJavascript(compiled, SEGMENTS);
  let ours = checked(compiled, SEGMENTS);
  for (let round = 0; round < 200; round++) {
    const address = Math.max(
      addressOf(below(SEGMENTS + 2) - 1) + 16 * (below(512) - 128) + (below(8) === 0 ? 4 : 0),
      0,
    );
    const lengthBytes = [0, 16, 256, pageSizeBytes, below(2 * pageSizeBytes), 2 ** 23][below(6)] ?? 0;
    const high = Math.floor(address / 2 ** 32) + (below(16) === 0 ? 2 ** below(12) : 0);
    const control = [GO_WRITE, GO_READ][below(2)] ?? 0;
    const answers = [ours, theirs].map(({ exports: { write }, words }) => {
      words.fill(0, 1);
      write(OFFSET.ADDR_HI, high, 1);
      write(OFFSET.ADDR_LO, address % 2 ** 32, 1);
      write(OFFSET.LENGTH, lengthBytes, 1);
      const passed = passes(() => write(OFFSET.CONTROL, control, 1));
      return { passed, words: words.slice(0, 8) };
    });
    assert.deepEqual(answers[0], answers[1]);
    counts[answers[0]?.passed === true ? "passed" : "refused"]++;
    // A refusal shuts the gate.
    if (!ours.gate.refusal) continue;
    ours.gate.closeAll();
    ours = checked(compiled, SEGMENTS);
  }
  assert.ok(counts.passed > 20 && counts.refused > 20, JSON.stringify(counts));
}

function passes(start: () => void): boolean {
  try {
    start();
    return true;
  } catch (error) {
    if (error instanceof AxiscriptError) assert.equal(error.code, "ERR_AXI_DMA_REFUSED");
    return false;
  }
}
