import { DeviceCatalog } from "../linux/catalog";
import type { DeviceDescription, FieldDescription, RegisterDescription } from "../description/description";
import {
  actingMask,
  fieldMask,
  fieldOf,
  findRegister,
  findRegisters,
  nameOf,
  type NamedRegister,
  parseValue,
  pulseMask,
  startedBy,
} from "../description/register-names";
import type { Sysroot } from "../linux/sysroot";
import { describeWithId, findUioDevice, listUioDevices, openUioWindow, type UioDeviceInfo } from "../linux/uio";
import { waitUntil } from "../util/wait";
import { AxiscriptError, hex } from "../util/errors";
import { Gate } from "../gate/gate";
import { type DeviceOptions, openSysroot } from "./open-sysroot";
import { startKeptBoard } from "./boards/kept-board";

/** How long a pulse may be seen: not at all on hardware, until the board looks on a virtual one. */
const PULSE_WITHIN_MS = 1000;
/** How long a bit may be set after it was cleared. It may also have been set again. */
const CLEARED_WITHIN_MS = 100;

/** What reading a register came to. */
export interface RegisterReading {
  readonly register: RegisterDescription;
  /** Absent: it was not read, for the reason in `skipped`. */
  readonly value?: bigint;
  /** What its fields are in that value, but for those that are WO. */
  readonly fields: ReadonlyMap<FieldDescription, bigint>;
  readonly skipped?: string;
}

/** What writing a register or field came to. */
export interface RegisterWriting {
  readonly register: RegisterDescription;
  /** What the register held before; absent: it was written without being read. */
  readonly before?: bigint;
  /** What was written to the register. */
  readonly written: bigint;
}

export interface WriteRegisterOptions {
  /** Also start transfers that nothing checks. On hardware they reach all memory. */
  readonly allowUncheckedDma?: boolean;
}

/** See `openDeviceRegisters` in `devices.ts`. */
export async function openDeviceRegisters(name: string, options: DeviceOptions): Promise<DeviceRegisters> {
  const catalog = new DeviceCatalog(options.deviceDirectories);
  const sysroot = openSysroot(options);
  const board = startKeptBoard(options.sysroot);
  try {
    if (listUioDevices(sysroot).length === 0 && options.sysroot === undefined) throw noDevices(name);
    const [deviceName = "", ...note] = name.split(":");
    const device = findUioDevice(sysroot, deviceName, note.join(":"), catalog);
    const description = catalog.describe(sysroot, device);
    const registers = new DeviceRegisters(sysroot, device, description, async () => board?.stop());
    if (board) registers.awaitPulses();
    return registers;
  } catch (error) {
    await board?.stop();
    throw error;
  }
}

function noDevices(name: string): AxiscriptError {
  return new AxiscriptError(
    "ERR_AXI_NO_SUCH_DEVICE",
    `Cannot open device ${name}: this system has no UIO devices (axiscript doctor says why). A virtual board has, once a ` +
      "script has programmed it: axiscript run --sysroot DIR SCRIPT keeps one, and --sysroot DIR uses it here.",
  );
}

/** The registers of a device that is open. */
export class DeviceRegisters {
  readonly device: UioDeviceInfo;
  /** Absent: nothing is known of the device, and offsets take the place of names. */
  readonly description: DeviceDescription | undefined;
  readonly #gate = new Gate();
  readonly #window: number;
  readonly #leave: () => Promise<void>;

  constructor(
    sysroot: Sysroot,
    device: UioDeviceInfo,
    description: DeviceDescription | undefined,
    leave: () => Promise<void>,
  ) {
    this.device = device;
    this.description = description;
    this.#leave = leave;
    // Starts are checked here: what the gate holds back until a checked one would never reach the device.
    const direct = description && { description: { ...description, dma: "none" as const } };
    this.#window = this.#gate.open({ ...openUioWindow(sysroot, device), ...direct });
  }

  /**
   * Reads registers.
   *
   * @param name `REGISTER`, `REGISTER.FIELD`, an array's name, or an offset; absent: all that may be read at any time
   * @param options.sideEffects also where reading changes something, or nothing is known
   * @returns one reading a register; of a field, that of its register
   * @throws AxiscriptError ERR_AXI_NO_SUCH_REGISTER, ERR_AXI_BAD_ARGUMENT
   */
  read(name?: string, options: { readonly sideEffects?: boolean } = {}): RegisterReading[] {
    if (name === undefined) {
      if (!this.description) throw this.#unknown();
      return this.description.registers.map((register) => {
        const skipped = whyNotRead(register);
        return skipped === undefined ? this.#read(register) : { register, skipped, fields: new Map() };
      });
    }
    const named = findRegisters(this.description, name);
    for (const { register } of named) this.#checkRead(register, options.sideEffects ?? false);
    return named.map(({ register }) => this.#read(register));
  }

  /**
   * Writes a register or one of its fields. Where other fields keep values, the register is read first; bits that act when
   * 1 is written to them are then written as 0.
   *
   * @param name `REGISTER`, `REGISTER.FIELD` or an offset
   * @param text a number, or the name of a field's value
   * @throws AxiscriptError ERR_AXI_NO_SUCH_REGISTER; ERR_AXI_BAD_ARGUMENT for what is RO or does not fit;
   *   ERR_AXI_NOT_ALLOWED for what would start a transfer that nothing checks
   */
  write(name: string, text: string, options: WriteRegisterOptions = {}): RegisterWriting {
    const named = findRegister(this.description, name);
    const { register } = named;
    const value = parseValue(named, text);
    this.#checkWrite(named);
    const rest = this.#restOf(named);
    const written = (rest.kept ?? 0n) | (value << BigInt(named.field?.leastBit ?? 0));
    this.#checkStart(named, written, options.allowUncheckedDma ?? false);
    this.#store(register, written);
    this.#awaitCleared(register, written & pulseMask(register), PULSE_WITHIN_MS);
    this.#awaitCleared(register, written & actingMask(register), CLEARED_WITHIN_MS);
    return { register, ...(rest.before !== undefined && { before: rest.before }), written };
  }

  #read(register: RegisterDescription): RegisterReading {
    const value = this.#load(register);
    const readable = register.fields.filter(({ access }) => access !== "WO");
    return { register, value, fields: new Map(readable.map((field) => [field, fieldOf(value, field)])) };
  }

  /** Lets go of the device. */
  async close(): Promise<void> {
    this.#gate.closeAll();
    await this.#leave();
  }

  /** Waits until a board that was started a moment ago has seen the pulses that it was left with. */
  awaitPulses(): void {
    for (const register of this.description?.registers ?? []) {
      this.#awaitCleared(register, pulseMask(register), PULSE_WITHIN_MS);
    }
  }

  #awaitCleared(register: RegisterDescription, mask: bigint, timeoutMs: number): void {
    if (mask === 0n || whyNotRead(register) !== undefined) return;
    waitUntil(() => (this.#load(register) & mask) === 0n, timeoutMs);
  }

  /** What the other fields of a register keep when one is written. */
  #restOf({ register, field }: NamedRegister): { readonly before?: bigint; readonly kept?: bigint } {
    if (!field || !register.fields.some((other) => other !== field && keepsValue(other.access))) return {};
    const before = this.#load(register);
    return { before, kept: before & ~(fieldMask(field) | actingMask(register)) };
  }

  #checkRead(register: RegisterDescription, sideEffects: boolean): void {
    if (register.access === "WO") throw this.#refuse("read", register.name, "it is WO");
    if (register.readSideEffect === undefined || sideEffects) return;
    throw this.#refuse("read", register.name, `${register.readSideEffect}. --side-effects reads it nevertheless`);
  }

  #checkWrite({ register, field }: NamedRegister): void {
    if (register.access === "RO" || field?.access === "RO") {
      throw this.#refuse("write", nameOf({ register, field }), "it is RO");
    }
    if (!field) return;
    const hidden = whyNotRead(register) === undefined ? "WO" : undefined;
    const lost = register.fields.filter(
      (other) => other !== field && keepsValue(other.access) && (hidden === undefined || other.access === hidden),
    );
    if (lost.length === 0) return;
    throw this.#refuse(
      "write",
      nameOf({ register, field }),
      `${lost.map(({ name }) => name).join(", ")} would have to be read first, to be kept, and cannot be. Write the whole register`,
    );
  }

  #checkStart(named: NamedRegister, written: bigint, allowed: boolean): void {
    if (allowed) return;
    const started = startedBy(this.description, named.register, written).map(({ name }) => `"${name}"`);
    const isKnown = this.description && this.description.dma !== "unchecked";
    if (isKnown && started.length === 0) return;
    const { name, note } = this.device;
    const flag = `--allow-unchecked-dma=${note === "" ? name : `${name}:${note}`}`;
    throw new AxiscriptError(
      "ERR_AXI_NOT_ALLOWED",
      `Cannot write ${hex(written)} to ${named.register.name} of ${describeWithId(this.device)}: ` +
        (isKnown
          ? `that starts the transfer ${started.join(" and ")}, to wherever its address registers point, and nothing checks that here`
          : "no description says how the device reaches memory, so it may start a transfer to anywhere") +
        `. ${flag} allows it.`,
    );
  }

  #load({ offset, widthBits }: RegisterDescription): bigint {
    const { read32, read64 } = this.#gate.exports;
    return widthBits === 64
      ? BigInt.asUintN(64, read64(this.#window, offset))
      : BigInt(read32(this.#window, offset) >>> 0);
  }

  #store({ offset, widthBits }: RegisterDescription, value: bigint): void {
    const { write32, write64 } = this.#gate.exports;
    if (widthBits === 64) write64(this.#window, offset, value);
    else write32(this.#window, offset, Number(value));
  }

  #refuse(action: string, name: string, rule: string): AxiscriptError {
    return new AxiscriptError(
      "ERR_AXI_BAD_ARGUMENT",
      `Cannot ${action} ${name} of ${describeWithId(this.device)}: ${rule}.`,
    );
  }

  #unknown(): AxiscriptError {
    return new AxiscriptError(
      "ERR_AXI_NO_SUCH_REGISTER",
      `Cannot read the registers of ${describeWithId(this.device)}: there is no description of the device. Give one with ` +
        "--devices DIR, or name an offset.",
    );
  }
}

function whyNotRead({ access, readSideEffect }: RegisterDescription): string | undefined {
  if (access === "WO") return "WO";
  return readSideEffect === undefined ? undefined : `not read without need: ${readSideEffect}`;
}

function keepsValue(access: string): boolean {
  return access === "RW" || access === "WO";
}
