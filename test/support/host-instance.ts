import type { VirtualBoard } from "../../host/board/board";
import { FpgaManager } from "../../host/linux/fpga-manager";
import { Gate } from "../../host/gate/gate";
import { DeviceMemory } from "../../host/memory/device-memory";
import { LinearMemory } from "../../host/memory/linear-memory";
import { openBoard } from "../../host/runtime/boards/board-handle";
import { hostFunctions } from "../../host/runtime/abi/host-functions";
import { createPermissions } from "../../host/runtime/permissions/create";
import type { PermissionOptions, RunPermissions } from "../../host/runtime/permissions/permission";
import type { Board } from "../../host/runtime/run/run";
import { createWasi, type ScriptWasi } from "../../host/runtime/wasi/wasi";
import { assemble } from "../../host/wasm/assembler";

/** A script that does nothing. */
const NOTHING = assemble({ functions: [{ body: [] }], exports: { _start: 0 } });

/** A function that a script can import: i32 is number, i64 is bigint. */
export type HostFunction = (...args: (number | bigint)[]) => number | bigint | undefined;

/** What a host has besides a board. */
export interface HostOptions {
  /** Of the linear memory, in pages of 64 KiB. */
  readonly pages?: number;
  readonly maximum?: number;
  /** Descriptor for all three standard streams. */
  readonly stream: number;
  readonly permissions?: PermissionOptions;
  readonly onNote?: (message: string) => void;
}

/** The firmware files of a design of the virtual board. */
export function firmwareOf(design: string): [bitstream: string, overlay: string] {
  const path = `/lib/firmware/xilinx/${design}/${design}`;
  return [`${path}.bit.bin`, `${path}.dtbo`];
}

/**
 * What one run gives to a script, without a script: the real functions, with a real gate and memory, on a virtual board.
 * What they throw comes out as it is.
 */
export class HostInstance {
  readonly memory: LinearMemory;
  readonly gate = new Gate();
  readonly fpga: FpgaManager;
  /** By module and name. */
  readonly imports: Record<string, Record<string, HostFunction>>;
  readonly #board: Board;
  readonly #permissions: RunPermissions;
  readonly #wasi: ScriptWasi;
  #deviceMemory: DeviceMemory | undefined;
  #closed = false;

  constructor(board: VirtualBoard, options: HostOptions) {
    const { pages = 4, maximum = 64, stream, permissions, onNote = () => {} } = options;
    const { sysroot, addressNote, memory } = board;
    this.#board = openBoard({ kind: "virtual", sysroot, deviceDirectories: undefined, addressNote, memory });
    this.memory = new LinearMemory({ initial: pages, maximum });
    this.fpga = new FpgaManager(this.#board.sysroot);
    this.#permissions = createPermissions({
      ...{ board: "virtual", script: { path: "script.wasm", wasm: new Uint8Array() } },
      ...(permissions && { options: permissions }),
    });
    const functions = hostFunctions({
      ...{ memory: this.memory, gate: this.gate, sysroot: this.#board.sysroot, catalog: this.#board.catalog },
      ...{ fpga: this.fpga, permissions: this.#permissions, deviceMemory: () => this.deviceMemory, note: onNote },
    });
    const streams = { stdin: stream, stdout: stream, stderr: stream, permissions: this.#permissions };
    this.#wasi = createWasi({ args: ["script", "argument"], env: { NAME: "value" }, ...streams }, this.memory);
    // Node's own functions ask for an instance that has begun.
    this.#wasi.start(new WebAssembly.Instance(new WebAssembly.Module(NOTHING), {}));
    this.imports = { ...functions, wasi_snapshot_preview1: this.#wasi.imports } as unknown as typeof this.imports;
  }

  get deviceMemory(): DeviceMemory {
    const bounds = {
      observer: this.#board,
      grants: this.gate.granted,
      activeDevices: () => this.gate.activeDevices(),
    };
    return (this.#deviceMemory ??= new DeviceMemory(this.memory, this.#board.sysroot, bounds));
  }

  /** Calls a function by the name that the ABI gives it. */
  call(module: string, name: string, ...args: (number | bigint)[]): number | bigint | undefined {
    const body = this.imports[module]?.[name];
    if (!body) throw new Error(`there is no ${module}.${name}`);
    return body(...args);
  }

  uio(name: string, ...args: number[]): number {
    return Number(this.call("axiscript:uio@1", name, ...args));
  }

  /** Of `axiscript:memory@1`. */
  mem(name: string, ...args: (number | bigint)[]): number {
    return Number(this.call("axiscript:memory@1", name, ...args));
  }

  /** Puts text into memory; gives pointer and length. */
  text(guestPtr: number, text: string): [pointer: number, length: number] {
    const bytes = Buffer.from(text);
    this.memory.view(guestPtr, bytes.length).set(bytes);
    return [guestPtr, bytes.length];
  }

  /** Opens a device; its window number, or -errno. */
  open(name: string, note = "", { at = 0, shared = false } = {}): number {
    const [namePtr, nameLength] = this.text(at, name);
    const [notePtr, noteLength] = this.text(at + nameLength, note);
    return this.uio(shared ? "open_shared" : "open", namePtr, nameLength, notePtr, noteLength);
  }

  /** As the end of a run. A second call does nothing. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.gate.bringToRest(500);
    this.#deviceMemory?.close();
    if (this.#deviceMemory) this.#board.withdrawMemory(this.memory.range);
    this.gate.closeAll();
    this.#wasi.close();
    this.#permissions.close();
  }
}
