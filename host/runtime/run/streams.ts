import { fstatSync, readSync, writeSync } from "node:fs";
import { checkWait, WAIT_SLICE_MS } from "../../util/wait";
import { AxiscriptError, errnoCode } from "../../util/errors";
import { waitReadable, waitWritable } from "../../native/libc";

/** Bytes moved, and 0 or an errno of WASI. */
export interface StreamResult {
  readonly count: number;
  readonly errno: number;
}

const ERRNO_BADF = 8;
const ERRNO_IO = 29;
const ERRNO_NOSPC = 51;
const PIPE_BYTES = 4096;
const TERMINAL_BYTES = 256;

/**
 * How much a descriptor takes at once without blocking when poll(2) says that it is writable: a page of a pipe (pipe(7)),
 * less than that of a terminal. A write that blocks could not be stopped.
 */
export function bytesAtOnce(fd: number): number {
  try {
    const stat = fstatSync(fd);
    return stat.isFile() ? Infinity : stat.isCharacterDevice() ? TERMINAL_BYTES : PIPE_BYTES;
  } catch {
    // The write says what is wrong.
    return PIPE_BYTES;
  }
}

/**
 * Writes everything, also to a pipe that is full and does not block: scripts do not expect half a write. Waits in slices,
 * between which a script can be stopped.
 *
 * @param most see {@link bytesAtOnce}
 * @throws AxiscriptError ERR_AXI_BROKEN_PIPE if nobody reads any more
 */
export function writeStream(fd: number, bytes: Uint8Array, most: number): StreamResult {
  let count = 0;
  try {
    while (count < bytes.length) {
      waitUntilReady(waitWritable, fd);
      count += writeAtOnce(fd, bytes.subarray(count, count + most));
    }
    return { count, errno: 0 };
  } catch (error) {
    if (error instanceof AxiscriptError) throw error;
    if (errnoCode(error) === "EPIPE") {
      throw new AxiscriptError("ERR_AXI_BROKEN_PIPE", "The reader of the script's output is gone.", { cause: error });
    }
    return { count, errno: wasiErrno(error) };
  }
}

/** How much was written: nothing, if somebody else filled the pipe since it was asked. */
function writeAtOnce(fd: number, bytes: Uint8Array): number {
  try {
    return writeSync(fd, bytes);
  } catch (error) {
    if (errnoCode(error) === "EAGAIN") return 0;
    throw error;
  }
}

function waitUntilReady(wait: (fd: number, timeoutMs: number) => boolean, fd: number): void {
  while (!wait(fd, WAIT_SLICE_MS)) checkWait();
  checkWait();
}

/** Reads what is there, at least a byte; 0 bytes at the end. Waits in slices, between which a script can be stopped. */
export function readStream(fd: number, into: Uint8Array): StreamResult {
  if (into.length === 0) return { count: 0, errno: 0 };
  for (;;) {
    waitUntilReady(waitReadable, fd);
    try {
      return { count: readSync(fd, into), errno: 0 };
    } catch (error) {
      if (errnoCode(error) !== "EAGAIN") return { count: 0, errno: wasiErrno(error) };
    }
  }
}

function wasiErrno(error: unknown): number {
  switch (errnoCode(error)) {
    case "ENOSPC":
      return ERRNO_NOSPC;
    case "EBADF":
      return ERRNO_BADF;
    default:
      return ERRNO_IO;
  }
}
