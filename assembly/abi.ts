/**
 * The functions that the host offers, as WebAssembly imports. The host's table of them is the reference; it is checked
 * before a script runs. Nothing else in this folder declares an import.
 *
 * Texts are UTF-8: a pointer and a length in bytes. A result below 0 is a Linux errno, negated.
 */

// @ts-ignore: decorator
@external("axiscript:uio@1", "open")
export declare function uioOpen(namePtr: usize, nameLength: i32, notePtr: usize, noteLength: i32): i32;

// @ts-ignore: decorator
@external("axiscript:uio@1", "open_shared")
export declare function uioOpenShared(namePtr: usize, nameLength: i32, notePtr: usize, noteLength: i32): i32;

// @ts-ignore: decorator
@external("axiscript:uio@1", "open_map")
export declare function uioOpenMap(
  namePtr: usize,
  nameLength: i32,
  notePtr: usize,
  noteLength: i32,
  map: i32,
): i32;

// @ts-ignore: decorator
@external("axiscript:uio@1", "acquire")
export declare function uioAcquire(window: i32, timeoutMs: i32): i32;

// @ts-ignore: decorator
@external("axiscript:uio@1", "release")
export declare function uioRelease(window: i32): i32;

// @ts-ignore: decorator
@external("axiscript:uio@1", "read64")
export declare function uioRead64(window: i32, offset: u32): u64;

// @ts-ignore: decorator
@external("axiscript:uio@1", "write64")
export declare function uioWrite64(window: i32, offset: u32, value: u64): void;

// @ts-ignore: decorator
@external("axiscript:uio@1", "read_block")
export declare function uioReadBlock(window: i32, offset: u32, guestPtr: usize, lengthBytes: usize): i32;

// @ts-ignore: decorator
@external("axiscript:uio@1", "write_block")
export declare function uioWriteBlock(window: i32, offset: u32, guestPtr: usize, lengthBytes: usize): i32;

// @ts-ignore: decorator
@external("axiscript:uio@1", "close")
export declare function uioClose(window: i32): i32;

// @ts-ignore: decorator
@external("axiscript:uio@1", "size")
export declare function uioSize(window: i32): i32;

// @ts-ignore: decorator
@external("axiscript:uio@1", "read32")
export declare function uioRead32(window: i32, offset: u32): u32;

// @ts-ignore: decorator
@external("axiscript:uio@1", "write32")
export declare function uioWrite32(window: i32, offset: u32, value: u32): void;

// @ts-ignore: decorator
@external("axiscript:uio@1", "poll32")
export declare function uioPoll32(window: i32, offset: u32, mask: u32, value: u32, timeoutMs: i32): i32;

// @ts-ignore: decorator
@external("axiscript:uio@1", "idle_when")
export declare function uioIdleWhen(window: i32, offset: u32, mask: u32, value: u32): i32;

// @ts-ignore: decorator
@external("axiscript:uio@1", "interrupt_enable")
export declare function uioInterruptEnable(window: i32, on: i32): i32;

// @ts-ignore: decorator
@external("axiscript:uio@1", "interrupt_wait")
export declare function uioInterruptWait(window: i32, timeoutMs: i32): i32;

// @ts-ignore: decorator
@external("axiscript:memory@1", "virtual_address")
export declare function memoryVirtualAddress(guestPtr: usize): i64;

// @ts-ignore: decorator
@external("axiscript:memory@1", "physical_address")
export declare function memoryPhysicalAddress(virtualAddress: u64): i64;

// @ts-ignore: decorator
@external("axiscript:memory@1", "translate")
export declare function memoryTranslate(guestPtr: usize, lengthBytes: usize, segmentsPtr: usize, capacity: i32): i32;

// @ts-ignore: decorator
@external("axiscript:memory@1", "block_bytes")
export declare function memoryBlockBytes(backing: i32): i32;

// @ts-ignore: decorator
@external("axiscript:memory@1", "region_create")
export declare function regionCreate(
  guestPtr: usize,
  lengthBytes: usize,
  backing: i32,
  alignment: u32,
  cache: i32,
): i32;

// @ts-ignore: decorator
@external("axiscript:memory@1", "region_segments")
export declare function regionSegments(region: i32, segmentsPtr: usize, capacity: i32): i32;

// @ts-ignore: decorator
@external("axiscript:memory@1", "region_verify")
export declare function regionVerify(region: i32): i32;

// @ts-ignore: decorator
@external("axiscript:memory@1", "region_sync")
export declare function regionSync(region: i32, side: i32): i32;

// @ts-ignore: decorator
@external("axiscript:memory@1", "region_restrict")
export declare function regionRestrict(region: i32, use: i32): i32;

// @ts-ignore: decorator
@external("axiscript:memory@1", "region_free")
export declare function regionFree(region: i32): i32;

// @ts-ignore: decorator
@external("axiscript:fpga@1", "is_programmed")
export declare function fpgaIsProgrammed(): i32;

// @ts-ignore: decorator
@external("axiscript:fpga@1", "program")
export declare function fpgaProgram(
  bitstreamPtr: usize,
  bitstreamLength: i32,
  overlayPtr: usize,
  overlayLength: i32,
): i32;

// @ts-ignore: decorator
@external("axiscript:fpga@1", "remove")
export declare function fpgaRemove(): i32;

// @ts-ignore: decorator
@external("axiscript:fpga@1", "state")
export declare function fpgaState(buffer: usize, capacity: i32): i32;

// @ts-ignore: decorator
@external("axiscript:error@1", "raise")
export declare function errorRaise(): void;

// @ts-ignore: decorator
@external("axiscript:error@1", "note")
export declare function errorNote(messagePtr: usize, messageLength: i32): void;

// @ts-ignore: decorator
@external("axiscript:error@1", "fail")
export declare function errorFail(codePtr: usize, codeLength: i32, messagePtr: usize, messageLength: i32): void;

// @ts-ignore: decorator
@external("wasi_snapshot_preview1", "fd_prestat_get")
export declare function wasiGrantedDirectory(fd: i32, prestat: usize): i32;

// @ts-ignore: decorator
@external("wasi_snapshot_preview1", "fd_prestat_dir_name")
export declare function wasiGrantedDirectoryName(fd: i32, path: usize, pathLength: i32): i32;

// @ts-ignore: decorator
@external("wasi_snapshot_preview1", "path_open")
export declare function wasiOpen(
  fd: i32,
  lookup: i32,
  path: usize,
  pathLength: i32,
  openFlags: i32,
  rights: i64,
  inheriting: i64,
  flags: i32,
  opened: usize,
): i32;

// @ts-ignore: decorator
@external("wasi_snapshot_preview1", "fd_read")
export declare function wasiRead(fd: i32, vectors: usize, count: i32, read: usize): i32;

// @ts-ignore: decorator
@external("wasi_snapshot_preview1", "fd_write")
export declare function wasiWrite(fd: i32, vectors: usize, count: i32, written: usize): i32;

// @ts-ignore: decorator
@external("wasi_snapshot_preview1", "fd_close")
export declare function wasiClose(fd: i32): i32;
