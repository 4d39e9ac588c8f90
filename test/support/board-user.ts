import { fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";

/** What the process is told to do; then it says how things are. */
export type UserOrder = "look" | "open the device" | "replace first page";

/** What the process says. */
export interface UserState {
  /** Physical addresses of its pages, as the kernel shows them to it. */
  readonly pages: readonly number[];
  /** Which bytes of its memory, by offset, are not as they were at first. */
  readonly changed: readonly (readonly [offset: number, byte: number])[];
}

/** A process with 64 KiB of memory that holds a pattern, and perhaps with a device file of a board. */
export interface BoardUser {
  readonly pid: number;
  /** What it said at first. */
  readonly state: UserState;
  tell(order: UserOrder): Promise<UserState>;
  /** Ends it, and waits until it is gone. */
  kill(): Promise<void>;
}

/** @param use how it uses which file; absent: it does not */
export async function startBoardUser(use?: {
  how: "opens" | "maps" | "opens later";
  device: string;
}): Promise<BoardUser> {
  const child = fork(join(__dirname, "board-user-process.js"), use ? [use.how, use.device] : []);
  const exited = once(child, "exit");
  const next = async () => (await once(child, "message"))[0] as UserState;
  const state = await next();
  return {
    ...{ pid: child.pid ?? 0, state },
    tell: (order) => {
      child.send(order);
      return next();
    },
    kill: async () => {
      child.kill("SIGKILL");
      await exited;
    },
  };
}
