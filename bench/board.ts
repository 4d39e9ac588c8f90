import { rmSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { writeScript } from "../host/index";
import { cProgram } from "./baselines";
import { benchScript } from "./linked-script";
import { comparePairs, outputOf, type Row, rowOf } from "./measure";

const RUNS = 7;
const AXISCRIPT = join(__dirname, "../host/cli/main.js");

/** The virtual board under load: how soon it has answered a small transfer, and how fast it moves much. */
export async function board(): Promise<Row[]> {
  const directory = mkdtempSync(join(tmpdir(), "axiscript-bench-"));
  try {
    const wasm = join(directory, "board.wasm");
    writeScript(await benchScript("board"), wasm);
    const ours = (line: number) => () =>
      Number(outputOf([process.execPath, AXISCRIPT, "run", "--board=virtual", wasm]).split("\n")[line]);
    const baseline = (what: string) => () => Number(outputOf([cProgram("board", "-pthread"), what]));
    const [transfer, bulk] = [
      "AXI Proxy transfer on the virtual board",
      "Traffic Generator, 32 MiB on the virtual board",
    ];
    return [
      rowOf(transfer, (name) =>
        comparePairs(
          {
            name,
            baseline: "two round trips between spinning threads in C",
            unit: "µs",
            runs: RUNS,
            aim: { valueAtMost: 10 },
            note: "100,000 a second are 10 µs each; the transfer, and then DONE_CLEAR, are one round trip each",
          },
          { ours: ours(0), baseline: baseline("handshake") },
        ),
      ),
      rowOf(bulk, (name) =>
        comparePairs(
          {
            name,
            baseline: "the same bytes through /proc/self/mem in C",
            unit: "ms",
            runs: RUNS,
            aim: { valueAtMost: 33.5 },
            note: "1 GB/s is 33.5 ms",
          },
          { ours: ours(1), baseline: baseline("fill") },
        ),
      ),
    ];
  } finally {
    rmSync(directory, { recursive: true });
  }
}
