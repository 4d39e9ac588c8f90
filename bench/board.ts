import { rmSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { writeScript } from "../host/index";
import { cProgram } from "./baselines";
import { benchScript } from "./linked-script";
import { type BenchRow, type CommandLine, comparePairs, outputOf, type Row, rowOf } from "./measure";

const RUNS = 7;
const AXISCRIPT = join(__dirname, "../host/cli/main.js");

/** The virtual board under load: how soon it has answered a small transfer, and how fast it moves much. */
export async function board(): Promise<Row[]> {
  const directory = mkdtempSync(join(tmpdir(), "axiscript-bench-"));
  try {
    const wasm = join(directory, "board.wasm");
    writeScript(await benchScript("board"), wasm);
    const command: CommandLine = [process.execPath, AXISCRIPT, "run", "--board=virtual", wasm];
    /** One of the numbers that the script prints, beside what a program in C prints. */
    const row = (line: number, what: string, about: Pick<BenchRow, "name" | "baseline" | "unit" | "aim" | "note">) =>
      rowOf(about.name, () =>
        comparePairs(
          { ...about, runs: RUNS },
          {
            ours: () => Number(outputOf(command).split("\n")[line]),
            baseline: () => Number(outputOf([cProgram("board", "-pthread"), what])),
          },
        ),
      );
    return [
      row(0, "handshake", {
        name: "AXI Proxy transfer on the virtual board",
        baseline: "two round trips between spinning threads in C",
        unit: "µs",
        aim: { valueAtMost: 10 },
        note: "100,000 a second are 10 µs each; the transfer, and then DONE_CLEAR, are one round trip each",
      }),
      row(1, "fill", {
        name: "Traffic Generator, 32 MiB on the virtual board",
        baseline: "the same bytes through /proc/self/mem in C",
        unit: "ms",
        aim: { valueAtMost: 33.5 },
        note: "1 GB/s is 33.5 ms",
      }),
    ];
  } finally {
    rmSync(directory, { recursive: true });
  }
}
