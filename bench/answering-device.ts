import { closeSync, openSync } from "node:fs";
import { pageSizeBytes } from "../host/native/libc";
import { overlayFile } from "../host/native/memory-overlay";
import { assemble, call, get, i32, type TypeSketch } from "../host/wasm/assembler";
import type { UioImports } from "./linked-script";
import type { RegisterFile } from "./register-file";

const STATUS_OFFSET = 0x10;
const CONTROL_OFFSET = 0x14;
const READY = 0x300;
const POLL: TypeSketch = { parameters: ["i32", "i32", "i32", "i32", "i32"], results: ["i32"] };
const [WINDOW, OFFSET, MASK, VALUE, TIMEOUT_MS] = [0, 1, 2, 3, 4];

const WRITE: TypeSketch = { parameters: ["i32", "i32", "i32"] };

/**
 * An engine that takes each start at once: `write32`, after which one store clears the register in which starts are.
 *
 * @param startOffset of that register
 * @param write32 of the gate, or in place of it
 */
export function takingWrite(
  { path }: RegisterFile,
  startOffset: number,
  write32: UioImports[string] | undefined,
): UioImports[string] {
  const module = assemble({
    imports: [{ module: "gate", name: "write32", ...WRITE }],
    memory: { pages: 1, from: ["device", "memory"] },
    functions: [
      {
        ...WRITE,
        body: [call(0, ...[0, 1, 2].map(get)), i32.store(i32.const(0), i32.const(0), startOffset)],
      },
    ],
    exports: { write32: 1 },
  });
  const imports = { gate: { write32 }, device: { memory: mapped(path) } } as unknown as WebAssembly.Imports;
  return new WebAssembly.Instance(new WebAssembly.Module(module), imports).exports["write32"] as UioImports[string];
}

/** A mapping of a device's own. */
function mapped(path: string): WebAssembly.Memory {
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 1 });
  const fd = openSync(path, "r+");
  overlayFile(memory, 0, pageSizeBytes, fd, 0);
  closeSync(fd);
  return memory;
}

/**
 * An AXI Proxy that is done at once, on the thread of the script that polls it: the gate's `poll32`, before which two stores
 * take the pulses and put into STATUS what the poll waits for. It has a mapping of its own, as the devices of the baselines
 * do.
 *
 * @param poll32 the gate's
 */
export function answeringPoll({ path }: RegisterFile, poll32: UioImports[string] | undefined): UioImports[string] {
  const memory = mapped(path);
  const module = assemble({
    imports: [{ module: "gate", name: "poll32", ...POLL }],
    memory: { pages: 1, from: ["device", "memory"] },
    functions: [
      {
        ...POLL,
        body: [
          i32.store(i32.const(0), i32.const(0), CONTROL_OFFSET),
          i32.store(i32.const(0), i32.or(get(VALUE), i32.const(READY)), STATUS_OFFSET),
          call(0, ...[WINDOW, OFFSET, MASK, VALUE, TIMEOUT_MS].map(get)),
        ],
      },
    ],
    exports: { poll32: 1 },
  });
  const imports = { gate: { poll32 }, device: { memory } } as unknown as WebAssembly.Imports;
  return new WebAssembly.Instance(new WebAssembly.Module(module), imports).exports["poll32"] as UioImports[string];
}
