import { AxiscriptError, hex, messageOf } from "../util/errors";
import { addressOf } from "../native/libc";

/** The size of a WebAssembly page in bytes. */
export const WASM_PAGE_BYTES = 65536;
/** The longest text that a script can give: names, paths, messages. */
const MAX_TEXT_BYTES = 2 ** 20;
/** The most that a 32-bit memory can have. */
export const MAX_MEMORY_BYTES = 2 ** 32;

/** A run of bytes in this process. */
export interface MemoryRange {
  readonly virtualAddress: bigint;
  readonly lengthBytes: number;
}

/** Limits of a memory in WebAssembly pages of 64 KiB. */
export interface MemoryLimits {
  readonly initial: number;
  /** Absent: the most that WebAssembly allows, 65536 pages. */
  readonly maximum?: number;
}

/**
 * A script's linear memory, created by the host, which alone knows where it lies.
 *
 * ```
 *   baseAddress                                    baseAddress + lengthBytes
 *   ▼                                              ▼
 *   ├──────────── committed, grows ───────────────▶┊┄┄ reserved up to maximum ┄┄┤
 *   guestPtr 0
 * ```
 *
 * A maximum is always declared, so that V8 reserves the whole range and growth never moves the base.
 */
export class LinearMemory {
  readonly memory: WebAssembly.Memory;
  #bytes: Uint8Array;
  #baseAddress = 0n;

  /** @throws AxiscriptError ERR_AXI_OUT_OF_MEMORY if the system cannot provide the initial size */
  constructor(limits: MemoryLimits) {
    try {
      this.memory = new WebAssembly.Memory({ initial: limits.initial, maximum: limits.maximum ?? 65536 });
    } catch (cause) {
      throw new AxiscriptError(
        "ERR_AXI_OUT_OF_MEMORY",
        `Cannot create a linear memory of ${limits.initial} pages of 64 KiB: ${messageOf(cause)}`,
        { cause },
      );
    }
    this.#bytes = new Uint8Array(this.memory.buffer);
  }

  /** The virtual address of guest pointer 0; 0 while the memory has no bytes. */
  get baseAddress(): bigint {
    if (this.#baseAddress === 0n && this.bytes.byteLength > 0) this.#baseAddress = BigInt(addressOf(this.bytes));
    return this.#baseAddress;
  }

  /** All bytes as they are now. A view is good until the script grows its memory. */
  get bytes(): Uint8Array {
    // Growth detaches the buffer, and a view on it then has length 0.
    if (this.#bytes.byteLength === 0) this.#bytes = new Uint8Array(this.memory.buffer);
    return this.#bytes;
  }

  get range(): MemoryRange {
    return { virtualAddress: this.baseAddress, lengthBytes: this.bytes.byteLength };
  }

  /**
   * A view of what a script calls `guestPtr`, `lengthBytes`: below 0, they are unsigned numbers of 32 bits.
   *
   * @throws AxiscriptError ERR_AXI_BAD_POINTER if any byte lies outside the memory
   */
  view(guestPtr: number, lengthBytes: number): Uint8Array {
    const start = guestPtr >>> 0;
    const length = lengthBytes < 0 ? lengthBytes >>> 0 : lengthBytes;
    const bytes = this.bytes;
    if (start + length > bytes.byteLength) {
      throw new AxiscriptError(
        "ERR_AXI_BAD_POINTER",
        `Cannot use ${length} bytes at guest pointer ${hex(start)}: the linear memory ends at ${hex(bytes.byteLength)}.`,
      );
    }
    return bytes.subarray(start, start + length);
  }

  /** The UTF-8 text at a guest pointer. Throws as {@link view}; ERR_AXI_BAD_ARGUMENT for more than 1 MiB. */
  text(guestPtr: number, lengthBytes: number): string {
    if (lengthBytes >>> 0 > MAX_TEXT_BYTES) {
      throw new AxiscriptError(
        "ERR_AXI_BAD_ARGUMENT",
        `Cannot use a text of ${lengthBytes >>> 0} bytes: it has at most ${MAX_TEXT_BYTES}.`,
      );
    }
    return Buffer.from(this.view(guestPtr, lengthBytes)).toString("utf8");
  }

  /**
   * The guest pointer of a virtual address.
   *
   * @throws AxiscriptError ERR_AXI_PAGE_NOT_PRESENT if the address is not in this memory
   */
  guestPointerOf(virtualAddress: bigint): number {
    const { lengthBytes } = this.range;
    const offset = virtualAddress - this.baseAddress;
    if (offset < 0n || offset >= BigInt(lengthBytes)) {
      const end = this.baseAddress + BigInt(lengthBytes);
      throw new AxiscriptError(
        "ERR_AXI_PAGE_NOT_PRESENT",
        `Cannot translate virtual address ${hex(virtualAddress)}: its page is not present in the script's linear ` +
          `memory, which spans ${hex(this.baseAddress)} to ${hex(end)}. Take the address from virtualAddressOf().`,
      );
    }
    return Number(offset);
  }
}
