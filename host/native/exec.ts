import { constants } from "node:os";
import koffi from "koffi";
import { SystemCallError } from "./libc";

const libc = koffi.load(null);

const F_SETFD = 2;
const SIG_DFL = 0;
/** stdin, stdout and stderr. */
const STANDARD_STREAMS = [0, 1, 2];

const IGNORED_BY_NODE = [constants.signals.SIGPIPE, constants.signals.SIGXFSZ];

const rawExecvp: (file: string, args: readonly (string | null)[]) => number = libc.func(
  "int execvp(const char *, const char **)",
);
const rawFcntl: (fd: number, command: number, flags: number) => number = libc.func("int fcntl(int, int, int)");
const rawSignal: (signal: number, handler: number) => number = libc.func("intptr_t signal(int, intptr_t)");

/**
 * Turns this process into another program, which keeps its number, parent, environment, standard streams and the calling
 * thread's namespaces. What Node changed of what a program inherits is changed back. Does not return.
 *
 * @param command looked up in PATH if it has no slash
 * @throws SystemCallError ENOENT if there is no such program
 */
export function execute(command: string, args: readonly string[]): never {
  // Node closes all descriptors on exec, and ignores two signals, which a program inherits.
  for (const fd of STANDARD_STREAMS) rawFcntl(fd, F_SETFD, 0);
  for (const signal of IGNORED_BY_NODE) rawSignal(signal, SIG_DFL);
  rawExecvp(command, [command, ...args, null]);
  throw new SystemCallError("execvp", koffi.errno());
}
