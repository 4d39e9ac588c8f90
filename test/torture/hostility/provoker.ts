import { type ChildProcess, spawn } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { join } from "node:path";
import type { Report } from "./provocation";

/** A provocation as the parent knows it. */
export interface ProvocationPlan {
  /** Its name, and the name of its main program in this folder. */
  readonly name: string;
  /** Files that it must be able to write. */
  readonly writes: readonly string[];
  /** Whether it has to put something back when it ends. */
  readonly restores: boolean;
}

/** Runs one provocation in a process of its own. */
export class Provoker {
  readonly name: string;
  readonly #child: ChildProcess;
  readonly #restores: boolean;
  readonly #exited: Promise<void>;
  #rounds = 0;
  #stopping = false;

  /**
   * @param unavailable called with the reason when the provocation cannot go on
   * @throws Error if a file cannot be written
   */
  constructor({ name, writes, restores }: ProvocationPlan, targetPid: number, unavailable: (reason: string) => void) {
    for (const path of writes) accessSync(path, constants.W_OK);
    this.name = name;
    this.#restores = restores;
    // A session of its own: Ctrl-C on the terminal must not end a child before it has put things back.
    this.#child = spawn(process.execPath, [join(__dirname, `${name}.js`), String(targetPid)], {
      detached: true,
      stdio: ["ignore", "ignore", "inherit", "ipc"],
    });
    let failure: string | undefined;
    this.#child.on("message", (report: Report) => {
      if ("failure" in report) failure = report.failure;
      else this.#rounds = report.rounds;
    });
    this.#exited = new Promise((resolve) => {
      const ended = (reason: string) => {
        if (!this.#stopping) unavailable(failure ?? reason);
        resolve();
      };
      this.#child.once("exit", (status, signal) => ended(`its process ended: ${signal ?? `status ${status}`}`));
      this.#child.once("error", (error) => ended(error.message));
    });
    // A program that forgets its provocations can still end, and they end with it.
    this.#child.unref();
    this.#child.channel?.unref();
  }

  /** Rounds that were completed, as far as reports were read: they arrive through the event loop. */
  get rounds(): number {
    return this.#rounds;
  }

  /** Ends the process; when this resolves, it is gone and the machine is as it was. */
  async stop(): Promise<void> {
    this.#stopping = true;
    this.#child.ref();
    if (!this.#restores) this.#child.kill("SIGKILL");
    else if (this.#child.connected) this.#child.disconnect();
    await this.#exited;
  }
}
