import type { Signature, ValueType } from "../module/wasm-binary";

/**
 * The interface between scripts and the host: core WebAssembly and C-like, so that any language can speak it.
 *
 * - Pointers are offsets in linear memory, texts are UTF-8 with a length in bytes, memory is imported as `env.memory`.
 * - A result below 0 is a Linux errno, negated; `axiscript:error@1 raise` then ends the script with the host's message.
 * - Module names carry a version: a change that breaks scripts gets a new one.
 *
 * This table yields the link check, and with it every signature in the documentation.
 */
export interface AbiFunction {
  readonly signature: Signature;
  /** Parameter names, in order, and what the function does. */
  readonly parameters: readonly string[];
  readonly summary: string;
}

const ABI = {
  "axiscript:uio@1": {
    open: fn(
      "namePtr: i32, nameLength: i32, notePtr: i32, noteLength: i32",
      "i32",
      "opens the UIO device with a name and, unless empty, a note; its window number or -errno",
    ),
    open_shared: fn(
      "namePtr: i32, nameLength: i32, notePtr: i32, noteLength: i32",
      "i32",
      "as open, together with others who open it so; transfers are started between acquire and release",
    ),
    open_map: fn(
      "namePtr: i32, nameLength: i32, notePtr: i32, noteLength: i32, map: i32",
      "i32",
      "as open, the range of registers behind one of the device's maps, by its number; of a device that this script has open already, another one. No description is about it but for map 0, the one that open opens",
    ),
    acquire: fn(
      "window: i32, timeoutMs: i32",
      "i32",
      "takes a shared device for this script alone; 0, -110 (ETIMEDOUT) or -errno; 0 for one that is not shared",
    ),
    release: fn(
      "window: i32",
      "i32",
      "gives a shared device back to the others; 0, or -16 (EBUSY) while it is at work",
    ),
    close: fn("window: i32", "i32", "closes a window; 0 or -errno"),
    size: fn("window: i32", "i32", "bytes of registers in a window, or -errno"),
    read32: fn(
      "window: i32, offset: i32",
      "i32",
      "reads a register of 32 bits; traps where the device has none to read",
    ),
    write32: fn(
      "window: i32, offset: i32, value: i32",
      "",
      "writes a register of 32 bits; traps where the device has none to write, and if it would start a transfer outside of granted memory",
    ),
    read64: fn("window: i32, offset: i32", "i64", "reads a register that is 64 bits wide; traps elsewhere"),
    write64: fn("window: i32, offset: i32, value: i64", "", "writes a register that is 64 bits wide; traps elsewhere"),
    read_block: fn(
      "window: i32, offset: i32, guestPtr: i32, lengthBytes: i32",
      "i32",
      "copies from a part of a device that behaves like memory, 32 bits at a time; all multiples of 4; 0 or -errno",
    ),
    write_block: fn(
      "window: i32, offset: i32, guestPtr: i32, lengthBytes: i32",
      "i32",
      "copies into a part of a device that behaves like memory, as read_block does; 0 or -errno",
    ),
    idle_when: fn(
      "window: i32, offset: i32, mask: i32, value: i32",
      "i32",
      "adds a condition that holds while a device without a description has no transfer under way, (register & mask) == value, so that memory can be given back; 0 or -errno",
    ),
    poll32: fn(
      "window: i32, offset: i32, mask: i32, value: i32, timeoutMs: i32",
      "i32",
      "reads a register until (register & mask) == value; 0, or -110 (ETIMEDOUT)",
    ),
    interrupt_enable: fn(
      "window: i32, on: i32",
      "i32",
      "enables a device's interrupt (on != 0), which every interrupt disables, or disables it; acknowledge it in the device first, or it comes again at once; 0 or -errno",
    ),
    interrupt_wait: fn(
      "window: i32, timeoutMs: i32",
      "i32",
      "waits for an interrupt since the device was opened that was not waited for yet; the low 31 bits of the kernel's count of them, or -110 (ETIMEDOUT), or -errno; timeoutMs 0 or less: looks once",
    ),
  },
  "axiscript:memory@1": {
    virtual_address: fn("guestPtr: i32", "i64", "the virtual address of a byte of linear memory, or -errno"),
    physical_address: fn(
      "virtualAddress: i64",
      "i64",
      "pins the page of a virtual address until the script ends, or its region of another backing than 0 is freed, and gives the physical address, or -errno",
    ),
    translate: fn(
      "guestPtr: i32, lengthBytes: i32, segmentsPtr: i32, capacity: i32",
      "i32",
      "pins a range as physical_address does a page and writes up to capacity segments { physicalAddress: u64, lengthBytes: u64 }; how many there are, or -errno",
    ),
    block_bytes: fn(
      "backing: i32",
      "i32",
      "alignment of the virtual address and unit of length of a region, by backing: 0 ordinary pages, 1 transparent huge pages, 2 hugetlb, 3 u-dma-buf; or -errno",
    ),
    region_create: fn(
      "guestPtr: i32, lengthBytes: i32, backing: i32, alignment: i32, cache: i32",
      "i32",
      "makes a range one that a device may be given; other backings than 0 replace its pages, up to the end of its last block, by zeros; cache: 0 cached, 1 uncached, 2 write-combine; the region's number, or -errno",
    ),
    region_segments: fn(
      "region: i32, segmentsPtr: i32, capacity: i32",
      "i32",
      "writes up to capacity segments of a region, as translate does; how many there are, or -errno",
    ),
    region_verify: fn("region: i32", "i32", "0 if every page of a region is where it was, else -116 (ESTALE)"),
    region_sync: fn(
      "region: i32, side: i32",
      "i32",
      "hands a region over to the device (1) or back to the CPU (0), for ports that are not coherent; 0 or -errno",
    ),
    region_restrict: fn(
      "region: i32, use: i32",
      "i32",
      "says what devices may do with a region: 0 read and write it, as at first, 1 read it, 2 write it; 0 or -errno",
    ),
    region_free: fn(
      "region: i32",
      "i32",
      "gives a region back, ordinary pages of zeros where there was an overlay; 0, or 1 if its memory is kept since a device may be using it and must not be used again, or -16 (EBUSY)",
    ),
  },
  "axiscript:fpga@1": {
    is_programmed: fn("", "i32", "1 if an overlay is applied and the FPGA operates, 0 if not, or -errno"),
    program: fn(
      "bitstreamPtr: i32, bitstreamLength: i32, overlayPtr: i32, overlayLength: i32",
      "i32",
      "loads a bitstream with its overlay; 0 or -errno",
    ),
    remove: fn("", "i32", "removes the overlay; 0 or -errno"),
    state: fn(
      "buffer: i32, capacity: i32",
      "i32",
      "writes the FPGA manager's state as UTF-8, cut to capacity; its whole length in bytes, or -errno",
    ),
  },
  "axiscript:error@1": {
    raise: fn("", "", "ends the script with the host's last error; never returns"),
    note: fn("messagePtr: i32, messageLength: i32", "", "tells the user something, beside the script's output"),
    fail: fn(
      "codePtr: i32, codeLength: i32, messagePtr: i32, messageLength: i32",
      "",
      "ends the script with an error of its own; never returns",
    ),
  },
  env: {
    abort: fn(
      "message: i32, file: i32, line: i32, column: i32",
      "",
      "AssemblyScript's abort; message and file are pointers to its strings, or 0",
    ),
  },
  wasi_snapshot_preview1: {
    args_get: fn("argv: i32, argvBuffer: i32", "i32", "command-line arguments"),
    args_sizes_get: fn("count: i32, bufferSize: i32", "i32", "sizes of the arguments"),
    clock_res_get: fn("id: i32, resolution: i32", "i32", "resolution of a clock"),
    clock_time_get: fn("id: i32, precision: i64, time: i32", "i32", "time of a clock"),
    environ_get: fn("environ: i32, environBuffer: i32", "i32", "environment variables"),
    environ_sizes_get: fn("count: i32, bufferSize: i32", "i32", "sizes of the environment"),
    fd_advise: fn("fd: i32, offset: i64, length: i64, advice: i32", "i32", "advises the system on the use of a file"),
    fd_allocate: fn("fd: i32, offset: i64, length: i64", "i32", "allocates space in a file"),
    fd_close: fn("fd: i32", "i32", "closes a descriptor"),
    fd_datasync: fn("fd: i32", "i32", "flushes the data of a file"),
    fd_fdstat_get: fn("fd: i32, stat: i32", "i32", "attributes of a descriptor"),
    fd_fdstat_set_flags: fn("fd: i32, flags: i32", "i32", "sets flags of a descriptor"),
    fd_fdstat_set_rights: fn("fd: i32, base: i64, inheriting: i64", "i32", "sets rights of a descriptor"),
    fd_filestat_get: fn("fd: i32, stat: i32", "i32", "attributes of a file"),
    fd_filestat_set_size: fn("fd: i32, size: i64", "i32", "sets the size of a file"),
    fd_filestat_set_times: fn("fd: i32, access: i64, modification: i64, flags: i32", "i32", "sets the times of a file"),
    fd_pread: fn("fd: i32, iovs: i32, iovsLength: i32, offset: i64, read: i32", "i32", "reads at an offset"),
    fd_prestat_dir_name: fn(
      "fd: i32, path: i32, pathLength: i32",
      "i32",
      "name of a granted directory: absolute, or from the working directory",
    ),
    fd_prestat_get: fn("fd: i32, prestat: i32", "i32", "describes a granted directory; they begin at descriptor 3"),
    fd_pwrite: fn("fd: i32, iovs: i32, iovsLength: i32, offset: i64, written: i32", "i32", "writes at an offset"),
    fd_read: fn("fd: i32, iovs: i32, iovsLength: i32, read: i32", "i32", "reads from a stream or file"),
    fd_readdir: fn("fd: i32, buffer: i32, bufferLength: i32, cookie: i64, used: i32", "i32", "reads a directory"),
    fd_renumber: fn("from: i32, to: i32", "i32", "renumbers a descriptor"),
    fd_seek: fn("fd: i32, offset: i64, whence: i32, position: i32", "i32", "moves the offset of a descriptor"),
    fd_sync: fn("fd: i32", "i32", "flushes a file"),
    fd_tell: fn("fd: i32, position: i32", "i32", "offset of a descriptor"),
    fd_write: fn("fd: i32, iovs: i32, iovsLength: i32, written: i32", "i32", "writes to a stream or file"),
    path_create_directory: fn("fd: i32, path: i32, pathLength: i32", "i32", "creates a directory"),
    path_filestat_get: fn("fd: i32, flags: i32, path: i32, pathLength: i32, stat: i32", "i32", "attributes of a path"),
    path_filestat_set_times: fn(
      "fd: i32, flags: i32, path: i32, pathLength: i32, access: i64, modification: i64, timeFlags: i32",
      "i32",
      "sets the times of a path",
    ),
    path_link: fn(
      "fd: i32, flags: i32, path: i32, pathLength: i32, newFd: i32, newPath: i32, newPathLength: i32",
      "i32",
      "creates a hard link",
    ),
    path_open: fn(
      "fd: i32, dirFlags: i32, path: i32, pathLength: i32, openFlags: i32, base: i64, inheriting: i64, flags: i32, opened: i32",
      "i32",
      "opens a path below a directory",
    ),
    path_readlink: fn(
      "fd: i32, path: i32, pathLength: i32, buffer: i32, bufferLength: i32, used: i32",
      "i32",
      "reads a symbolic link",
    ),
    path_remove_directory: fn("fd: i32, path: i32, pathLength: i32", "i32", "removes a directory"),
    path_rename: fn(
      "fd: i32, path: i32, pathLength: i32, newFd: i32, newPath: i32, newPathLength: i32",
      "i32",
      "renames a path",
    ),
    path_symlink: fn(
      "oldPath: i32, oldPathLength: i32, fd: i32, newPath: i32, newPathLength: i32",
      "i32",
      "creates a symbolic link",
    ),
    path_unlink_file: fn("fd: i32, path: i32, pathLength: i32", "i32", "unlinks a file"),
    poll_oneoff: fn("subscriptions: i32, events: i32, count: i32, occurred: i32", "i32", "waits for events or a clock"),
    proc_exit: fn("code: i32", "", "ends the script with an exit code"),
    proc_raise: fn("signal: i32", "i32", "sends a signal to the process"),
    random_get: fn("buffer: i32, bufferLength: i32", "i32", "random bytes"),
    sched_yield: fn("", "i32", "yields the processor"),
    sock_accept: fn("fd: i32, flags: i32, accepted: i32", "i32", "accepts a connection"),
    sock_recv: fn(
      "fd: i32, data: i32, dataLength: i32, flags: i32, received: i32, outFlags: i32",
      "i32",
      "receives from a socket",
    ),
    sock_send: fn("fd: i32, data: i32, dataLength: i32, flags: i32, sent: i32", "i32", "sends to a socket"),
    sock_shutdown: fn("fd: i32, how: i32", "i32", "shuts a socket down"),
  },
} as const satisfies Record<string, Record<string, AbiFunction>>;

/** Name of the memory that a script imports. */
export const MEMORY_IMPORT = { module: "env", name: "memory" } as const;

/** The modules of {@link ABI} that the host itself implements. */
export type HostModule = "axiscript:uio@1" | "axiscript:memory@1" | "axiscript:fpga@1" | "axiscript:error@1" | "env";

/** One JavaScript or WebAssembly function for each function of a host module: i64 is bigint, i32 is number. */
export type HostFunctions = {
  [Module in HostModule]: { [Name in keyof (typeof ABI)[Module]]: (...args: never[]) => unknown };
};

/** The table by module and name, for look-ups with names that a script chose. */
export const ABI_TABLE: ReadonlyMap<string, ReadonlyMap<string, AbiFunction>> = new Map(
  Object.entries(ABI).map(([module, functions]) => [module, new Map<string, AbiFunction>(Object.entries(functions))]),
);

function fn(parameters: string, result: ValueType | "", summary: string): AbiFunction {
  const pairs = parameters === "" ? [] : parameters.split(", ").map((parameter) => parameter.split(": "));
  return {
    signature: {
      parameters: pairs.map(([, type]) => type as ValueType),
      results: result === "" ? [] : [result],
    },
    parameters: pairs.map(([name]) => name ?? ""),
    summary,
  };
}
