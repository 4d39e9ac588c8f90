import { AxiscriptError, type ErrorCode, messageOf } from "../../../util/errors";
import { isStackOverflow } from "../../module/stack-reserve";

/** Linux errno values (asm-generic) that a script sees, negated, for the codes that have one; EIO for the others. */
const ERRNO: Partial<Record<ErrorCode, number>> = {
  ERR_AXI_NO_PAGE_FRAME_NUMBERS: 1,
  ERR_AXI_FIRMWARE_NOT_FOUND: 2,
  ERR_AXI_NO_PAGEMAP: 2,
  ERR_AXI_PIN: 12,
  ERR_AXI_DEVICE_ACCESS: 13,
  ERR_AXI_FIRMWARE_ACCESS: 13,
  ERR_AXI_NOT_ALLOWED: 13,
  ERR_AXI_BAD_POINTER: 14,
  ERR_AXI_PAGE_NOT_PRESENT: 14,
  ERR_AXI_NO_HUGE_PAGES: 12,
  ERR_AXI_NOT_CONTIGUOUS: 12,
  ERR_AXI_OUT_OF_MEMORY: 12,
  ERR_AXI_LIMIT: 12,
  ERR_AXI_DEVICE_BUSY: 16,
  ERR_AXI_DEVICE_IN_USE: 16,
  ERR_AXI_WRONG_DEVICE: 19,
  ERR_AXI_OVERLAY_EXISTS: 17,
  ERR_AXI_NO_SUCH_DEVICE: 19,
  ERR_AXI_NO_FPGA_MANAGER: 19,
  ERR_AXI_NO_CONFIGFS: 19,
  ERR_AXI_NO_U_DMA_BUF: 19,
  ERR_AXI_BAD_ARGUMENT: 22,
  ERR_AXI_AMBIGUOUS_DEVICE: 22,
  ERR_AXI_BAD_BITSTREAM: 22,
  ERR_AXI_OVERLAY_REJECTED: 22,
  ERR_AXI_NO_SUCH_REGION: 22,
  ERR_AXI_TOO_MANY_WINDOWS: 24,
  ERR_AXI_NOT_SYNCABLE: 95,
  ERR_AXI_PAGE_MOVED: 116,
};
const EIO = 5;

/** How host functions answer: with a result, or with an errno, negated, and the error kept for the script to raise. */
export class HostResults {
  #lastError: AxiscriptError | undefined;

  /** What the last function that failed has to say. */
  get lastError(): AxiscriptError | undefined {
    return this.#lastError;
  }

  readonly number = (body: () => number): number => this.#attempt(body, (errno) => errno);

  /** 0 if nothing is thrown. */
  readonly done = (body: () => void): number =>
    this.number(() => {
      body();
      return 0;
    });

  readonly address = (body: () => bigint): bigint => this.#attempt(body, BigInt);

  #attempt<T extends number | bigint>(body: () => T, failure: (errno: number) => T): T {
    try {
      return body();
    } catch (error) {
      // That is the script's own doing, and no answer.
      if (isStackOverflow(error)) throw error;
      this.#lastError =
        error instanceof AxiscriptError ? error : new AxiscriptError("ERR_AXI_IO", messageOf(error), { cause: error });
      return failure(-(ERRNO[this.#lastError.code] ?? EIO));
    }
  }
}

/**
 * One of several values by its number.
 *
 * @throws AxiscriptError ERR_AXI_BAD_ARGUMENT
 */
export function choose<T>(what: string, choices: readonly T[], index: number): T {
  const chosen = choices[index];
  if (chosen !== undefined) return chosen;
  throw new AxiscriptError(
    "ERR_AXI_BAD_ARGUMENT",
    `Cannot use ${what} ${index}: it is 0 to ${choices.length - 1} (${choices.join(", ")}).`,
  );
}
