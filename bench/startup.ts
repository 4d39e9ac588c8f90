import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { compileScript, writeScript } from "../host/index";
import { type BenchRow, compareCommands } from "./measure";

const PACKAGE = join(__dirname, "../..");
const AXISCRIPT = join(PACKAGE, "dist/host/cli/main.js");

/** From the shell to the end: a compiled script that programs a virtual board and makes two transfers. */
export async function startup(): Promise<BenchRow> {
  const directory = mkdtempSync(join(tmpdir(), "axiscript-bench-"));
  try {
    const wasm = join(directory, "script.wasm");
    writeScript(await compileScript(join(PACKAGE, "examples/numpy-acceleration.ts"), { cacheDirectory: false }), wasm);
    const { execPath } = process;
    return compareCommands(
      "axiscript run, compiled script, virtual board",
      "node -e 0",
      [
        [execPath, AXISCRIPT, "run", "--board=virtual", wasm],
        [execPath, "-e", "0"],
      ],
      { runs: 31, aim: 2.5 },
    );
  } finally {
    rmSync(directory, { recursive: true });
  }
}
