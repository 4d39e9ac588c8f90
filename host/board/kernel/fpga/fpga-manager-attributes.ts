import type { BoardFpgaManager } from "./fpga-manager";
import { Attribute, Directory, KernelError } from "../kernel-tree";
import { MANAGER_NAME } from "../tree";

const HEXADECIMAL = /^([+-]?)(?:0x)?([0-9a-f]+)\n?$/i;

/**
 * The FPGA manager's attributes in sysfs. Source: linux-xlnx `drivers/fpga/fpga-mgr.c`.
 */
export function fpgaManagerAttributes(manager: BoardFpgaManager): Directory {
  let flags = 0n;
  return new Directory({
    name: Attribute.of(MANAGER_NAME),
    state: new Attribute({ show: () => `${manager.state}\n` }),
    status: new Attribute({ show: () => manager.status }),
    firmware: new Attribute({ store: (data) => manager.load(nameIn(data)) }),
    flags: new Attribute({
      show: () => `${BigInt.asUintN(64, flags).toString(16)}\n`,
      store: (data) => {
        flags = flagsIn(data);
        return undefined;
      },
    }),
    // Bitstreams of this fabric are not encrypted.
    key: new Attribute({ store: () => undefined }),
  });
}

/** A string of the C language, and one newline less. */
function nameIn(data: Buffer): string {
  return (data.toString("latin1").split("\0")[0] ?? "").replace(/\n$/, "");
}

/** As the kernel's `kstrtol` with base 16. */
function flagsIn(data: Buffer): bigint {
  const [, sign, digits] = HEXADECIMAL.exec(data.toString("latin1")) ?? [];
  if (digits === undefined) throw new KernelError("EINVAL", "flags are hexadecimal");
  const value = BigInt(`0x${digits}`) * (sign === "-" ? -1n : 1n);
  if (BigInt.asIntN(64, value) !== value) throw new KernelError("ERANGE");
  return value;
}
