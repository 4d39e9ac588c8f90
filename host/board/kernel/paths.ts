/** Where things are below a board's sysroot. */
export const PATHS = {
  overlays: "configfs/device-tree/overlays",
  fpgaManager: "sys/class/fpga_manager/fpga0",
  fpgaDebug: "sys/kernel/debug/fpga/fpga0",
  readbackParameters: "sys/module/zynqmp_fpga/parameters",
  firmwareParameters: "sys/module/firmware_class/parameters",
  /** Where a board that serves a file system has configfs; `configfs` leads there. */
  mountedConfig: "sys/kernel/config",
  baseTree: "sys/firmware/devicetree/base",
  uioClass: "sys/class/uio",
  uDmaBufClass: "sys/class/u-dma-buf",
  platformDevices: "sys/devices/platform",
  platformBus: "sys/bus/platform",
  firmware: "lib/firmware",
  devices: "dev",
  pagemap: "proc/self/pagemap",
  kernelLog: "var/log/kern.log",
  /** What the board keeps for itself. */
  private: ".board",
} as const;
