/** What a failure of Node or the kernel comes of, and what to do about it. */
export interface FailureCause {
  /** `limit`: of what this process may use; `node`: of the options that Node was started with. */
  readonly kind: "limit" | "node";
  /** What it is and what to do, to be put in brackets. */
  readonly advice: string;
}

/** What Node's permission model has to allow. Source: Node documentation, Permissions. */
const NEEDED_PERMISSIONS =
  "axiscript needs --allow-addons, --allow-worker, --allow-wasi, --allow-fs-read=* and --allow-fs-write=*: start node " +
  "with these, or without its permission model";

/** The cause of a failure that lies outside of the program: a limit, an option. `undefined`: another one. */
export function causeOfFailure(error: unknown): FailureCause | undefined {
  if (!(error instanceof Error)) return undefined;
  const { code, permission, resource } = error as Error & Readonly<Record<string, unknown>>;
  const isThread = code === "ERR_WORKER_INIT_FAILED";
  // Of a thread that could not be started the system's code is in the message.
  if (code === "EMFILE" || code === "ENFILE" || (isThread && /\bE[MN]FILE\b/.test(error.message))) {
    return { kind: "limit", advice: "the limit on open files is reached: raise it, with ulimit -n" };
  }
  if (isThread) {
    return {
      kind: "limit",
      advice:
        "no thread can be started: raise the limit on processes (ulimit -u) or memory (ulimit -v), or the container's",
    };
  }
  if (code === "ERR_ACCESS_DENIED") {
    const what = [permission, resource].filter((text) => typeof text === "string" && text !== "").join(" ");
    return { kind: "node", advice: `Node's permission model forbids ${what || "it"}: ${NEEDED_PERMISSIONS}` };
  }
  if (code === "ERR_DLOPEN_DISABLED") {
    const what = "permission" in process ? NEEDED_PERMISSIONS : "start node without --no-addons";
    return { kind: "node", advice: `axiscript's system calls are an addon: ${what}` };
  }
  return undefined;
}
