import { readFileSync } from "node:fs";

/** A mapping of a process, as `/proc/PID/maps` shows it. */
export interface Mapping {
  readonly start: number;
  readonly lengthBytes: number;
  readonly readable: boolean;
  readonly writable: boolean;
  /** The file's device and inode, `00:1b:4711`; `00:00:0` for memory that is no file's. */
  readonly file: string;
  /** As the process sees it; empty for memory that is no file's. */
  readonly path: string;
}

/** Source: proc(5): address range, permissions, offset, device, inode, path. */
const LINE = /^([0-9a-f]+)-([0-9a-f]+) (.)(.).. \S+ (\S+) (\d+) *(.*)$/;
/** Addresses of user space are below this; what lies above are pages of the kernel's. */
const ADDRESS_LIMIT = 2 ** 52;

/**
 * The mappings of a process, in the order of their addresses.
 *
 * @throws the error of the system call for a process that is gone or may not be looked at
 */
export function readMappings(pid: number | "self"): Mapping[] {
  return parseMappings(readFileSync(`/proc/${pid}/maps`, "latin1"));
}

/** As {@link readMappings}, of a text that was read. */
export function parseMappings(text: string): Mapping[] {
  return text.split("\n").flatMap((line) => {
    const [, from = "", to = "", read, write, device = "", inode = "", path = ""] = LINE.exec(line) ?? [];
    const start = Number.parseInt(from, 16);
    if (!(start < ADDRESS_LIMIT)) return [];
    const lengthBytes = Number.parseInt(to, 16) - start;
    return { start, lengthBytes, readable: read === "r", writable: write === "w", file: `${device}:${inode}`, path };
  });
}
