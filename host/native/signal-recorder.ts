import {
  MAP_ANONYMOUS,
  MAP_PRIVATE,
  map,
  pageSizeBytes,
  PROT_EXEC,
  PROT_READ,
  PROT_WRITE,
  protectMemory,
  viewMemory,
} from "./libc";

/*
 * A signal handler that sets a byte for its signal. Signal handlers may not call into JavaScript, and the C library has no
 * function that does this; hence a few instructions of our own, in a page of code, and a page of data for the bytes.
 */
const SIGNALS = 64;

/** The instructions. */
function assemble(dataAddress: number): Uint8Array {
  const data = new Uint8Array(new BigUint64Array([BigInt(dataAddress)]).buffer);
  if (process.arch === "x64") {
    // endbr64; mov rax, data; mov byte [rax + rdi], 1; ret
    return Uint8Array.from([0xf3, 0x0f, 0x1e, 0xfa, 0x48, 0xb8, ...data, 0xc6, 0x04, 0x38, 0x01, 0xc3]);
  }
  // ldr x9, data; mov w10, #1; strb w10, [x9, x0]; ret; data
  const words = [0x58000089, 0x5280002a, 0x3820692a, 0xd65f03c0];
  return Uint8Array.from([...new Uint8Array(Uint32Array.from(words).buffer), ...data]);
}

const dataAddress = map(pageSizeBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);
const codeAddress = map(pageSizeBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);
const code = assemble(dataAddress);
viewMemory(codeAddress, code.length).set(code);
protectMemory(codeAddress, pageSizeBytes, PROT_READ | PROT_EXEC);

/** Address of the handler. */
export const recorderAddress: bigint = BigInt(codeAddress);

/** One byte for each signal number: 1 when the handler was called for it. */
export const recordedSignals: Uint8Array = viewMemory(dataAddress, SIGNALS);
