import { closeSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import {
  createRuntime,
  type OptimizationLevel,
  type RunOptions,
  type RunResult,
  type RuntimeOptions,
} from "../../host/index";
import { temporaryDirectory, temporaryFile } from "./temporary";

const cacheDirectory = temporaryDirectory();
/** Another one than the default shows that scripts do the same there; "0" compiles in a third of the time. */
const optimize = (process.env["AXISCRIPT_TEST_OPTIMIZE"] ?? "2") as OptimizationLevel;

/** Lines that every script about the AXI Proxy begins with: a programmed board and the `hpc` core. */
export const WITH_PROXY = `
import { AxiProxy, CacheLineArray, FpgaManager, hex, list, UioDevice, VirtualToPhysical, virtualAddressOf } from "axiscript/assembly";
const fpga = new FpgaManager();
const firmware = "/lib/firmware/xilinx/axi_proxy/axi_proxy";
if (!fpga.isProgrammed()) fpga.programBitstream(firmware + ".bit.bin", firmware + ".dtbo");
const device = UioDevice.open("AxiProxy", "hpc");
`;

export interface ScriptRun extends RunResult {
  readonly stdout: string;
}

/** Compiles and runs a script's text on a fresh virtual board; gives what it printed. */
export async function runText(
  source: string,
  runtimeOptions: RuntimeOptions = {},
  runOptions: RunOptions = {},
): Promise<ScriptRun> {
  return runFile(temporaryFile("script.ts", source), runtimeOptions, runOptions);
}

/** As {@link runText}, for a file. */
export async function runFile(
  script: string,
  runtimeOptions: RuntimeOptions = {},
  runOptions: RunOptions = {},
): Promise<ScriptRun> {
  const output = join(temporaryDirectory(), "stdout");
  const stdout = openSync(output, "w");
  const runtime = await createRuntime({ board: "virtual", cacheDirectory, optimize, ...runtimeOptions });
  try {
    const result = await runtime.run(script, { timeoutMs: 20_000, ...runOptions, stdout });
    return { ...result, stdout: readFileSync(output, "utf8") };
  } finally {
    await runtime.close();
    closeSync(stdout);
  }
}
