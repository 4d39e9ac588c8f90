import type { PermissionKey } from "./keys";

const ADDRESSES = ["dma", "physicalAddresses"] as const;
const FILES_READ = ["read"] as const;
const FILES_WRITTEN = ["write"] as const;
const FILES = ["read", "write"] as const;

/**
 * Which permissions an imported function may ask for, by module and name. Functions that ask for none, or only act on what
 * another one opened, are not listed.
 */
export const NEEDS: Readonly<Record<string, Readonly<Record<string, readonly PermissionKey[]>>>> = {
  "axiscript:uio@1": {
    open: ["device", "uncheckedDma"],
    open_shared: ["device", "uncheckedDma"],
    open_map: ["device", "uncheckedDma"],
  },
  "axiscript:memory@1": {
    virtual_address: ["physicalAddresses"],
    physical_address: ADDRESSES,
    translate: ADDRESSES,
    block_bytes: ["dma"],
    region_create: ["dma"],
    region_segments: ADDRESSES,
    region_verify: ["dma"],
    region_restrict: ["dma"],
    region_sync: ["dma"],
    region_free: ["dma"],
  },
  "axiscript:fpga@1": { program: ["fpga"], remove: ["fpga"] },
  wasi_snapshot_preview1: {
    environ_get: ["env"],
    environ_sizes_get: ["env"],
    path_open: FILES,
    path_filestat_get: FILES_READ,
    path_create_directory: FILES_WRITTEN,
    path_unlink_file: FILES_WRITTEN,
    path_remove_directory: FILES_WRITTEN,
    path_rename: FILES_WRITTEN,
  },
};
