import koffi from "koffi";
import {
  MAP_ANONYMOUS,
  MAP_PRIVATE,
  map,
  pageSizeBytes,
  PROT_EXEC,
  PROT_READ,
  PROT_WRITE,
  protectMemory,
  viewMemory,
} from "../../../host/native/libc";

/*
 * A child that returned to JavaScript, even to call _exit, could wait for ever for a lock or a thread that only the
 * parent has. Hence a function of a few instructions in which the child lives and ends:
 *
 *   pid = clone(flags 0)      fork(2) without SIGCHLD, which would disturb the parent
 *   if (pid != 0) return pid  the parent, or -errno
 *   exit_group(0)             the child
 */
function assemble(): Uint8Array {
  if (process.arch === "x64") {
    return Uint8Array.from([
      ...[0xf3, 0x0f, 0x1e, 0xfa], // endbr64
      ...[0x31, 0xff, 0x31, 0xf6, 0x31, 0xd2], // xor edi, edi; xor esi, esi; xor edx, edx
      ...[0x45, 0x31, 0xd2, 0x45, 0x31, 0xc0], // xor r10d, r10d; xor r8d, r8d
      ...[0xb8, 56, 0, 0, 0, 0x0f, 0x05], // mov eax, SYS_clone; syscall
      ...[0x85, 0xc0, 0x74, 0x01, 0xc3], // test eax, eax; jz child; ret
      ...[0x31, 0xff, 0xb8, 231, 0, 0, 0, 0x0f, 0x05], // child: xor edi, edi; mov eax, SYS_exit_group; syscall
    ]);
  }
  // mov x0..x4, #0; mov x8, #SYS_clone; svc #0; cbz w0, child; ret; child: mov x8, #SYS_exit_group; svc #0
  const zeros = [0, 1, 2, 3, 4].map((register) => 0xd2800000 + register);
  const words = [...zeros, 0xd2801b88, 0xd4000001, 0x34000040, 0xd65f03c0, 0xd2800bc8, 0xd4000001];
  return new Uint8Array(Uint32Array.from(words).buffer);
}

const code = assemble();
const codeAddress = map(pageSizeBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);
viewMemory(codeAddress, code.length).set(code);
protectMemory(codeAddress, pageSizeBytes, PROT_READ | PROT_EXEC);

const prototype = koffi.proto("int ()");

/**
 * Forks a child that ends at once. It sends no SIGCHLD and has to be reaped with `__WALL`.
 *
 * @returns the child's process id, or a negative errno
 */
export function forkAndExit(): number {
  return koffi.call(BigInt(codeAddress), prototype) as number;
}
