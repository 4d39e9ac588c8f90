import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";

/**
 * The content of a file that a user named. Pipes and devices are refused: a read could wait for ever, or never end.
 *
 * @param mostBytes how long it may be
 * @throws Error with the reason
 */
export function readRegularFile(path: string, mostBytes: number): Buffer {
  // A pipe without a writer would let the opening wait, too.
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  try {
    const stat = fstatSync(fd);
    if (stat.isDirectory()) throw new Error("it is a directory");
    if (!stat.isFile()) throw new Error("it is a pipe or a device, not a file");
    const bytes = Buffer.alloc(Math.min(stat.size, mostBytes) + 1);
    let length = 0;
    // Its size may change while it is read.
    for (let count = -1; count !== 0 && length < bytes.length; length += count) {
      count = readSync(fd, bytes, length, bytes.length - length, null);
    }
    if (length > mostBytes) throw new Error(`it has more than ${mostBytes / 2 ** 20} MiB`);
    return bytes.subarray(0, length);
  } finally {
    closeSync(fd);
  }
}
