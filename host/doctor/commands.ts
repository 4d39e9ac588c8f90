import { join } from "node:path";
import type { Machine } from "./machine";
import { HOST_DIRECTORY } from "../util/host-directory";

const CLI = join(HOST_DIRECTORY, "cli/main.js");

/** A word of a shell command, quoted if need be. */
export function quote(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

/** Commands that need root, one after the other. */
export function asRoot({ userId }: Machine, ...commands: string[]): string {
  return commands.map((command) => (userId === 0 ? command : `sudo ${command}`)).join(" && ");
}

/** Gives a kernel setting a value until the next boot. */
export function setKernel(machine: Machine, name: string, value: number | string): string {
  return asRoot(machine, `sysctl -w ${name}=${value}`);
}

/** Running a script with a right that this process has not. */
export function runWith(machine: Machine, capability: string): string {
  // Root without the right is in a container, and only who starts that can give it.
  if (machine.userId === 0) return `docker run --cap-add=${capability} IMAGE`;
  return asRoot(machine, `${quote(process.execPath)} ${quote(CLI)} run SCRIPT`);
}
