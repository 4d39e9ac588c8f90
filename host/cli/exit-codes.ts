import { AxiscriptError, InterruptedError } from "../util/errors";

/** Exit codes of `axiscript` itself; a script that ends by itself gives its own. */
export const EXIT = {
  /** A device, the memory, the FPGA, the board, a permission or a limit said no. */
  failure: 1,
  /** The command line or the script could not be used: wrong flags, no such file, compile or link error. */
  usage: 2,
  /** `axiscript doctor` has warnings, and misses nothing. */
  warnings: 3,
  /** `axiscript doctor` misses something that real hardware needs. */
  missing: 4,
  /** The time limit of `--timeout` was reached; as coreutils `timeout`. */
  timeout: 124,
  /** The script trapped or aborted, or the gate refused what it asked of a device: 128 + SIGABRT. */
  trap: 134,
  /** Nobody reads the output any more: 128 + SIGPIPE. */
  brokenPipe: 141,
} as const;

/** 128 + the signal's number. */
const SIGNAL_EXIT = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const;

/** The exit code that stands for an error. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof InterruptedError) return SIGNAL_EXIT[error.signal];
  if (!(error instanceof AxiscriptError)) return EXIT.failure;
  if (error.code === "ERR_AXI_TIMEOUT") return EXIT.timeout;
  if (error.code === "ERR_AXI_BROKEN_PIPE") return EXIT.brokenPipe;
  switch (error.kind) {
    case "usage":
    case "compile":
    case "link":
    case "platform":
      return EXIT.usage;
    case "trap":
      return EXIT.trap;
    default:
      return EXIT.failure;
  }
}
