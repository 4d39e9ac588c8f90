/** Where things are below a board's sysroot. */
export const PATHS = {
  overlays: "configfs/device-tree/overlays",
  fpgaManager: "sys/class/fpga_manager/fpga0",
  uioClass: "sys/class/uio",
  uDmaBufClass: "sys/class/u-dma-buf",
  platformDevices: "sys/devices/platform",
  firmware: "lib/firmware",
  devices: "dev",
  pagemap: "proc/self/pagemap",
  kernelLog: "var/log/kern.log",
  /** What the board keeps for itself. */
  private: ".board",
} as const;
