import { AxiscriptError } from "../../util/errors";

/** Reads what WebAssembly's binary format is made of. Source: WebAssembly Core Specification 2.0, chapter 5. */
export class BinaryReader {
  position = 0;
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get done(): boolean {
    return this.position >= this.#bytes.length;
  }

  skip(count: number): void {
    this.position += count;
  }

  byte(): number {
    const byte = this.#bytes[this.position++];
    if (byte === undefined) throw unknown("a module that is cut off");
    return byte;
  }

  /** LEB128; multiplication keeps values of up to 53 bits exact. */
  unsigned(): number {
    let value = 0;
    let factor = 1;
    for (;;) {
      const byte = this.byte();
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value;
      factor *= 0x80;
    }
  }

  /** Calls a function for each element of a vector. */
  each(element: () => void): void {
    for (let rest = this.unsigned(); rest > 0; rest--) element();
  }

  vector<T>(element: () => T): T[] {
    const elements: T[] = [];
    this.each(() => elements.push(element()));
    return elements;
  }

  /** A view of the next `count` bytes. */
  bytes(count: number): Uint8Array {
    this.skip(count);
    return this.#bytes.subarray(this.position - count, this.position);
  }

  text(): string {
    return Buffer.from(this.bytes(this.unsigned())).toString("utf8");
  }
}

/** For constructs that are not known here; what V8 does not know either, it says by itself. */
export function unknown(what: string): AxiscriptError {
  return new AxiscriptError("ERR_AXI_NOT_WASM", `Cannot read the WebAssembly module: it uses ${what}.`);
}
