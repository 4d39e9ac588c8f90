import { ftruncateSync, openSync } from "node:fs";
import koffi from "koffi";

/**
 * The C library's functions that the host needs, with the constants of Linux on x86-64 and arm64 (the two agree on
 * all of them; `asm-generic`). Addresses of user space are below 2^53 and travel as numbers.
 */
const libc = koffi.load(null);

export const PROT_READ = 1;
export const PROT_WRITE = 2;
export const PROT_EXEC = 4;
export const MAP_SHARED = 0x01;
export const MAP_PRIVATE = 0x02;
export const MAP_FIXED = 0x10;
export const MAP_ANONYMOUS = 0x20;
export const MAP_NORESERVE = 0x4000;
export const MADV_DONTNEED = 4;
export const MADV_DONTFORK = 10;
export const MADV_HUGEPAGE = 14;
export const MADV_NOHUGEPAGE = 15;
export const MADV_COLLAPSE = 25;
export const MFD_CLOEXEC = 1;
const MFD_ALLOW_SEALING = 2;
export const MFD_HUGETLB = 4;
const AF_XDP = 44;
const SOCK_RAW = 3;
const SOCK_CLOEXEC = 0x80000;
const SOL_XDP = 283;
const XDP_UMEM_REG = 4;
const LOCK_SH = 1;
const LOCK_EX = 2;
const LOCK_NB = 4;
const F_OFD_SETLK = 37;
const O_CLOEXEC = 0x80000;
const F_ADD_SEALS = 1033;
const F_SEAL_SEAL = 1;
const F_SEAL_SHRINK = 2;
const F_SEAL_GROW = 4;
const F_WRLCK = 1;
const F_UNLCK = 2;
/** struct flock: type and whence in 16 bits each, start, length and pid from byte 8 on. */
const FLOCK_BYTES = 32;

const SC_PAGESIZE = 30;

type Address = number;

const rawMmap: (address: Address, length: number, prot: number, flags: number, fd: number, offset: number) => Address =
  libc.func("intptr_t mmap(intptr_t, size_t, int, int, int, int64_t)");
const rawMprotect: (address: Address, length: number, prot: number) => number = libc.func(
  "int mprotect(intptr_t, size_t, int)",
);
const rawMadvise: (address: Address, length: number, advice: number) => number = libc.func(
  "int madvise(intptr_t, size_t, int)",
);
const rawMunmap: (address: Address, length: number) => number = libc.func("int munmap(intptr_t, size_t)");
const rawMemfdCreate: (name: string, flags: number) => number = libc.func(
  "int memfd_create(const char *, unsigned int)",
);
const rawFallocate: (fd: number, mode: number, offset: number, length: number) => number = libc.func(
  "int fallocate(int, int, int64_t, int64_t)",
);
const rawSocket: (domain: number, type: number, protocol: number) => number = libc.func("int socket(int, int, int)");
const rawSetsockopt: (fd: number, level: number, name: number, value: Uint8Array, length: number) => number = libc.func(
  "int setsockopt(int, int, int, void *, unsigned int)",
);
const rawMlock: (address: Address, length: number) => number = libc.func("int mlock(intptr_t, size_t)");
const rawMunlock: (address: Address, length: number) => number = libc.func("int munlock(intptr_t, size_t)");
const rawFlock: (fd: number, operation: number) => number = libc.func("int flock(int, int)");
const rawClose: (fd: number) => number = libc.func("int close(int)");
const rawPoll: (descriptors: Int16Array, count: number, timeoutMs: number) => number = libc.func(
  "int poll(void *, unsigned long, int)",
);
const rawSysconf: (name: number) => number = libc.func("long sysconf(int)");
const rawMemmove: (to: Uint8Array, from: Uint8Array, length: number) => Address = libc.func(
  "intptr_t memmove(void *, void *, size_t)",
);
const rawSigaction: (signal: number, action: Uint8Array | null, old: Uint8Array | null) => number = libc.func(
  "int sigaction(int, void *, void *)",
);
const SYS_IO_URING_SETUP = 425;
const SYS_IO_URING_REGISTER = 427;
const rawIoUringSetup: (number: number, entries: number, params: Uint8Array) => number = libc.func("syscall", "long", [
  "long",
  "long",
  "void *",
]);
const rawIoUringRegister: (
  number: number,
  fd: number,
  opcode: number,
  argument: Uint8Array | null,
  count: number,
) => number = libc.func("syscall", "long", ["long", "long", "long", "void *", "long"]);

/** A system call that failed: `errno` and its name. */
export class SystemCallError extends Error {
  override readonly name = "SystemCallError";
  /** The name of errno, for example `"ENOMEM"`. */
  readonly code: string;

  constructor(call: string, errno: number) {
    const code = errnoName(errno);
    super(`${call}: ${code}`);
    this.code = code;
  }
}

function errnoName(errno: number): string {
  return Object.entries(koffi.os.errno).find(([, value]) => value === errno)?.[0] ?? `errno ${errno}`;
}

function checked(call: string, result: number): number {
  if (result === -1) throw new SystemCallError(call, koffi.errno());
  return result;
}

/** The size of a page of this kernel in bytes: 4096, 16384 or 65536. */
export const pageSizeBytes: number = rawSysconf(SC_PAGESIZE);

/** Maps a file, or anonymous memory (`fd` -1), where there is room; returns the address. Throws {@link SystemCallError}. */
export function map(lengthBytes: number, prot: number, flags: number, fd = -1, offset = 0): Address {
  return checked("mmap", rawMmap(0, lengthBytes, prot, flags, fd, offset));
}

/** Changes what may be done with pages. Throws {@link SystemCallError}. */
export function protectMemory(address: Address, lengthBytes: number, prot: number): void {
  checked("mprotect", rawMprotect(address, lengthBytes, prot));
}

/** The memory at an address. It must stay mapped for as long as the view is used. */
export function viewMemory(address: Address, lengthBytes: number): Uint8Array {
  return new Uint8Array(koffi.view(BigInt(address), lengthBytes));
}

/** Maps `lengthBytes` of a file (or anonymous memory, `fd` -1) at exactly `address`. Throws {@link SystemCallError}. */
export function mapFixed(
  address: Address,
  lengthBytes: number,
  prot: number,
  flags: number,
  fd: number,
  offset: number,
): void {
  checked("mmap", rawMmap(address, lengthBytes, prot, flags | MAP_FIXED, fd, offset));
}

/** Undoes a mapping. Throws {@link SystemCallError}. */
export function unmap(address: Address, lengthBytes: number): void {
  checked("munmap", rawMunmap(address, lengthBytes));
}

/** Makes a file in memory; returns its descriptor. Throws {@link SystemCallError}. */
export function createMemoryFile(name: string, flags: number): number {
  return checked("memfd_create", rawMemfdCreate(name, flags));
}

let rawAddSeals: ((fd: number, command: number, seals: number) => number) | undefined;

/**
 * Makes a file in memory, full of zeros, whose size nobody can change any more, not even its owner: whoever maps it can
 * rely on it. Throws {@link SystemCallError}.
 */
export function createSealedFile(name: string, lengthBytes: number): number {
  const fd = createMemoryFile(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
  try {
    ftruncateSync(fd, lengthBytes);
    rawAddSeals ??= libc.func("int fcntl(int, int, int)") as NonNullable<typeof rawAddSeals>;
    checked("fcntl", rawAddSeals(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW));
    return fd;
  } catch (error) {
    closeDescriptor(fd);
    throw error;
  }
}

/** Of a call that signals interrupt. */
const MOST_TRIES = 1000;

/**
 * Allocates the space of a piece of a file, which grows if need be. The kernel breaks off when there is a signal for this
 * thread. Throws {@link SystemCallError}.
 */
export function allocateFile(fd: number, offset: number, lengthBytes: number): void {
  for (let tries = 1; rawFallocate(fd, 0, offset, lengthBytes) === -1; tries++) {
    const errno = koffi.errno();
    if (errno !== koffi.os.errno["EINTR"] || tries === MOST_TRIES) throw new SystemCallError("fallocate", errno);
  }
}

/** Opens an AF_XDP socket; returns its descriptor. Throws {@link SystemCallError}. */
export function openXdpSocket(): number {
  return checked("socket", rawSocket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0));
}

/** Gives memory to an AF_XDP socket (`struct xdp_umem_reg`). Throws {@link SystemCallError}. */
export function registerXdpMemory(fd: number, request: Uint8Array): void {
  checked("setsockopt", rawSetsockopt(fd, SOL_XDP, XDP_UMEM_REG, request, request.length));
}

/** Gives the kernel advice about a range of pages. Throws {@link SystemCallError}. */
export function adviseMemory(address: Address, lengthBytes: number, advice: number): void {
  checked("madvise", rawMadvise(address, lengthBytes, advice));
}

/** Locks pages into memory; compaction may still move them. Throws {@link SystemCallError}. */
export function lockPages(address: Address, lengthBytes: number): void {
  checked("mlock", rawMlock(address, lengthBytes));
}

/** Undoes {@link lockPages}. Throws {@link SystemCallError}. */
export function unlockPages(address: Address, lengthBytes: number): void {
  checked("munlock", rawMunlock(address, lengthBytes));
}

/** Takes an exclusive advisory lock on an open file; false if somebody else holds it. */
export function tryLockFile(fd: number): boolean {
  return rawFlock(fd, LOCK_EX | LOCK_NB) === 0;
}

/** As {@link tryLockFile}, together with others who do the same. */
export function tryLockFileShared(fd: number): boolean {
  return rawFlock(fd, LOCK_SH | LOCK_NB) === 0;
}

let rawDuplicate: ((fd: number, onto: number, flags: number) => number) | undefined;

/**
 * Another descriptor of the same open file: with its locks, and closed by itself. It takes the place of one that Node
 * opened, so that Node knows it in a thread that keeps account of its descriptors. Throws {@link SystemCallError}.
 */
export function duplicateDescriptor(fd: number): number {
  rawDuplicate ??= libc.func("int dup3(int, int, int)") as NonNullable<typeof rawDuplicate>;
  return checked("dup3", rawDuplicate(fd, openSync("/dev/null", "r"), O_CLOEXEC));
}

let rawFcntl: ((fd: number, command: number, lock: Uint8Array) => number) | undefined;

function lockFirstByte(fd: number, type: number): boolean {
  rawFcntl ??= libc.func("int fcntl(int, int, void *)") as NonNullable<typeof rawFcntl>;
  const lock = new Int16Array(FLOCK_BYTES / 2);
  lock[0] = type;
  new BigInt64Array(lock.buffer)[2] = 1n;
  return rawFcntl(fd, F_OFD_SETLK, new Uint8Array(lock.buffer)) === 0;
}

/**
 * Takes the one turn that the openers of a file have among them, which is independent of {@link tryLockFile}; false if
 * somebody else has it. It belongs to the open file, not to the process.
 */
export function tryLockTurn(fd: number): boolean {
  return lockFirstByte(fd, F_WRLCK);
}

/** Gives the turn back. */
export function unlockTurn(fd: number): void {
  lockFirstByte(fd, F_UNLCK);
}

/** Closes a descriptor that did not come from Node, which keeps book of its own. Throws {@link SystemCallError}. */
export function closeDescriptor(fd: number): void {
  checked("close", rawClose(fd));
}

const POLLIN = 1;
const POLLOUT = 4;

/**
 * Waits until a read from a descriptor would not block: data, end of file, or an error.
 *
 * @returns false if that did not come within `timeoutMs`
 */
export function waitReadable(fd: number, timeoutMs: number): boolean {
  return waitFor(fd, POLLIN, timeoutMs);
}

/**
 * Waits until a write to a descriptor would not block: room for 4 KiB in a pipe, for a little in a terminal, or an error.
 *
 * @returns false if that did not come within `timeoutMs`
 */
export function waitWritable(fd: number, timeoutMs: number): boolean {
  return waitFor(fd, POLLOUT, timeoutMs);
}

function waitFor(fd: number, events: number, timeoutMs: number): boolean {
  // struct pollfd: fd as 32 bits, events, revents
  return rawPoll(new Int16Array([fd & 0xffff, fd >>> 16, events, 0]), 1, timeoutMs) !== 0;
}

/** Three struct pollfd: fd as 32 bits, events, revents. */
const briefDescriptors = new Int16Array(3 * 4);
/** struct timespec: seconds, nanoseconds, 64 bits each */
const briefTimeout = new Uint32Array(4);
let rawBriefPoll: ((descriptors: Int16Array, count: number, timeout: Uint32Array, signals: null) => number) | undefined;

/**
 * Waits until there is something to read from a descriptor, or an error.
 *
 * @param fd -1: just waits
 * @param wakeFd ends the wait, too, when there is something to read from it; -1: none
 * @param timeoutMs in fractions of a millisecond, too; below 1000
 * @param secondFd as `fd`
 * @returns whether `fd` or `secondFd` has something
 */
export function waitReadableBriefly(fd: number, wakeFd: number, timeoutMs: number, secondFd = -1): boolean {
  rawBriefPoll ??= libc.func("int ppoll(void *, unsigned long, void *, void *)") as NonNullable<typeof rawBriefPoll>;
  briefDescriptors[0] = fd;
  briefDescriptors[1] = fd >> 16;
  briefDescriptors[2] = POLLIN;
  briefDescriptors[4] = wakeFd;
  briefDescriptors[5] = wakeFd >> 16;
  briefDescriptors[6] = POLLIN;
  briefDescriptors[8] = secondFd;
  briefDescriptors[9] = secondFd >> 16;
  briefDescriptors[10] = POLLIN;
  briefTimeout[2] = Math.round(timeoutMs * 1e6);
  if (rawBriefPoll(briefDescriptors, 3, briefTimeout, null) <= 0) return false;
  return briefDescriptors[3] !== 0 || briefDescriptors[11] !== 0;
}

/** The virtual address of the first byte of a view. The view must not be empty. */
export function addressOf(view: Uint8Array): Address {
  return rawMemmove(view, view, 0);
}

/** Reads and sets a signal's action (`struct sigaction`). Throws {@link SystemCallError}. */
export function signalAction(signal: number, action: Uint8Array | null, old: Uint8Array | null): void {
  checked("sigaction", rawSigaction(signal, action, old));
}

/** `io_uring_setup(2)`; returns the ring's descriptor. Throws {@link SystemCallError}. */
export function ioUringSetup(entries: number, params: Uint8Array): number {
  return checked("io_uring_setup", rawIoUringSetup(SYS_IO_URING_SETUP, entries, params));
}

/** `io_uring_register(2)`. Throws {@link SystemCallError}. */
export function ioUringRegister(fd: number, opcode: number, argument: Uint8Array | null, count: number): void {
  checked("io_uring_register", rawIoUringRegister(SYS_IO_URING_REGISTER, fd, opcode, argument, count));
}
