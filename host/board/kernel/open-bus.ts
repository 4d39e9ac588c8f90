import { BufferMemory } from "../memory/buffer-memory";
import type { KnownDeviceFiles } from "./devices/device-files";
import type { BoardFiles } from "../directory/files";
import { MemoryBus } from "../fabric/memory-bus";
import { PATHS } from "./paths";
import type { BoardUDmaBuf } from "./devices/u-dma-buf";

/** The memory that a board's devices reach beside its u-dma-buf. */
export type ReachedMemory =
  /** What this process shares, by the buffer of a SharedMemoryTable. */
  | { readonly of: "this-process"; readonly table: SharedArrayBuffer }
  /** That of every process that uses the board. */
  | { readonly of: "users" }
  | { readonly of: "nobody" };

/** The bus of a board. What its memory needs is loaded here. */
export function openBus(
  reached: ReachedMemory,
  {
    files,
    buffer: udmabuf,
    devices,
  }: { files: BoardFiles; buffer: BoardUDmaBuf; devices: KnownDeviceFiles | undefined },
): MemoryBus {
  const buffer = new BufferMemory(udmabuf);
  if (reached.of !== "this-process") {
    if (reached.of === "nobody" || !devices) return new MemoryBus([buffer]);
    const { UserMemory } = require("../memory/user-memory") as typeof import("../memory/user-memory");
    return new MemoryBus([buffer, new UserMemory(devices)]);
  }
  const { SharedMemoryTable } =
    require("../memory/shared-memory-table") as typeof import("../memory/shared-memory-table");
  const { TableMemory } = require("../memory/table-memory") as typeof import("../memory/table-memory");
  const table = new SharedMemoryTable(reached.table);
  const memory = new TableMemory(table, files.path(PATHS.pagemap));
  return new MemoryBus([buffer, memory], (body) => table.whileUnchanged(body));
}
