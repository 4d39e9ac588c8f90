import koffi from "koffi";
import { map, MAP_ANONYMOUS, MAP_PRIVATE, PROT_READ, PROT_WRITE } from "../../../host/native/libc";

/** The system calls that only the provocations need. Numbers of Linux on x86-64 and arm64, which agree on these. */
const libc = koffi.load(null);

export const MADV_DONTNEED = 4;
export const MADV_HUGEPAGE = 14;
export const MADV_COLD = 20;
/** Faults pages in for writing (Linux 5.14). */
export const MADV_POPULATE_WRITE = 23;
/** Gathers pages into a huge page, at once and whatever the settings are (Linux 6.1). */
export const MADV_COLLAPSE = 25;

const PR_SET_PDEATHSIG = 1;
const SYS_PIDFD_OPEN = 434;
const SYS_PROCESS_MADVISE = 440;
const MAP_NORESERVE = 0x4000;

const rawPrctl: (option: number, argument: number) => number = libc.func("int prctl(int, unsigned long)");
const rawMunmap: (address: number, length: number) => number = libc.func("int munmap(intptr_t, size_t)");
const rawPidfdOpen: (number: number, pid: number, flags: number) => number = libc.func("syscall", "long", [
  "long",
  "long",
  "long",
]);
const rawProcessMadvise: (
  number: number,
  pidfd: number,
  iovec: BigUint64Array,
  count: number,
  advice: number,
  flags: number,
) => number = libc.func("syscall", "long", ["long", "long", "void *", "long", "long", "long"]);

const rawMemfdCreate: (name: string, flags: number) => number = libc.func(
  "int memfd_create(const char *, unsigned int)",
);
const rawFallocate: (fd: number, mode: number, offset: number, length: number) => number = libc.func(
  "int fallocate(int, int, int64_t, int64_t)",
);
const FALLOC_FL_KEEP_SIZE = 1;
const FALLOC_FL_PUNCH_HOLE = 2;

/** A file in memory without a name; its pages are given back when it is closed. */
export function createMemoryFile(): number {
  return rawMemfdCreate("hostility", 0);
}

/** Gives a range of a memory file its pages, which is cheap: they are not cleared before somebody reads them. */
export function allocatePages(fd: number, offset: number, lengthBytes: number): boolean {
  return rawFallocate(fd, 0, offset, lengthBytes) === 0;
}

/** Takes the pages of a range of a memory file away. */
export function punchHole(fd: number, offset: number, lengthBytes: number): void {
  rawFallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, lengthBytes);
}

/** A range of addresses of some process. */
export interface AddressRange {
  readonly address: number;
  readonly lengthBytes: number;
}

/** Has this process receive `signal` when the thread that started it ends. */
export function signalAtParentsEnd(signal: number): void {
  rawPrctl(PR_SET_PDEATHSIG, signal);
}

/** Reserves addresses for anonymous memory; the pages come when they are touched. */
export function reserveMemory(lengthBytes: number): number {
  return map(lengthBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE);
}

/** Gives memory of {@link reserveMemory} back. */
export function unmapMemory(address: number, lengthBytes: number): void {
  rawMunmap(address, lengthBytes);
}

/** A descriptor of a process; throws an error with the name of errno, for example ESRCH. */
export function openProcess(pid: number): number {
  const fd = rawPidfdOpen(SYS_PIDFD_OPEN, pid, 0);
  if (fd === -1) throw new Error(`pidfd_open: ${errnoName(koffi.errno())}`);
  return fd;
}

/**
 * Gives the kernel advice about memory of another process.
 *
 * @returns the name of errno, or undefined for success
 */
export function adviseProcess(pidfd: number, ranges: readonly AddressRange[], advice: number): string | undefined {
  const iovec = BigUint64Array.from(
    ranges.flatMap(({ address, lengthBytes }) => [BigInt(address), BigInt(lengthBytes)]),
  );
  const result = rawProcessMadvise(SYS_PROCESS_MADVISE, pidfd, iovec, ranges.length, advice, 0);
  return result === -1 ? errnoName(koffi.errno()) : undefined;
}

function errnoName(errno: number): string {
  return Object.entries(koffi.os.errno).find(([, value]) => value === errno)?.[0] ?? `errno ${errno}`;
}
