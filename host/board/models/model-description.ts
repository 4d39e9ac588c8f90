import { AxiscriptError, hex } from "../../util/errors";
import type { DeviceModelDescription } from "../cores/device-model";

/** The smallest page of the processing system's MMU. */
export const PAGE_BYTES = 4096;
/** Registers have up to 64 bits. */
const ADDRESS_ALIGNMENT = 8;
const MOST_REGISTER_BYTES = 65536;
const KIND = /^[a-z][a-z0-9_-]{0,30}$/;
const UIO_NAME = /^[A-Za-z0-9,._+-]{1,31}$/;
const NOTE = /^[!-~]{1,63}$/;
const PORTS: readonly unknown[] = ["hp", "hpc", "acp"];
/** The windows to the FPGA. Source: Zynq UltraScale+ TRM (UG1085), system addresses, M_AXI_HPM0_LPD to M_AXI_HPM1_FPD. */
const [FIRST_ADDRESS, LAST_ADDRESS] = [0x80000000, 0xbfffffff];
/** pl_ps_irq0 and pl_ps_irq1. Source: UG1085, system interrupts. */
const INTERRUPTS = [...Array(8).keys()].flatMap((line) => [89 + line, 104 + line]);

const FIELDS = ["kind", "uioName", "registerBytes", "handshake", "cores", "create"];
const CORE_FIELDS = ["address", "port", "interrupt", "note"];

/**
 * Checks what a module says of its core.
 *
 * @param path of the module, for messages
 * @throws AxiscriptError ERR_AXI_MODEL
 */
export function checkDescription(path: string, value: unknown): DeviceModelDescription {
  const checks = new Checks(path);
  if (!isRecord(value)) {
    throw cannotUse(path, `its default export is ${shown(value)}, and should be an object that describes a core`);
  }
  checks.fields("the description", value, FIELDS);
  const { kind, uioName, registerBytes, handshake, cores, create } = value;
  checks.field("kind", kind, matches(kind, KIND), 'a name of small letters, digits, "-" and "_", as "vector-adder"');
  checks.field("uioName", uioName, matches(uioName, UIO_NAME), 'what its UIO device is called, as "VectorAdder"');
  const isLength = isMultiple(registerBytes, 4) && registerBytes > 0 && registerBytes <= MOST_REGISTER_BYTES;
  checks.field("registerBytes", registerBytes, isLength, `a multiple of 4 up to ${MOST_REGISTER_BYTES}`);
  const isList = Array.isArray(handshake) && new Set(handshake).size === handshake.length;
  checks.field("handshake", handshake, isList, "a list of different offsets, as [0x08, 0x04] or []");
  for (const offset of handshake as unknown[]) {
    const isOffset = isMultiple(offset, 4) && offset < (registerBytes as number);
    checks.field("handshake", offset, isOffset, "offsets of registers: multiples of 4 below registerBytes");
  }
  checks.field("create", create, typeof create === "function", "a function that makes a model");
  checks.field("cores", cores, Array.isArray(cores) && cores.length > 0, "a list of one core or more");
  for (const core of cores as unknown[]) checkCore(checks, core, registerBytes as number);
  return value as unknown as DeviceModelDescription;
}

function checkCore(checks: Checks, core: unknown, registerBytes: number): void {
  checks.field("cores", core, isRecord(core), "a list of objects that each have an address");
  checks.fields("a core", core as Record<string, unknown>, CORE_FIELDS);
  const { address, port, interrupt, note } = core as Record<string, unknown>;
  const isThere =
    isMultiple(address, ADDRESS_ALIGNMENT) && address >= FIRST_ADDRESS && address + registerBytes - 1 <= LAST_ADDRESS;
  checks.field(
    ...(["address", address, isThere] as const),
    `a multiple of ${ADDRESS_ALIGNMENT} from ${hex(FIRST_ADDRESS)} to ${hex(LAST_ADDRESS)}`,
  );
  checks.field("port", port, port === undefined || PORTS.includes(port), '"hp", "hpc" or "acp", or left out');
  const isLine = interrupt === undefined || INTERRUPTS.includes(interrupt as number);
  checks.field("interrupt", interrupt, isLine, "a number from 89 to 96 or from 104 to 111, or left out");
  checks.field("note", note, note === undefined || matches(note, NOTE), "a word of up to 63 characters, or left out");
}

/**
 * An error about a module of the user's.
 *
 * @param found what it has or lacks, and what to do; without a full stop
 */
export function cannotUse(path: string, found: string, cause?: unknown): AxiscriptError {
  return new AxiscriptError("ERR_AXI_MODEL", `Cannot use the model ${path}: ${found}. See docs/models.md.`, { cause });
}

/** Errors about one module. */
class Checks {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  /** Refuses names that mean nothing: most often they are one that does, spelt wrong. */
  fields(what: string, value: Record<string, unknown>, known: readonly string[]): void {
    const unknown = Object.keys(value).find((name) => !known.includes(name));
    if (unknown !== undefined) throw cannotUse(this.#path, `${what} has "${unknown}", and knows ${known.join(", ")}`);
  }

  field(name: string, value: unknown, isRight: boolean, wanted: string): void {
    if (!isRight) throw cannotUse(this.#path, `"${name}" is ${shown(value)}, and should be ${wanted}`);
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isMultiple(value: unknown, of: number): value is number {
  return Number.isSafeInteger(value) && (value as number) % of === 0 && (value as number) >= 0;
}

function matches(value: unknown, pattern: RegExp): boolean {
  return typeof value === "string" && pattern.test(value);
}

/** A value as a message shows it. Addresses are numbers from 0x80000000 on. */
function shown(value: unknown): string {
  switch (typeof value) {
    case "undefined":
      return "missing";
    case "number":
      return value >= PAGE_BYTES ? hex(value) : String(value);
    case "bigint":
      return `${value}n, a bigint`;
    case "function":
    case "symbol":
      return `a ${typeof value}`;
    default:
      return JSON.stringify(value);
  }
}
