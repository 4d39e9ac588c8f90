import type { DeviceCatalog } from "../../linux/catalog";
import { escapeControls } from "../../util/escape";
import { FpgaManager } from "../../linux/fpga-manager";
import type { Sysroot } from "../../linux/sysroot";
import { checkWaitsWith } from "../../util/wait";
import { Gate } from "../../gate/gate";
import type { WindowListener } from "../../gate/window";
import { DeviceMemory, type KeptMemory, type MemoryObserver } from "../../memory/device-memory";
import { LinearMemory, type MemoryRange } from "../../memory/linear-memory";
import { type PinMechanism, touchOnly } from "../../memory/pins";
import { MEMORY_IMPORT } from "../abi/abi";
import { hostFunctions } from "../abi/host-functions";
import type { ScriptModule } from "../module/module";
import { OutputLimit } from "./output-limit";
import { createPermissions } from "../permissions/create";
import type { PermissionOptions, RunPermissions } from "../permissions/permission";
import { type HostFunction, RunGuard, ScriptExit } from "./run-guard";
import type { CompiledScript } from "../module/script";
import { createWasi, type ScriptWasi, type WasiOptions } from "../wasi/wasi";

const STACK_FRAMES = 100;
/** How long the end of a run waits for devices to finish what they are doing. */
export const IDLE_TIMEOUT_MS = 500;

/** A system with devices, and how its devices get to know a script's memory. */
export interface Board extends MemoryObserver {
  readonly kind: "virtual" | "linux";
  readonly sysroot: Sysroot;
  /** What is known of its devices. */
  readonly catalog: DeviceCatalog;
  /** What its physical addresses are not, if there is something to say. */
  readonly addressNote?: string;
  /** When this returns, no device reaches the memory any more. */
  withdrawMemory(range: MemoryRange): void;
}

/** How a run is carried out. */
export interface RunSettings {
  /** The pin mechanism to use; absent: the best that this process may use. */
  readonly pinMechanism?: PinMechanism;
  /** Pins nothing; for harnesses that show what happens then. */
  readonly unpinned?: boolean;
  /** What the script may do; absent: what the board allows by itself. */
  readonly permissions?: PermissionOptions;
  /** File to which the use of permissions is appended. */
  readonly audit?: string;
  /** What the script may print on both streams together; absent: no limit. */
  readonly maxOutputBytes?: number;
  /** Told what a person should know: a fallback that was taken, memory that was kept. */
  readonly note?: (message: string) => void;
}

/** What a run may use. */
export interface RunLimits {
  /** Absent: no limit. */
  readonly timeoutMs: number | undefined;
  /** Absent: half of the memory that is available when the run begins. */
  readonly maxMemoryBytes: number | undefined;
}

/** What a run came to. */
export interface RunResult {
  /** What the script gave to `process.exit`, or 0; from 0 to 255. */
  readonly exitCode: number;
  /** What kept the pages in place whose physical addresses the script asked for; absent if it asked for none. */
  readonly pinMechanism?: PinMechanism;
}

/** The streams, arguments and environment of a run. */
export type RunStreams = Omit<WasiOptions, "permissions" | "outputLimit" | "module">;

/** A script as the record of its permissions names it. */
export type ScriptIdentity = Pick<CompiledScript, "path" | "wasm">;

/**
 * One run of a script, from linking to clean-up, on the calling thread.
 *
 * Whoever carries it out calls {@link ScriptRun.execute} and, however that ended, {@link ScriptRun.close}: a script that
 * is stopped is cut off without a trace, and what it holds is known only here.
 */
export class ScriptRun {
  readonly #board: Board;
  readonly #guard: RunGuard;
  readonly #memory: LinearMemory;
  readonly #gate = new Gate();
  readonly #settings: RunSettings;
  readonly #permissions: RunPermissions;
  readonly #wasi: ScriptWasi;
  readonly #start: () => void;
  readonly #stackTraceLimit = Error.stackTraceLimit;
  #deviceMemory: DeviceMemory | undefined;
  #closed = false;

  /** @throws AxiscriptError ERR_AXI_OUT_OF_MEMORY; ERR_AXI_USAGE, ERR_AXI_IO for permissions that cannot be set up */
  constructor(
    { module, memory: limits }: ScriptModule,
    identity: ScriptIdentity,
    board: Board,
    streams: RunStreams,
    settings: RunSettings,
    guard = new RunGuard(),
  ) {
    this.#board = board;
    this.#guard = guard;
    this.#settings = settings;
    const memory = (this.#memory = new LinearMemory(limits));
    this.#permissions = openPermissions(identity, board, settings);
    const outputLimit = new OutputLimit(settings.maxOutputBytes);
    this.#wasi = openWasi({ ...streams, permissions: this.#permissions, outputLimit, module }, memory);
    const { sysroot, catalog } = board;
    const functions = hostFunctions({
      ...{ memory, gate: this.#gate, sysroot, catalog, permissions: this.#permissions },
      fpga: new FpgaManager(sysroot),
      deviceMemory: () => (this.#deviceMemory ??= this.#openDeviceMemory()),
      note: (message) => {
        outputLimit.count(Buffer.byteLength(message));
        this.#note(message);
      },
    });
    guard.poisonedBy(() => this.#gate.refusal);
    const imports = this.#guardAll({ ...functions, wasi_snapshot_preview1: this.#wasi.imports });
    imports[MEMORY_IMPORT.module] = { ...imports[MEMORY_IMPORT.module], [MEMORY_IMPORT.name]: memory.memory };
    this.#start = () => this.#wasi.start(new WebAssembly.Instance(module, imports));
  }

  /** For another thread that is to bring the devices to rest if this one does not get to it. */
  shareGate(listener: WindowListener): WebAssembly.Memory {
    return this.#gate.shareWith(listener);
  }

  /**
   * Runs the script to its end.
   *
   * @param call calls the function that it is given, and may end it early
   * @throws whatever ended the script
   */
  execute(call: (body: () => void) => void): RunResult {
    let ended: { readonly thrown: unknown } | undefined;
    try {
      call(() => {
        Error.stackTraceLimit = STACK_FRAMES;
        checkWaitsWith(() => this.#guard.checkWait());
        this.#guard.begin();
        this.#start();
      });
    } catch (thrown) {
      ended = { thrown };
    }
    this.#guard.end();
    ended = this.#guard.first ?? ended;
    if (ended && !(ended.thrown instanceof ScriptExit)) throw ended.thrown;
    this.#deviceMemory?.verifyAll();
    return {
      exitCode: (ended?.thrown instanceof ScriptExit ? ended.thrown.exitCode : 0) & 0xff,
      ...(this.#deviceMemory && { pinMechanism: this.#deviceMemory.pinMechanism }),
    };
  }

  /**
   * Brings the devices to rest and gives back what the script holds. The one place where that is done; a second call
   * does nothing.
   *
   * @returns true if memory had to be kept, since a device may be using it: then this thread must not end
   */
  close(): boolean {
    if (this.#closed) return false;
    this.#closed = true;
    checkWaitsWith();
    Error.stackTraceLimit = this.#stackTraceLimit;
    let kept: KeptMemory | undefined;
    try {
      this.#gate.bringToRest(IDLE_TIMEOUT_MS);
      kept = this.#deviceMemory?.close();
      if (kept) this.#note(describeKept(kept));
    } finally {
      // Whatever came of that: the board must not reach memory that V8 gives to somebody else.
      if (this.#deviceMemory) this.#board.withdrawMemory(this.#memory.range);
      this.#gate.closeAll();
      this.#wasi.close();
      this.#permissions.close();
    }
    return kept !== undefined;
  }

  /** The gate's functions are the script's to call directly: that costs no JavaScript, and they hold nothing. */
  #guardAll(modules: object): Record<string, Record<string, WebAssembly.ImportValue>> {
    const direct = new Set<unknown>(Object.values(this.#gate.exports));
    const guarded = (functions: object) =>
      Object.entries(functions).map(([name, body]: [string, HostFunction]) => [
        name,
        direct.has(body) ? body : this.#guard.wrap(body),
      ]);
    return Object.fromEntries(
      Object.entries(modules).map(([name, functions]: [string, object]) => [
        name,
        Object.fromEntries(guarded(functions)) as Record<string, WebAssembly.ImportValue>,
      ]),
    );
  }

  #openDeviceMemory(): DeviceMemory {
    const { pinMechanism, unpinned } = this.#settings;
    const pinning = {
      ...(pinMechanism && { mechanism: pinMechanism }),
      ...(unpinned === true && { pinner: touchOnly }),
    };
    const { sysroot, addressNote } = this.#board;
    const gate = this.#gate;
    const bounds = { observer: this.#board, grants: gate.granted, activeDevices: () => gate.activeDevices() };
    const opened = new DeviceMemory(this.#memory, sysroot, bounds, pinning);
    if (addressNote !== undefined) this.#note(addressNote);
    if (opened.pinMechanism === "mlock") {
      this.#note(
        "pages are locked with mlock, which is best effort: the kernel may still move them (see axiscript doctor)",
      );
    }
    return opened;
  }

  #note(message: string): void {
    this.#settings.note?.(escapeControls(message));
  }
}

function openPermissions(
  script: ScriptIdentity,
  board: Board,
  { permissions: options, audit }: RunSettings,
): RunPermissions {
  return createPermissions({
    ...{ board: board.kind, sysroot: board.sysroot.directory, script },
    ...(options && { options }),
    ...(audit !== undefined && { audit }),
  });
}

/** As {@link createWasi}; ends the permissions if that fails. */
function openWasi(options: WasiOptions & { readonly permissions: RunPermissions }, memory: LinearMemory): ScriptWasi {
  try {
    return createWasi(options, memory);
  } catch (error) {
    options.permissions.close();
    throw error;
  }
}

function describeKept({ lengthBytes, devices }: KeptMemory): string {
  const reasons = devices.map(({ deviceName, state }) =>
    state === "busy" ? `${deviceName} is still at work` : `${deviceName} does not say when it is idle`,
  );
  return `kept ${lengthBytes} bytes pinned until this process ends: ${reasons.join(", ")}`;
}
