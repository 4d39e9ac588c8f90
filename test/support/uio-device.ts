import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** A UIO device as the kernel's files describe it. */
export interface FakeUioDevice {
  readonly name: string;
  readonly note?: string;
  readonly offset?: string;
  readonly withoutMaps?: boolean;
  /** What its registers hold. */
  readonly registers?: Uint8Array;
}

/** Adds the files of a device to a sysroot; nothing is behind its registers. */
export function addUioDevice(
  sysroot: string,
  id: string,
  { name, note, offset = "0x0", withoutMaps, registers = Buffer.alloc(4096) }: FakeUioDevice,
): void {
  const directory = join(sysroot, "sys/class/uio", id);
  mkdirSync(join(directory, "device/of_node"), { recursive: true });
  mkdirSync(join(sysroot, "dev"), { recursive: true });
  writeFileSync(join(directory, "name"), `${name}\n`);
  if (note !== undefined) writeFileSync(join(directory, "device/of_node/jan-note"), `${note}\0`);
  writeFileSync(join(sysroot, "dev", id), registers);
  if (withoutMaps) return;
  mkdirSync(join(directory, "maps/map0"), { recursive: true });
  writeFileSync(join(directory, "maps/map0/name"), "\n");
  writeFileSync(join(directory, "maps/map0/addr"), "0x00000000a0010000\n");
  writeFileSync(join(directory, "maps/map0/size"), "0x0000000000001000\n");
  writeFileSync(join(directory, "maps/map0/offset"), `${offset}\n`);
}
