import type { Faults } from "../board/fabric/fabric";
import type { Coherency } from "../board/memory/main-memory";
import { ModelErrors } from "../board/models/model-errors";
import { DeviceCatalog } from "../linux/catalog";
import { Sysroot } from "../linux/sysroot";
import { hasUioDevices } from "../linux/uio-presence";
import { AxiscriptError } from "../util/errors";
import { escapeControls } from "../util/escape";
import { MAX_MEMORY_BYTES, WASM_PAGE_BYTES } from "../memory/linear-memory";
import { PIN_MECHANISMS, type PinMechanism } from "../memory/pins";
import type { BoardHandle } from "./boards/board-handle";
import { checkOptions, KIND, oneOf, type OptionKinds } from "./check-options";
import { BOARD_KINDS, checkBoardOptions, loadAsked, type UsedBoard, useVirtualBoard } from "./boards/virtual-board";
import { COMPILE_KINDS, type CompileOptions } from "./compile/compile";
import { checkPermissionOptions } from "./permissions/create";
import type { PermissionOptions } from "./permissions/permission";
import type { RunResult, RunStreams } from "./run/run";
import type { RunHooks, ScriptThreads } from "./run/script-threads";
import { type CompiledScript, loadWasm } from "./module/script";
import { MAX_TIMEOUT_MS } from "./run/time-limit";
import { requireWorkingDirectory } from "../util/working-directory";

/** `auto`: the real system if it has UIO devices, else a virtual board. */
export type BoardChoice = (typeof BOARD_CHOICES)[number];
const BOARD_CHOICES = ["auto", "virtual", "linux"] as const;

export interface RuntimeOptions extends CompileOptions {
  /** `"auto"` if absent. */
  readonly board?: BoardChoice;
  /**
   * The directory in place of `/`. For a virtual board: where one is running that was started by itself
   * (`startBoard`), or else where to build it, to be kept for the next time (absent: a temporary directory). For `linux`:
   * where the kernel's files are; `/` if absent.
   */
  readonly sysroot?: string;
  /** Cores of the virtual board that misbehave, by port, to try error paths. */
  readonly faults?: Faults;
  /** Seed of the virtual board's transfer durations; 1 if absent. */
  readonly seed?: number;
  /** Directories with device descriptions of the user's own, which come before those of the package. */
  readonly deviceDirectories?: readonly string[];
  /**
   * `strict`: a port of the virtual board that does not snoop the processor's caches (HP; HPC without the side band for
   * it) sees what was synchronised, and nothing else, as it may on hardware. `relaxed`, or absent: it sees what the script
   * sees.
   */
  readonly coherency?: Coherency;
  /**
   * A file for the record of what happens on the virtual board, made anew, one line of JSON each: transfers on the bus,
   * writes to registers, and what the kernel has to say. It is complete when the runtime is closed. docs/record.md
   * describes the lines.
   */
  readonly record?: string;
  /**
   * Modules with cores of your own for the virtual board, as `DeviceModelDescription` says; paths relative to the
   * working directory.
   */
  readonly models?: readonly string[];
  /** What keeps pages in place; absent: the best mechanism that this process may use. */
  readonly pinMechanism?: PinMechanism;
  /** What scripts may do, unless a run says otherwise; absent: everything on a virtual board, nothing on real hardware. */
  readonly permissions?: PermissionOptions;
}

/** What {@link Runtime.runSync} takes. */
export interface RunSyncOptions {
  /** What the script finds in `process.argv` after its own name. */
  readonly args?: readonly string[];
  /** Environment variables of the script; none if absent. It sees those that its permissions allow. */
  readonly env?: Readonly<Record<string, string>>;
  /** The script is stopped after this time, compilation not counted; 1 to 2^32 - 1. Absent: no limit. */
  readonly timeoutMs?: number;
  /**
   * The most that the script's memory may grow to, in bytes; beyond it `memory.grow` fails. From 64 KiB to 4 GiB; half of
   * the memory that is available when the run begins if absent.
   */
  readonly maxMemoryBytes?: number;
  /** What this script may do, in place of the runtime's `permissions`. */
  readonly permissions?: PermissionOptions;
  /** File to which one JSON object a line is appended for each permission that is used or refused. */
  readonly audit?: string;
  /** The script is stopped when it has printed more than this on both streams together. Absent: no limit. */
  readonly maxOutputBytes?: number;
  /** File descriptors for the script's standard streams; 0, 1 and 2 if absent. */
  readonly stdin?: number;
  readonly stdout?: number;
  readonly stderr?: number;
  /**
   * Told what a person should know and no result says: a fallback that was taken, memory that had to be kept, a core of the
   * virtual board that is dead since its model failed. What it throws ends the run.
   */
  readonly onNote?: (message: string) => void;
}

/** What {@link Runtime.run} takes. */
export interface RunOptions extends RunSyncOptions {
  /** Stops the script when it is triggered: ERR_AXI_ABORTED, with the signal's reason as `cause`. */
  readonly signal?: AbortSignal;
}

const RUNTIME_KINDS: OptionKinds<RuntimeOptions> = {
  ...COMPILE_KINDS,
  ...BOARD_KINDS,
  board: oneOf(BOARD_CHOICES),
  deviceDirectories: KIND.texts,
  pinMechanism: oneOf(PIN_MECHANISMS),
  permissions: KIND.object,
};

const RUN_SYNC_KINDS: OptionKinds<RunSyncOptions> = {
  args: KIND.texts,
  env: KIND.textsByName,
  timeoutMs: KIND.number,
  maxMemoryBytes: KIND.number,
  permissions: KIND.object,
  audit: KIND.text,
  maxOutputBytes: KIND.number,
  stdin: KIND.descriptor,
  stdout: KIND.descriptor,
  stderr: KIND.descriptor,
  onNote: KIND.function,
};

const RUN_KINDS: OptionKinds<RunOptions> = { ...RUN_SYNC_KINDS, signal: KIND.signal };

/** Runs scripts on one board. Made by {@link createRuntime}. */
export interface Runtime {
  /** What was chosen. */
  readonly board: "virtual" | "linux";
  /** The directory in place of `/`. */
  readonly sysroot: string;
  /**
   * Runs a script in a fresh instance and a fresh memory. The board, and with it what is programmed, stays.
   *
   * The script runs in a thread of its own, and the caller's event loop goes on turning; several scripts can run at the
   * same time. The program does not end before the script does. When this settles, however the script ended, its devices
   * are at rest and all memory is given back. Signals are the program's own: they do not stop the script.
   *
   * A time limit is kept by the caller's event loop; if that stands still, the script is stopped up to a second later, and
   * what the host was doing for it at that moment is not undone. What V8 takes to compile the module counts; one that takes
   * long occupies a thread of V8's until it is done.
   *
   * @param script path of a `.ts` or `.wasm`, or what `compileScript` gave
   * @throws AxiscriptError what {@link compileScript} throws; ERR_AXI_LINK, ERR_AXI_NO_ENTRY, ERR_AXI_NOT_WASM;
   *   ERR_AXI_TRAP, ERR_AXI_ABORT, ERR_AXI_GATE; ERR_AXI_TIMEOUT, ERR_AXI_ABORTED, ERR_AXI_BROKEN_PIPE; ERR_AXI_LIMIT;
   *   any error of a device, the memory or the FPGA that the script did not handle
   * @example
   * const controller = new AbortController();
   * button.onPress(() => controller.abort());
   * await runtime.run("script.wasm", { signal: controller.signal, timeoutMs: 60_000 });
   */
  run(script: string | CompiledScript, options?: RunOptions): Promise<RunResult>;
  /**
   * As {@link Runtime.run}, while the calling thread waits: its event loop stands still until the script ends, and no timer,
   * promise or AbortSignal takes effect. SIGINT, SIGTERM and SIGHUP stop the script, if the calling thread is the program's
   * main one. The time limit does not count what V8 takes to compile the module, which nothing stops.
   *
   * @param script path of a `.wasm`, or what `compileScript` gave: compiling takes an event loop
   * @throws AxiscriptError as {@link Runtime.run}; ERR_AXI_INTERRUPTED, and not ERR_AXI_ABORTED
   */
  runSync(script: string | CompiledScript, options?: RunSyncOptions): RunResult;
  /**
   * Stops what runs (ERR_AXI_ABORTED), ends the board and removes its temporary files. Scripts cannot be run afterwards:
   * ERR_AXI_USAGE.
   */
  close(): Promise<void>;
}

/**
 * Starts a board, or opens the real system, for scripts to run on.
 *
 * Importing the package throws ERR_AXI_UNSUPPORTED_PLATFORM on other systems than Linux on x86-64 and arm64.
 *
 * @throws AxiscriptError ERR_AXI_BOARD; ERR_AXI_BOARD_BUSY where a board serves another program alone; ERR_AXI_USAGE for
 *   an option that does not exist or is of another kind, a seed out of range, a record or models of a real system, or
 *   settings of a board that is already running; ERR_AXI_IO if the record cannot be written; ERR_AXI_MODEL for a model that
 *   cannot be used; ERR_AXI_DESCRIPTION for device descriptions that cannot be used
 * @example
 * import { createRuntime } from "axiscript";
 *
 * const runtime = await createRuntime({ board: "virtual" });
 * try {
 *   const { exitCode } = await runtime.run("script.ts", { args: ["hpc"], timeoutMs: 5000 });
 *   console.log(`exit code ${exitCode}`);
 * } finally {
 *   await runtime.close();
 * }
 */
export async function createRuntime(options: RuntimeOptions = {}): Promise<Runtime> {
  return createRuntimeWith(options, {});
}

/** What no user should need. */
export interface RuntimeSettings {
  /** Pins nothing; for harnesses that show what happens then. */
  readonly unpinned?: boolean;
  /** Of {@link Runtime.run}: the script was asked to stop, and does not. Absent: it is waited for. */
  readonly onStuck?: () => void;
}

/** As {@link createRuntime}, with settings for every run. */
export async function createRuntimeWith(options: RuntimeOptions, settings: RuntimeSettings): Promise<Runtime> {
  requireWorkingDirectory();
  checkOptions("create a runtime", options, RUNTIME_KINDS);
  checkBoardOptions(options);
  const choice = options.board ?? "auto";
  if (options.sysroot === "") {
    throw new AxiscriptError("ERR_AXI_USAGE", "Cannot use an empty sysroot: name a directory.");
  }
  checkPermissionOptions(options.permissions);
  // A mistake in them is told now, not by the first device that a script opens.
  if (options.deviceDirectories) new DeviceCatalog(options.deviceDirectories).checkOwn();
  const kind = choice === "auto" ? chooseBoard(options) : choice;
  if (options.sysroot !== undefined && kind === "linux") {
    const { requireTrustedSysroot } = require("./boards/trusted-sysroot") as typeof import("./boards/trusted-sysroot");
    requireTrustedSysroot(options.sysroot);
  }
  if (options.record !== undefined && kind === "linux") {
    throw new AxiscriptError(
      "ERR_AXI_USAGE",
      `Cannot record the board in ${options.record}: only a virtual board shows what happens on it, and this is the real system.`,
    );
  }
  if (options.models !== undefined && options.models.length > 0 && kind === "linux") {
    throw new AxiscriptError(
      "ERR_AXI_USAGE",
      `Cannot use the model ${options.models.join(", ")}: only a virtual board has models in place of cores, and this is ` +
        'the real system. Choose the board "virtual" (--board=virtual).',
    );
  }
  const models = await loadAsked(options.models);
  const kept = options.sysroot === undefined ? undefined : new ModelErrors(options.sysroot);
  const virtual = kind === "virtual" ? useVirtualBoard({ ...options, models }) : undefined;
  const handle: BoardHandle = {
    ...{ kind, deviceDirectories: options.deviceDirectories },
    sysroot: new Sysroot(virtual?.sysroot ?? options.sysroot ?? "/").directory,
    addressNote: virtual?.addressNote,
    memory: virtual?.memory,
  };
  const modelErrors = kept ?? (virtual && models.length > 0 ? new ModelErrors(virtual.sysroot) : undefined);
  return new BoardRuntime(handle, options, settings, virtual, virtual && modelErrors);
}

/** A runtime on a board that was chosen. */
class BoardRuntime implements Runtime {
  readonly board: "virtual" | "linux";
  readonly sysroot: string;
  readonly #handle: BoardHandle;
  readonly #options: RuntimeOptions;
  readonly #settings: RuntimeSettings;
  readonly #virtual: UsedBoard | undefined;
  /** Absent: no model of a user's can be on the board. */
  readonly #modelErrors: ModelErrors | undefined;
  #threads: ScriptThreads | undefined;
  #closing: Promise<void> | undefined;

  constructor(
    handle: BoardHandle,
    options: RuntimeOptions,
    settings: RuntimeSettings,
    virtual: UsedBoard | undefined,
    modelErrors: ModelErrors | undefined,
  ) {
    this.board = handle.kind;
    this.sysroot = handle.sysroot;
    this.#handle = handle;
    this.#options = options;
    this.#settings = settings;
    this.#virtual = virtual;
    this.#modelErrors = modelErrors;
  }

  async run(script: string | CompiledScript, options: RunOptions = {}): Promise<RunResult> {
    // Loaded here, since the command line has no need of it.
    const beside = require("./run/run-beside") as typeof import("./run/run-beside");
    this.#checkOpen();
    checkOptions("run a script", options, RUN_KINDS);
    const { settings, streams, limits } = this.#prepare(options);
    const { signal, onNote = () => {} } = options;
    const { onStuck } = this.#settings;
    const hooks: RunHooks = { signal, onNote, board: this.#virtual, ...(onStuck && { onStuck }) };
    // Before anything is awaited: a runtime that is closed meanwhile lets nothing more run in them.
    this.#threads ??= beside.createThreads();
    const compiled = await beside.compile(script, this.#options, signal);
    const job = { board: this.#handle, streams: streams(compiled), settings };
    try {
      return await beside.run(this.#threads, compiled, job, limits, hooks);
    } finally {
      this.#tellModelErrors(onNote);
    }
  }

  runSync(script: string | CompiledScript, options: RunSyncOptions = {}): RunResult {
    const beside = require("./run/run-beside") as typeof import("./run/run-beside");
    this.#checkOpen();
    checkOptions("run a script", options, RUN_SYNC_KINDS);
    const { settings, streams, limits } = this.#prepare(options);
    const compiled = typeof script === "object" ? script : loadWasmOnly(script);
    const { onNote = () => {} } = options;
    this.#threads ??= beside.createThreads();
    try {
      const job = { board: this.#handle, streams: streams(compiled), settings };
      return beside.runSync(this.#threads, compiled, job, limits, { onNote, board: this.#virtual });
    } finally {
      this.#tellModelErrors(onNote);
    }
  }

  close(): Promise<void> {
    return (this.#closing ??= this.#close());
  }

  async #close(): Promise<void> {
    await this.#threads?.close();
    await this.#virtual?.stop();
  }

  /** A core that is dead explains what a script waited for in vain. */
  #tellModelErrors(onNote: RunSyncOptions["onNote"]): void {
    const hanging = this.#virtual?.hangingModel;
    for (const error of [...(this.#modelErrors?.take() ?? []), ...(hanging === undefined ? [] : [hanging])]) {
      onNote?.(escapeControls(error));
    }
  }

  #prepare(options: RunSyncOptions) {
    const { timeoutMs, maxMemoryBytes, maxOutputBytes, audit } = options;
    const { args = [], env = {}, stdin = 0, stdout = 1, stderr = 2 } = options;
    const { pinMechanism } = this.#options;
    const permissions = options.permissions ?? this.#options.permissions;
    checkPermissionOptions(permissions);
    checkInteger("limit a run in milliseconds to", timeoutMs, 1, MAX_TIMEOUT_MS);
    checkInteger("limit a memory in bytes to", maxMemoryBytes, WASM_PAGE_BYTES, MAX_MEMORY_BYTES);
    checkInteger("limit the output in bytes to", maxOutputBytes, 0, Number.MAX_SAFE_INTEGER);
    return {
      limits: { timeoutMs, maxMemoryBytes },
      settings: {
        ...(pinMechanism && { pinMechanism }),
        ...(this.#settings.unpinned === true && { unpinned: true }),
        ...(permissions && { permissions }),
        ...(audit !== undefined && { audit }),
        ...(maxOutputBytes !== undefined && { maxOutputBytes }),
      },
      streams: ({ path }: CompiledScript): RunStreams => ({ args: [path, ...args], env, stdin, stdout, stderr }),
    };
  }

  #checkOpen(): void {
    if (!this.#closing) return;
    throw new AxiscriptError("ERR_AXI_USAGE", "Cannot run a script: the runtime was closed. Create another one.");
  }
}

function loadWasmOnly(path: string): CompiledScript {
  if (path.endsWith(".wasm")) return loadWasm(path);
  throw new AxiscriptError(
    "ERR_AXI_USAGE",
    `Cannot run ${path} at once: runSync takes a .wasm file, or what compileScript gave. Compile it first.`,
  );
}

function chooseBoard({ sysroot }: RuntimeOptions): "virtual" | "linux" {
  return sysroot === undefined && hasUioDevices(new Sysroot("/")) ? "linux" : "virtual";
}

function checkInteger(action: string, value: number | undefined, least: number, most: number): void {
  if (value === undefined || (Number.isInteger(value) && value >= least && value <= most)) return;
  throw new AxiscriptError(
    "ERR_AXI_USAGE",
    `Cannot ${action} ${value}: it is a whole number from ${least} to ${most}.`,
  );
}
