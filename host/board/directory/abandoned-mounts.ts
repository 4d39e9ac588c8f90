import { readFileSync, readlinkSync } from "node:fs";
import { descriptorPath } from "../../files/descriptor-path";

/**
 * Unmounts what a board that was killed had mounted in its directory: nobody serves it any more.
 *
 * @param directory an open descriptor of a directory that is this user's; its lock must not be another's
 */
export function unmountAbandoned(directory: number): void {
  if (!readFileSync("/proc/self/mountinfo", "latin1").includes(" - fuse.")) return;
  const { unmountBelow } = require("../../native/fuse") as typeof import("../../native/fuse");
  const through = descriptorPath(directory);
  unmountBelow(readlinkSync(through), through);
}
