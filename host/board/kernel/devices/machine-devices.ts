/**
 * The devices of this machine that a program on a board finds beside the board's own: those that every program may expect,
 * and that reach nothing but memory of their own, terminals and the program's streams.
 */
export const MACHINE_DEVICES: ReadonlySet<string> = new Set([
  ...["null", "zero", "full", "random", "urandom"],
  ...["tty", "ptmx", "pts"],
  ...["fd", "stdin", "stdout", "stderr"],
  ...["shm", "mqueue", "log"],
]);
