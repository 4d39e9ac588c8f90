import type { WASI as NodeWasi } from "node:wasi";
import { checkWait, sleep } from "../../util/wait";
import type { LinearMemory } from "../../memory/linear-memory";
import { ABI_TABLE } from "../abi/abi";
import type { FileFunctions } from "./files/wasi-files";
import { OutputLimit } from "../run/output-limit";
import type { RunPermissions } from "../permissions/permission";
import { ScriptExit } from "../run/run-guard";
import { bytesAtOnce, readStream, type StreamResult, writeStream } from "../run/streams";
import { storeU32, transferVectors } from "./wasi-memory";

/** Errno values of WASI preview 1. */
const ERRNO = { success: 0, badf: 8, nosys: 52, notsup: 58, spipe: 70 } as const;

const STDIN = 0;
const STDERR = 2;
const LAST_STREAM = 2;
const FDSTAT_BYTES = 24;
const FILETYPE_CHARACTER_DEVICE = 2;
const SUBSCRIPTION_BYTES = 48;
const EVENT_BYTES = 32;
const CLOCK_MONOTONIC = 1;
const FLAG_ABSOLUTE_TIME = 1;
const RANDOM_PIECE_BYTES = 2 ** 16;

/** What Node's own implementation is used for. It is native code: nothing that blocks, or takes a descriptor, is here. */
const FROM_NODE = [
  "args_get",
  "args_sizes_get",
  "clock_res_get",
  "clock_time_get",
  "environ_get",
  "environ_sizes_get",
  "random_get",
  "sched_yield",
] as const;

type WasiFunction = (...args: never[]) => number | undefined;

/** What a script sees of the world through WASI. */
export interface WasiOptions {
  /** The script's name and its arguments. */
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** File descriptors of this process. */
  readonly stdin: number;
  readonly stdout: number;
  readonly stderr: number;
  /** Which variables and files it may use; absent: the variables above, and no files. */
  readonly permissions?: RunPermissions;
  /** What is to run: what it does not import is not set up. */
  readonly module?: WebAssembly.Module;
  /** What it may print; absent: as much as it likes. */
  readonly outputLimit?: OutputLimit;
}

/** WASI for one run: its functions, and the call that starts a script. */
export interface ScriptWasi {
  readonly imports: Record<string, (...args: never[]) => unknown>;
  /** Runs `_start`. Throws {@link ScriptExit} if the script ends by `proc_exit`. */
  start(instance: WebAssembly.Instance): void;
  /** Closes the files that the script has open. */
  close(): void;
}

/**
 * WASI as scripts need it: arguments, environment, clocks, random numbers, the three standard streams, sleeping, and files
 * in the directories that were granted.
 *
 * There are no sockets. Streams, sleeping and files are our own: Node's would block where no time limit reaches, would let
 * a script close the host's descriptors, and check paths as texts.
 *
 * @throws AxiscriptError ERR_AXI_IO, ERR_AXI_UNSUPPORTED_PLATFORM if the granted directories cannot be opened
 */
export function createWasi(options: WasiOptions, memory: LinearMemory): ScriptWasi {
  const { args, permissions } = options;
  const env = permissions?.environment(options.env) ?? options.env;
  const Wasi = loadWasi();
  const wasi = new Wasi({ version: "preview1", args: [...args], env: { ...env } });
  const node = wasi.wasiImport as Record<string, WasiFunction>;

  const functions: Record<string, WasiFunction> = {};
  for (const name of ABI_TABLE.get("wasi_snapshot_preview1")?.keys() ?? []) functions[name] = () => ERRNO.nosys;
  for (const name of FROM_NODE) functions[name] = node[name] ?? (() => ERRNO.nosys);
  functions["random_get"] = inPieces(functions["random_get"] as RandomGet, memory);
  // Node answers EINVAL where there is nothing to copy.
  if (Object.keys(env).length === 0) functions["environ_get"] = () => ERRNO.success;
  if (permissions?.recordEnvironment) recordBefore(permissions.recordEnvironment, functions);
  Object.assign(functions, streamFunctions(options, memory), { poll_oneoff: sleepFunction(memory), proc_exit: exit });
  const mayUseFiles = permissions?.files !== undefined && importsFiles(options.module);
  const files = mayUseFiles ? addFiles(functions, permissions, permissions.files, memory) : undefined;

  return {
    imports: functions,
    start: (instance) => {
      const exports = { memory: memory.memory, _start: instance.exports["_start"] };
      wasi.start({ exports });
    },
    close: () => files?.close(),
  };
}

/** A script that reads its environment has used what it was granted. */
function recordBefore(record: () => void, functions: Record<string, WasiFunction>): void {
  for (const name of ["environ_get", "environ_sizes_get"]) {
    const read = functions[name];
    if (!read) continue;
    functions[name] = (...args) => {
      record();
      return read(...args);
    };
  }
}

/** Functions by which a script comes to a file. */
const WAYS_TO_FILES = /^(?:path_|fd_prestat_|fd_readdir)/;

function importsFiles(module: WebAssembly.Module | undefined): boolean {
  return !module || WebAssembly.Module.imports(module).some(({ name }) => WAYS_TO_FILES.test(name));
}

/** Descriptors from 3 on are files; the first three stay what they are. */
function addFiles(
  functions: Record<string, WasiFunction>,
  permissions: RunPermissions,
  grants: NonNullable<RunPermissions["files"]>,
  memory: LinearMemory,
): FileFunctions {
  // Loaded for scripts that use files: others start without.
  const { createFiles } = require("./files/wasi-files") as typeof import("./files/wasi-files");
  const files = createFiles(permissions, grants, memory);
  for (const [name, onFile] of Object.entries(files.functions)) {
    const onStream = functions[name] as ((fd: number, ...rest: unknown[]) => number) | undefined;
    const body = onFile as (fd: number, ...rest: unknown[]) => number;
    functions[name] = (fd: number, ...rest: unknown[]) =>
      fd >>> 0 <= LAST_STREAM ? (onStream?.(fd, ...rest) ?? ERRNO.badf) : body(fd, ...rest);
  }
  return files;
}

/** Node warns that WASI is experimental; what that means for a script is axiscript's business, not its user's. */
function loadWasi(): typeof NodeWasi {
  const emitWarning = process.emitWarning.bind(process);
  process.emitWarning = () => undefined;
  try {
    return (require("node:wasi") as { WASI: typeof NodeWasi }).WASI;
  } finally {
    process.emitWarning = emitWarning;
  }
}

/** The functions on descriptors: 0, 1 and 2 are streams, and there are no others. */
function streamFunctions(options: WasiOptions, memory: LinearMemory): Record<string, WasiFunction> {
  const { stdin, stdout, stderr, outputLimit = new OutputLimit(undefined) } = options;
  const descriptors = [stdin, stdout, stderr];
  const atOnce: number[] = [];
  const onStream = (fd: number, body: (descriptor: number) => number): number => {
    const descriptor = descriptors[fd];
    return descriptor === undefined ? ERRNO.badf : body(descriptor);
  };
  const noSuchDescriptor = () => ERRNO.badf;
  const write = (fd: number, to: number, piece: Uint8Array): StreamResult => {
    const written = writeStream(to, piece, (atOnce[to] ??= bytesAtOnce(to)));
    // A message that a full disk does not take is lost, and no reason for the script to fail.
    return fd === STDERR && written.errno !== ERRNO.success ? { count: piece.length, errno: ERRNO.success } : written;
  };
  return {
    fd_write: (fd: number, iovs: number, count: number, result: number) =>
      fd === STDIN
        ? ERRNO.badf
        : onStream(fd, (to) =>
            transferVectors(memory, { iovs, count, result }, (bytes) =>
              outputLimit.print(bytes, (piece) => write(fd, to, piece)),
            ),
          ),
    fd_read: (fd: number, iovs: number, count: number, result: number) =>
      fd !== STDIN
        ? ERRNO.badf
        : onStream(fd, (from) => transferVectors(memory, { iovs, count, result }, (bytes) => readStream(from, bytes))),
    fd_fdstat_get: (fd: number, stat: number) =>
      onStream(fd, () => {
        const bytes = memory.view(stat, FDSTAT_BYTES).fill(0);
        bytes[0] = FILETYPE_CHARACTER_DEVICE;
        return ERRNO.success;
      }),
    // A script may be done with a stream; the host is not.
    fd_close: (fd: number) => (fd >>> 0 <= LAST_STREAM ? ERRNO.success : ERRNO.badf),
    fd_seek: (fd: number) => (fd >>> 0 <= LAST_STREAM ? ERRNO.spipe : ERRNO.badf),
    fd_tell: (fd: number) => (fd >>> 0 <= LAST_STREAM ? ERRNO.spipe : ERRNO.badf),
    fd_prestat_get: noSuchDescriptor,
    fd_prestat_dir_name: noSuchDescriptor,
    path_open: noSuchDescriptor,
  };
}

/** `poll_oneoff` for what scripts use it for: one clock to wait for. */
function sleepFunction(memory: LinearMemory): WasiFunction {
  return (subscriptions: number, events: number, count: number, occurred: number): number => {
    if (count !== 1) return ERRNO.notsup;
    const subscription = Buffer.from(memory.view(subscriptions, SUBSCRIPTION_BYTES));
    if (subscription.readUInt8(8) !== 0) return ERRNO.notsup;
    const clock = subscription.readUInt32LE(16);
    const timeoutMs = Number(subscription.readBigUInt64LE(24)) / 1e6;
    const absolute = (subscription.readUInt16LE(40) & FLAG_ABSOLUTE_TIME) !== 0;
    const clockNow = clock === CLOCK_MONOTONIC ? Number(process.hrtime.bigint()) / 1e6 : Date.now();
    sleep(absolute ? timeoutMs - clockNow : timeoutMs);

    const event = memory.view(events, EVENT_BYTES).fill(0);
    event.set(subscription.subarray(0, 8));
    storeU32(memory, occurred, 1);
    return ERRNO.success;
  };
}

type RandomGet = (buffer: number, lengthBytes: number) => number;

/** Gigabytes take seconds: in pieces, between which a script can be stopped. */
function inPieces(fill: RandomGet, memory: LinearMemory): RandomGet {
  return (buffer, lengthBytes) => {
    const start = buffer >>> 0;
    const end = start + (lengthBytes >>> 0);
    // Node says what is wrong with it.
    if (end > memory.bytes.byteLength) return fill(buffer, lengthBytes);
    let errno: number = ERRNO.success;
    for (let at = start; at < end && errno === ERRNO.success; at += RANDOM_PIECE_BYTES) {
      checkWait();
      errno = fill(at, Math.min(RANDOM_PIECE_BYTES, end - at));
    }
    return errno;
  };
}

function exit(code: number): never {
  throw new ScriptExit(code);
}
