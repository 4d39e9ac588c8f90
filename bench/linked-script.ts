import { join } from "node:path";
import { FpgaManager } from "../host/linux/fpga-manager";
import { Gate } from "../host/gate/gate";
import { LinearMemory } from "../host/memory/linear-memory";
import { MEMORY_IMPORT } from "../host/runtime/abi/abi";
import { openBoard } from "../host/runtime/boards/board-handle";
import { compileScript } from "../host/runtime/compile/compile";
import { hostFunctions } from "../host/runtime/abi/host-functions";
import { loadModule } from "../host/runtime/module/module";
import { createPermissions } from "../host/runtime/permissions/create";
import type { CompiledScript } from "../host/runtime/module/script";
import { createWasi } from "../host/runtime/wasi/wasi";
import type { RegisterFile } from "./register-file";

const SCRIPTS = join(__dirname, "../../bench/scripts");
const UIO = "axiscript:uio@1";

/** Compiles a script of `bench/scripts`, as `axiscript run` would. */
export async function benchScript(name: string): Promise<CompiledScript> {
  return compileScript(join(SCRIPTS, `${name}.ts`), { cacheDirectory: false });
}

/** Functions that a script imports from `axiscript:uio@1`, by name. */
export type UioImports = Readonly<Record<string, (...args: number[]) => unknown>>;

/** A script that has run to its end and whose exports are called from outside, so that nothing but these is timed. */
export interface LinkedScript<Exports> {
  readonly exports: Exports;
  readonly gate: Gate;
}

/**
 * Links a script as a run does, on the device of a register file, and runs its top level.
 *
 * @param change functions to import in place of the host's
 */
export function linkScript<Exports>(
  script: CompiledScript,
  { sysroot: directory, deviceDirectories }: RegisterFile,
  change: (functions: UioImports) => UioImports = () => ({}),
): LinkedScript<Exports> {
  const { module, memory: limits } = loadModule(script);
  const memory = new LinearMemory(limits);
  const gate = new Gate();
  const { sysroot, catalog } = openBoard({
    ...{ kind: "virtual", sysroot: directory, deviceDirectories },
    ...{ addressNote: undefined, memory: undefined },
  });
  const permissions = createPermissions({ board: "virtual", script });
  const wasi = createWasi({ args: [], env: {}, stdin: 0, stdout: 1, stderr: 2, permissions, module }, memory);
  const functions = hostFunctions({
    ...{ memory, gate, sysroot, catalog, permissions, fpga: new FpgaManager(sysroot) },
    deviceMemory: () => {
      throw new Error("the scripts of the benchmark ask for no memory");
    },
    note: () => undefined,
  });
  const uio = functions[UIO] as unknown as UioImports;
  const imports: Record<string, Record<string, WebAssembly.ImportValue>> = {
    ...(functions as unknown as Record<string, Record<string, WebAssembly.ImportValue>>),
    wasi_snapshot_preview1: wasi.imports,
    [UIO]: { ...uio, ...change(uio) },
  };
  imports[MEMORY_IMPORT.module] = { ...imports[MEMORY_IMPORT.module], [MEMORY_IMPORT.name]: memory.memory };
  const instance = new WebAssembly.Instance(module, imports);
  wasi.start(instance);
  return { exports: instance.exports as unknown as Exports, gate };
}
