import type { Sysroot } from "./sysroot";

/** Where the kernel has a directory for each UIO device. */
export const UIO_CLASS = "/sys/class/uio";

/** Whether there are UIO devices: a system that has some is used unless another board is asked for. */
export function hasUioDevices(sysroot: Sysroot): boolean {
  return sysroot.list(UIO_CLASS).length > 0;
}
