import { escapeControls, escapeLines } from "./escape";
import { causeOfFailure } from "./node-failures";

/**
 * Every stable error code, with the kind of mistake it stands for. Match on `code`; messages may be reworded.
 */
export const ERROR_KINDS = {
  ERR_AXI_UNSUPPORTED_PLATFORM: "platform",
  ERR_AXI_INSTALLATION: "platform",
  ERR_AXI_NODE_OPTIONS: "platform",
  ERR_AXI_PROCESS_LIMIT: "io",
  ERR_AXI_USAGE: "usage",
  ERR_AXI_SCRIPT_NOT_FOUND: "usage",
  ERR_AXI_NO_COMPILER: "usage",
  ERR_AXI_COMPILE: "compile",
  ERR_AXI_NOT_WASM: "link",
  ERR_AXI_LINK: "link",
  ERR_AXI_NO_ENTRY: "link",
  ERR_AXI_TRAP: "trap",
  ERR_AXI_ABORT: "trap",
  ERR_AXI_GATE: "trap",
  ERR_AXI_TIMEOUT: "stopped",
  ERR_AXI_INTERRUPTED: "stopped",
  ERR_AXI_BROKEN_PIPE: "stopped",
  ERR_AXI_BAD_POINTER: "argument",
  ERR_AXI_BAD_ARGUMENT: "argument",
  ERR_AXI_NO_SUCH_DEVICE: "device",
  ERR_AXI_AMBIGUOUS_DEVICE: "device",
  ERR_AXI_DEVICE_ACCESS: "device",
  ERR_AXI_WRONG_DEVICE: "device",
  ERR_AXI_TOO_MANY_WINDOWS: "device",
  ERR_AXI_IOMMU: "device",
  ERR_AXI_NOT_READY: "device",
  ERR_AXI_TRANSFER_TIMEOUT: "device",
  ERR_AXI_UNALIGNED: "argument",
  ERR_AXI_ADDRESS_RANGE: "argument",
  ERR_AXI_WORD_COUNT: "argument",
  ERR_AXI_PAGE_NOT_PRESENT: "memory",
  ERR_AXI_NO_PAGE_FRAME_NUMBERS: "permission",
  ERR_AXI_NO_PAGEMAP: "permission",
  ERR_AXI_PAGE_MOVED: "memory",
  ERR_AXI_PIN: "memory",
  ERR_AXI_OUT_OF_MEMORY: "memory",
  ERR_AXI_NO_HUGE_PAGES: "memory",
  ERR_AXI_NO_U_DMA_BUF: "memory",
  ERR_AXI_NOT_CONTIGUOUS: "memory",
  ERR_AXI_NOT_SYNCABLE: "memory",
  ERR_AXI_NO_SUCH_REGION: "memory",
  ERR_AXI_REGION_FREED: "memory",
  ERR_AXI_SHARED_CACHE_LINE: "memory",
  ERR_AXI_DEVICE_BUSY: "device",
  ERR_AXI_NO_FPGA_MANAGER: "fpga",
  ERR_AXI_NO_CONFIGFS: "fpga",
  ERR_AXI_FIRMWARE_NOT_FOUND: "fpga",
  ERR_AXI_FIRMWARE_ACCESS: "fpga",
  ERR_AXI_BAD_BITSTREAM: "fpga",
  ERR_AXI_OVERLAY_EXISTS: "fpga",
  ERR_AXI_OVERLAY_REJECTED: "fpga",
  ERR_AXI_BOARD: "board",
  ERR_AXI_BOARD_BUSY: "board",
  ERR_AXI_BOARD_OWNER: "board",
  ERR_AXI_IO: "io",
  ERR_AXI_NOT_ALLOWED: "permission",
  ERR_AXI_DMA_REFUSED: "trap",
  ERR_AXI_DEVICE_IN_USE: "device",
  ERR_AXI_DESCRIPTION: "usage",
  ERR_AXI_MODEL: "usage",
  ERR_AXI_NO_SUCH_REGISTER: "argument",
  ERR_AXI_NO_INTERRUPT: "device",
  ERR_AXI_LIMIT: "stopped",
  ERR_AXI_ABORTED: "stopped",
} as const;

/** A stable error code of axiscript, documented to be matched on. */
export type ErrorCode = keyof typeof ERROR_KINDS;

/** The family that an error code belongs to. */
export type ErrorKind = (typeof ERROR_KINDS)[ErrorCode];

/** True if `text` is one of the codes in {@link ERROR_KINDS}. */
export function isErrorCode(text: string): text is ErrorCode {
  return Object.hasOwn(ERROR_KINDS, text);
}

/** A place in a script's source. Lines and columns count from 1. */
export interface SourcePosition {
  /** Path relative to the working directory, or `~lib/…` for library code. */
  readonly file: string;
  readonly line: number;
  readonly column: number;
  /** The script's function, where the module names it. */
  readonly functionName?: string;
  /** Set where library code was inlined: the place is the nearest one before it in the script's own code. */
  readonly approximate?: true;
}

/**
 * Every error that axiscript raises on purpose.
 *
 * The message names what was asked, what was found and what to do. `code` is stable.
 *
 * @example
 * try { await runtime.run("script.ts"); }
 * catch (error) { if (error instanceof AxiscriptError && error.code === "ERR_AXI_TIMEOUT") retry(); }
 */
export class AxiscriptError extends Error {
  override readonly name = "AxiscriptError";
  readonly code: ErrorCode;
  readonly kind: ErrorKind;
  /** Frames of the script, innermost first; empty if the error has no place in a script. */
  scriptStack: readonly SourcePosition[] = [];

  /**
   * @param message control characters in it are escaped: it may quote names that a stranger chose
   * @param options `lines`: the message has several lines, and what it quotes in them is escaped already
   */
  constructor(code: ErrorCode, message: string, options: { cause?: unknown; lines?: true } = {}) {
    const { lines, ...others } = options;
    super(lines ? escapeLines(message) : escapeControls(message), others);
    this.code = code;
    this.kind = ERROR_KINDS[code];
  }
}

/** A script was stopped by a signal: code ERR_AXI_INTERRUPTED. */
export class InterruptedError extends AxiscriptError {
  readonly signal: "SIGINT" | "SIGTERM" | "SIGHUP";

  constructor(signal: InterruptedError["signal"]) {
    super("ERR_AXI_INTERRUPTED", `The script was stopped by ${signal}.`);
    this.signal = signal;
  }
}

/** The `code` of a failed system call (`"ENOENT"`), or `undefined` if the error is of another sort. */
export function errnoCode(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}

/** What a caught value says of itself, in one line; of a limit or an option of Node that is its cause, also what to do. */
export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = causeOfFailure(error);
  return cause ? `${error.message.replace(/\.$/, "")} (${cause.advice})` : error.message;
}

/** As an error of ours, if a limit of this process or an option of Node is the cause; otherwise the error itself. */
export function withCause(error: unknown): unknown {
  const found = causeOfFailure(error);
  if (!found) return error;
  const code = found.kind === "limit" ? "ERR_AXI_PROCESS_LIMIT" : "ERR_AXI_NODE_OPTIONS";
  return new AxiscriptError(code, `Cannot go on: ${messageOf(error)}.`, { cause: error });
}

/** An address as people write it: `0x1a705340`. */
export function hex(value: bigint | number): string {
  return `0x${value.toString(16)}`;
}
