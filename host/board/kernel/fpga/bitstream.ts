import { crc32 } from "node:zlib";
import type { DeviceModelCore } from "../../cores/device-model";
import type { Port } from "../../fabric/port-timing";

/**
 * The configuration files of the virtual fabric.
 *
 * The head is that of a real `.bit.bin`: dummy words, bus-width detection, and the sync word in byte-swapped order, as
 * the Zynq FPGA managers demand it (linux `drivers/fpga/zynq-fpga.c`). What follows a real sync word configures logic
 * cells; here it names the device models:
 *
 * ```
 *   FF × 32 │ bus width │ FF × 8 │ 66 55 99 AA │ length: u32 │ JSON: FabricDesign │ CRC-32 of the JSON: u32
 * ```
 */

const DUMMY = Buffer.alloc(32, 0xff);
const BUS_WIDTH = Buffer.from("bb00000044002211", "hex");
const SYNC_WORD_SWAPPED = Buffer.from("665599aa", "hex");
/** The sync word is looked for in this many bytes. */
const HEADER_SEARCH_BYTES = 256;
const JSON_START = "{".charCodeAt(0);
/** Cores of the board's own that reach memory, and where they can be wired to. */
const KINDS: ReadonlySet<string> = new Set<ManagerCore["kind"]>(["axi-proxy", "axi-traffic-gen"]);
const PORTS: ReadonlySet<string> = new Set<Port>(["hp", "hpc", "acp"]);

/** An IP core in the fabric, and what it is wired to. */
export type FabricCore = ManagerCore | TimerCore | UserCoreWiring;

/** A core that reaches memory. */
export interface ManagerCore {
  readonly kind: "axi-proxy" | "axi-traffic-gen";
  /** Bus address of its registers. */
  readonly address: number;
  /** The PS port that its manager side is wired to. */
  readonly port: Port;
}

/** A core with an interrupt, and no more than that. */
export interface TimerCore {
  readonly kind: "axi-timer";
  readonly address: number;
  /** The shared peripheral interrupt that its line is wired to, as device trees number it. */
  readonly interrupt: number;
}

/** A core whose model the user brings. */
export interface UserCoreWiring extends DeviceModelCore {
  readonly kind: "user";
  /** The `kind` in its model's description. */
  readonly model: string;
}

/** What a bitstream configures. */
export interface FabricDesign {
  readonly name: string;
  readonly cores: readonly FabricCore[];
}

/** A bitstream that the configuration logic refuses, with the state in which that leaves the FPGA manager. */
export class BitstreamError extends Error {
  override readonly name = "BitstreamError";
  readonly state: "write init error" | "write error";
  /** What the manager's `status` says. */
  readonly status: string;

  constructor(state: BitstreamError["state"], message: string, status = "") {
    super(message);
    this.state = state;
    this.status = status;
  }
}

/** Builds a `.bit.bin`. */
export function writeBitstream(design: FabricDesign): Buffer {
  const body = Buffer.from(JSON.stringify(design), "utf8");
  return Buffer.concat([
    DUMMY,
    BUS_WIDTH,
    DUMMY.subarray(0, 8),
    SYNC_WORD_SWAPPED,
    word(body.length),
    body,
    word(crc32(body)),
  ]);
}

/**
 * Reads a `.bit.bin`.
 *
 * @throws BitstreamError
 */
export function readBitstream(file: Buffer): FabricDesign {
  const sync = syncWordIn(file);
  if (sync < 0) {
    throw new BitstreamError(
      "write init error",
      "Invalid bitstream, could not find a sync word. Bitstream must be a byte swapped .bin file",
    );
  }
  if (file[sync + SYNC_WORD_SWAPPED.length + 4] !== JSON_START) {
    throw new BitstreamError(
      "write error",
      "bitstream configures logic cells: this fabric has none, and takes the bitstreams of its own designs and of models",
    );
  }
  const lengthAt = sync + SYNC_WORD_SWAPPED.length;
  const bodyAt = lengthAt + 4;
  const length = file.length >= bodyAt ? file.readUInt32LE(lengthAt) : Number.POSITIVE_INFINITY;
  if (bodyAt + length + 4 > file.length) throw new BitstreamError("write error", "bitstream is truncated");
  const body = file.subarray(bodyAt, bodyAt + length);
  if (crc32(body) !== file.readUInt32LE(bodyAt + length)) {
    throw new BitstreamError("write error", "bitstream fails its CRC", "reconfig CRC error");
  }
  const design: unknown = JSON.parse(body.toString("utf8"));
  if (!isDesign(design)) throw new BitstreamError("write error", "bitstream configures nothing that this fabric has");
  return design;
}

/** At a multiple of its size, as the Zynq managers look for it; -1: there is none. */
function syncWordIn(file: Buffer): number {
  for (let at = 0; at < Math.min(file.length, HEADER_SEARCH_BYTES); at += SYNC_WORD_SWAPPED.length) {
    if (file.subarray(at, at + SYNC_WORD_SWAPPED.length).equals(SYNC_WORD_SWAPPED)) return at;
  }
  return -1;
}

function isDesign(value: unknown): value is FabricDesign {
  const { cores } = (value ?? {}) as Partial<FabricDesign>;
  return Array.isArray(cores) && cores.every(isCore);
}

function isCore(value: unknown): value is FabricCore {
  const { kind, address, port } = (value ?? {}) as Partial<ManagerCore>;
  if (typeof address !== "number") return false;
  return ["axi-timer", "user"].includes(kind as string) || (KINDS.has(kind ?? "") && PORTS.has(port ?? ""));
}

function word(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value >>> 0);
  return bytes;
}
