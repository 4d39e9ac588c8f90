import { mkdirSync } from "node:fs";

/** Whatever the user's umask allows others. */
const MODE = 0o755;

/** Makes a directory in which nobody but its owner can put anything, and those above it, where they are missing. */
export function makeDirectories(path: string): void {
  mkdirSync(path, { recursive: true, mode: MODE });
}
