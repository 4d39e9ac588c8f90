import { AxiscriptError, messageOf } from "../util/errors";
import { addressOf, adviseMemory, MADV_NOHUGEPAGE } from "../native/libc";
import { GATE_MEMORY_PAGES } from "./layout";

/**
 * Other threads never see it. But V8 counts memory that they could see to nobody, and the rest to the program: of that
 * much it collects the garbage before every run, though hardly any of these addresses have a page.
 */
const GATE_MEMORY = { initial: GATE_MEMORY_PAGES, maximum: GATE_MEMORY_PAGES, shared: true };

/**
 * Reserves the memory of a gate.
 *
 * @throws AxiscriptError ERR_AXI_OUT_OF_MEMORY
 */
export function reserveGateMemory(): WebAssembly.Memory {
  try {
    const memory = new WebAssembly.Memory(GATE_MEMORY);
    keepSparse(memory);
    return memory;
  } catch (cause) {
    const message = `Cannot reserve addresses for device registers: ${messageOf(cause)}. Is the address space limited (ulimit -v)?`;
    throw new AxiscriptError("ERR_AXI_OUT_OF_MEMORY", message, { cause });
  }
}

/** Has the kernel give the memory small pages: of each of its tables some bytes are used, as a rule. */
function keepSparse({ buffer }: WebAssembly.Memory): void {
  try {
    adviseMemory(addressOf(new Uint8Array(buffer)), buffer.byteLength, MADV_NOHUGEPAGE);
  } catch {
    // A kernel that has no huge pages has no such advice either.
  }
}
