import type { DeviceUse } from "../../host/memory/device-memory";
import type { HostInstance } from "./host-instance";

const LINE_BYTES = 64;
const MAX_SEGMENTS = 1024;
const SEGMENT_BYTES = 16;

/** A run of physical memory, from its first byte to the one behind its last. */
export interface PhysicalRange {
  readonly start: number;
  readonly end: number;
}

/** Memory that a script was given for devices. */
export interface GrantedRange {
  readonly guestPtr: number;
  readonly lengthBytes: number;
  readonly use: DeviceUse;
  readonly segments: readonly PhysicalRange[];
  /** Absent: it stays until the end of the run. */
  readonly region?: number;
}

/** What a script was granted, by a record that the gate knows nothing of: plain lists. */
export class GrantedRanges {
  live: GrantedRange[] = [];
  /** Everything that was ever granted for devices to write. */
  readonly everWritable: { readonly guestPtr: number; readonly lengthBytes: number }[] = [];

  add(range: GrantedRange): void {
    this.live.push(range);
    if (range.use !== "reads") this.everWritable.push(range);
  }

  remove(range: GrantedRange): void {
    this.live = this.live.filter((other) => other !== range);
  }

  /** Whether every byte was granted for a device to use it so. */
  covers(direction: "read" | "write", start: number, end: number): boolean {
    const down = (address: number) => (direction === "read" ? Math.floor(address / LINE_BYTES) * LINE_BYTES : address);
    const up = (address: number) => (direction === "read" ? Math.ceil(address / LINE_BYTES) * LINE_BYTES : address);
    const runs = this.live
      .filter(({ use }) => use === "both" || use === `${direction}s`)
      .flatMap(({ segments }) => segments)
      .map((each) => ({ start: down(each.start), end: up(each.end) }))
      .filter((each) => each.start < end && start < each.end)
      .sort((a, b) => a.start - b.start);
    let reached = start;
    for (const run of runs) {
      if (run.start > reached) return false;
      reached = Math.max(reached, run.end);
    }
    return reached >= end;
  }
}

/** The segments that a function of the ABI writes; throws if it says that it failed. */
export function segmentsFrom(
  host: HostInstance,
  scratchPtr: number,
  name: "region_segments" | "translate",
  ...args: number[]
): PhysicalRange[] {
  const count = host.mem(name, ...args, scratchPtr, MAX_SEGMENTS);
  if (count < 0 || count > MAX_SEGMENTS) throw new Error(`${name} gave ${count}`);
  const data = new DataView(host.memory.memory.buffer, scratchPtr, count * SEGMENT_BYTES);
  return Array.from({ length: count }, (_, index) => {
    const start = Number(data.getBigUint64(index * SEGMENT_BYTES, true));
    return { start, end: start + Number(data.getBigUint64(index * SEGMENT_BYTES + 8, true)) };
  });
}
