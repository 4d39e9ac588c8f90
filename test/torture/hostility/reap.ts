import koffi from "koffi";

const libc = koffi.load(null);
const rawWaitpid: (pid: number, status: null, options: number) => number = libc.func("int waitpid(int, void *, int)");

const WNOHANG = 1;
/** Also children that send no SIGCHLD. */
const __WALL = 0x40000000;
const POLL_MS = 0.2;
const DEADLINE_MS = 1000;

const never = new Int32Array(new SharedArrayBuffer(4));

/** Waits for a child's end; kills it if that does not come within a second. Blocks the thread. */
export function reap(pid: number): void {
  const deadline = performance.now() + DEADLINE_MS;
  while (rawWaitpid(pid, null, WNOHANG | __WALL) === 0) {
    if (performance.now() > deadline) process.kill(pid, "SIGKILL");
    Atomics.wait(never, 0, 0, POLL_MS);
  }
}
