import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, ftruncateSync, readFileSync } from "node:fs";
import { createMemoryFile, MFD_CLOEXEC } from "../../host/native/libc";
import { type ArchiveEntry, writeArchive } from "./cpio";
import { type Job, type JobNews, lineSplitter, READY } from "./jobs";

/**
 * Below the hole in a PC's addresses: up to 2 GiB a physical address is an offset in the guest's memory. The kernel has no
 * transparent huge pages where less than 512 MiB are left beside what it boots from; with more, compaction takes longer.
 */
const MEMORY_BYTES = 768 * 2 ** 20;
/** On a machine that has other things to do. */
const BOOT_DEADLINE_MS = 240_000;
const JOB_DEADLINE_MS = 180_000;
const POWER_OFF_DEADLINE_MS = 60_000;
/** What QEMU finds open, from the first descriptor behind the standard streams on. */
const FIRST_DESCRIPTOR = 3;
const CONSOLE_TAIL_CHARACTERS = 6000;
/** What no kernel says that is well. */
const COMPLAINT =
  /.*(?:\bWARNING:|\bBUG:|\bOops\b|Call Trace|Kernel panic|general protection|soft lockup|hung_task|blocked for more than|detected stalls|Bad page|Out of memory).*/;

export interface GuestOptions {
  /** Path of the kernel's image. */
  readonly kernel: string;
  readonly files: readonly ArchiveEntry[];
  /** Added to the kernel's command line. */
  readonly bootArguments?: string;
  /** QEMU's `-device …` for PCI devices that QEMU itself has. */
  readonly devices?: readonly string[];
  /** Register files of PCI devices that are served from outside: descriptors of memory files. */
  readonly registerFiles?: readonly { readonly fd: number; readonly lengthBytes: number; readonly slot: number }[];
}

/** How a job ended. */
export interface JobResult {
  /** Its exit status, or the signal that ended it. */
  readonly status: number | string | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface JobOptions extends Pick<Job, "user" | "env"> {
  readonly deadlineMs?: number;
  /** Called with what stdout holds so far, whenever there is more. What it throws is what the job comes to. */
  readonly onOutput?: (stdout: string) => void;
}

interface RunningJob {
  stdout: string;
  stderr: string;
  readonly onOutput: JobOptions["onOutput"];
  readonly ended: (status: JobResult["status"]) => void;
  readonly failed: (error: Error) => void;
}

/**
 * A computer that runs the stock kernel: QEMU, which translates, so that it takes no rights and no support of this machine.
 * Its memory, its console and all that it starts from are memory files without a name: nothing of it outlives this process.
 */
export class Guest {
  /** The guest's memory: a physical address is the position. */
  readonly memoryFd: number;
  readonly memoryBytes = MEMORY_BYTES;
  readonly #consoleFd: number;
  readonly #imageFd: number;
  readonly #process: ChildProcess;
  readonly #exited: Promise<string>;
  readonly #jobs = new Map<number, RunningJob>();
  #said = "";
  #ready: () => void = () => {};
  #lastId = 0;
  #isClosed = false;

  private constructor(options: GuestOptions) {
    this.memoryFd = createMemoryFile("guest-memory", MFD_CLOEXEC);
    ftruncateSync(this.memoryFd, MEMORY_BYTES);
    this.#consoleFd = createMemoryFile("guest-console", MFD_CLOEXEC);
    this.#imageFd = createMemoryFile("guest-image", MFD_CLOEXEC);
    writeArchive(this.#imageFd, options.files);
    const registerFiles = options.registerFiles ?? [];
    const descriptors = [this.memoryFd, this.#consoleFd, this.#imageFd, ...registerFiles.map(({ fd }) => fd)];
    // QEMU has no part in this process's end otherwise.
    const args = ["--pdeathsig=KILL", "qemu-system-x86_64", ...qemuArguments(options)];
    this.#process = spawn("setpriv", args, { stdio: ["pipe", "pipe", "pipe", ...descriptors] });
    const onText = lineSplitter((line) => this.#hear(line));
    this.#process.stdout?.setEncoding("utf8").on("data", onText);
    this.#process.stderr?.setEncoding("utf8").on("data", (text: string) => (this.#said += text));
    this.#process.stdin?.on("error", () => {});
    this.#exited = new Promise((resolve) => {
      this.#process.once("error", (error) => resolve(error.message));
      this.#process.once("close", (status, signal) => resolve(`QEMU ended: ${signal ?? `status ${status}`}`));
    });
  }

  /**
   * Boots a guest, ready to run jobs.
   *
   * @throws Error with what the console shows, if it does not come up in time
   */
  static async boot(options: GuestOptions): Promise<Guest> {
    const guest = new Guest(options);
    try {
      await guest.#before(BOOT_DEADLINE_MS, "boot", new Promise<void>((resolve) => (guest.#ready = resolve)));
      return guest;
    } catch (error) {
      await guest.kill();
      throw error;
    }
  }

  /** What the kernel has printed so far. */
  get console(): string {
    return readFileSync(`/proc/self/fd/${this.#consoleFd}`, "latin1").replaceAll("\r", "");
  }

  /** The first sign that something is wrong in what the kernel has printed. */
  get complaint(): string | undefined {
    return COMPLAINT.exec(this.console)?.[0];
  }

  /**
   * Runs a command with the guest's `sh -c`.
   *
   * @throws Error with what the console shows, if the guest ends, or the job does not in time; the guest is ended then
   */
  async run(command: string, { onOutput, deadlineMs = JOB_DEADLINE_MS, ...rest }: JobOptions = {}): Promise<JobResult> {
    const id = ++this.#lastId;
    const job: Job = { id, command, ...rest };
    const running = new Promise<JobResult>((resolve, failed) => {
      const state: RunningJob = {
        stdout: "",
        stderr: "",
        onOutput,
        failed,
        ended: (status) => resolve({ ...state, status }),
      };
      this.#jobs.set(id, state);
    });
    this.#process.stdin?.write(`${JSON.stringify(job)}\n`);
    return this.#before(deadlineMs, `end "${command}"`, running);
  }

  /**
   * As {@link run}, for a command that must succeed.
   *
   * @returns what it printed
   * @throws Error with what it printed, if it did not
   */
  async succeed(command: string, options: JobOptions = {}): Promise<string> {
    const { status, stdout, stderr } = await this.run(command, options);
    if (status === 0) return stdout;
    throw new Error(
      `"${command}" ended with ${status} in the guest:\n${stdout}\n${stderr}\nConsole:\n${this.#consoleTail()}`,
    );
  }

  /**
   * Powers the guest off.
   *
   * @throws Error if the kernel has said that something was wrong at any time
   */
  async powerOff(): Promise<void> {
    this.#process.stdin?.write("\n");
    await this.#before(POWER_OFF_DEADLINE_MS, "power off", this.#exited, true);
    const { complaint, console } = this;
    this.#close();
    if (complaint !== undefined) throw new Error(`The guest's kernel complained: ${complaint}\n${console}`);
  }

  /** Ends the guest as it is. */
  async kill(): Promise<void> {
    this.#process.kill("SIGKILL");
    await this.#exited;
    this.#close();
  }

  #close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const fd of [this.memoryFd, this.#consoleFd, this.#imageFd]) closeSync(fd);
  }

  #hear(line: string): void {
    if (line === READY) {
      this.#ready();
      return;
    }
    const news = JSON.parse(line) as JobNews;
    const job = this.#jobs.get(news.id);
    if (!job) return;
    if ("stream" in news) {
      job[news.stream] += news.text;
      try {
        if (news.stream === "stdout") job.onOutput?.(job.stdout);
      } catch (error) {
        job.failed(error instanceof Error ? error : new Error(String(error)));
      }
      return;
    }
    this.#jobs.delete(news.id);
    job.ended(news.status ?? news.signal);
  }

  /** Waits for something that must come before a deadline, and before the guest ends unless that is it. */
  async #before<T>(deadlineMs: number, what: string, wanted: Promise<T>, isEnd = false): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<string>((resolve) => {
      timer = setTimeout(() => resolve(`${deadlineMs / 1000} s have passed`), deadlineMs);
    });
    const failed = (isEnd ? late : Promise.race([late, this.#exited])).then((reason) => {
      this.#process.kill("SIGKILL");
      throw new Error(`The guest did not ${what}: ${reason}. ${this.#said}\nConsole:\n${this.#consoleTail()}`);
    });
    try {
      return await Promise.race([wanted, failed]);
    } finally {
      clearTimeout(timer);
    }
  }

  #consoleTail(): string {
    return this.console.slice(-CONSOLE_TAIL_CHARACTERS);
  }
}

function qemuArguments({ kernel, bootArguments = "", devices = [], registerFiles = [] }: GuestOptions): string[] {
  const [memory, console, image, ...registers] = [0, 1, 2, ...registerFiles.keys()].map(
    (_, index) => `/proc/self/fd/${FIRST_DESCRIPTOR + index}`,
  );
  const file = (id: string, path: string | undefined, size: number) => [
    ...["-object", `memory-backend-file,id=${id},share=on,size=${size},mem-path=${path}`],
  ];
  // One processor: where QEMU translates, code that one thread patches while another one runs it, as V8's, can crash.
  return [
    ...["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"],
    ...["-accel", "tcg", "-cpu", "max", "-smp", "1", "-m", `${MEMORY_BYTES / 2 ** 20}`],
    ...["-machine", "q35,memory-backend=ram", ...file("ram", memory, MEMORY_BYTES)],
    ...["-chardev", `file,id=console,path=${console}`, "-serial", "chardev:console"],
    ...["-chardev", "stdio,id=jobs,signal=off", "-serial", "chardev:jobs"],
    ...["-kernel", kernel, "-initrd", `${image}`],
    ...["-append", `console=ttyS0 panic=-1 ${bootArguments}`],
    ...registerFiles.flatMap(({ lengthBytes, slot }, index) => [
      ...file(`registers${index}`, registers[index], lengthBytes),
      ...["-device", `ivshmem-plain,memdev=registers${index},addr=${slot}`],
    ]),
    ...devices.flatMap((device) => ["-device", device]),
  ];
}
