import { AxiscriptError } from "../../util/errors";

/** Counts what a script prints, and ends it when that is too much. */
export class OutputLimit {
  readonly #maxBytes: number;
  #usedBytes = 0;

  /** @param maxBytes absent: no limit */
  constructor(maxBytes: number | undefined) {
    this.#maxBytes = maxBytes ?? Infinity;
  }

  /**
   * Prints what is allowed of some bytes, and ends the script if that is not all. What ends it cannot be caught.
   *
   * @param print prints a piece; gives how many bytes it printed
   */
  print<T extends { readonly count: number }>(bytes: Uint8Array, print: (piece: Uint8Array) => T): T {
    const rest = this.#maxBytes - this.#usedBytes;
    const printed = print(rest < bytes.length ? bytes.subarray(0, rest) : bytes);
    this.#usedBytes += printed.count;
    if (printed.count === rest && rest < bytes.length) this.#end();
    return printed;
  }

  /** For what is told to the user by other ways: all of it is told, or the script ends. */
  count(lengthBytes: number): void {
    this.#usedBytes += lengthBytes;
    if (this.#usedBytes > this.#maxBytes) this.#end();
  }

  #end(): never {
    const { endScript } = require("./uncatchable") as typeof import("./uncatchable");
    const message =
      `The script was stopped: it printed more than ${this.#maxBytes} bytes. ` +
      "Raise the limit (--max-output) if it is meant to print that much.";
    return endScript(new AxiscriptError("ERR_AXI_LIMIT", message));
  }
}
