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
 * A signal handler that sets a byte for its signal, and then calls another handler if there is one. Signal handlers may
 * not call into JavaScript, and the C library has no function that does this; hence a few instructions of our own.
 *
 *   data page:  0 ┌──────────────┐     code page:  0 ┌───────────────────────────┐
 *                 │ byte a signal│                   │ data[signal] = 1          │
 *              64 ├──────────────┤                   │ jump to *(data + NEXT)    │
 *          (NEXT) │ address      │              RETURN │ return                    │
 *                 └──────────────┘                   └───────────────────────────┘
 */
const SIGNALS = 64;
const NEXT = SIGNALS;

/** The instructions, and the offset of the one that returns. */
function assemble(dataAddress: number): { code: Uint8Array; returnOffset: number } {
  const data = new Uint8Array(new BigUint64Array([BigInt(dataAddress)]).buffer);
  if (process.arch === "x64") {
    // endbr64; mov rax, data; mov byte [rax + rdi], 1; jmp [rax + NEXT]; ret
    const code = [0xf3, 0x0f, 0x1e, 0xfa, 0x48, 0xb8, ...data, 0xc6, 0x04, 0x38, 0x01, 0xff, 0x60, NEXT, 0xc3];
    return { code: Uint8Array.from(code), returnOffset: code.length - 1 };
  }
  // ldr x9, data; mov w10, #1; strb w10, [x9, x0]; ldr x9, [x9, #NEXT]; br x9; ret; data
  const words = [0x580000c9, 0x5280002a, 0x3820692a, 0xf9402129, 0xd61f0120, 0xd65f03c0];
  return { code: Uint8Array.from([...new Uint8Array(Uint32Array.from(words).buffer), ...data]), returnOffset: 20 };
}

const dataAddress = map(pageSizeBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);
const codeAddress = map(pageSizeBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);
const { code, returnOffset } = assemble(dataAddress);
viewMemory(codeAddress, code.length).set(code);
protectMemory(codeAddress, pageSizeBytes, PROT_READ | PROT_EXEC);
const next = new DataView(viewMemory(dataAddress + NEXT, 8).buffer);

/** Address of the handler. */
export const recorderAddress: bigint = BigInt(codeAddress);

/** One byte for each signal number: 1 when the handler was called for it. */
export const recordedSignals: Uint8Array = viewMemory(dataAddress, SIGNALS);

/** Sets the address of the handler that is called next; absent: none. */
export function forwardRecorded(handler: bigint | undefined): void {
  next.setBigUint64(0, handler ?? recorderAddress + BigInt(returnOffset), true);
}
