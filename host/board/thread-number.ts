import { readlinkSync } from "node:fs";
import { basename } from "node:path";

let ownThread: number | undefined;

/** The kernel's number of the calling thread. Source: proc(5), `/proc/thread-self`. */
export function threadNumber(): number {
  return (ownThread ??= Number(basename(readlinkSync("/proc/thread-self"))));
}
