import { AxiscriptError } from "../util/errors";
import type { DeviceDescription, DmaTransfer, FieldDescription, RegisterDescription } from "./description";
import { parseInteger } from "./json-value";
import { didYouMean } from "./nearest";

/** What a name on the command line means. */
export interface NamedRegister {
  readonly register: RegisterDescription;
  /** Absent: the whole register. */
  readonly field: FieldDescription | undefined;
}

/**
 * The register that `STATUS`, `STATUS.DONE` or an offset (`0x10`) means.
 *
 * @param description absent: nothing is known of the device, and any offset is a register of 32 bits
 * @throws AxiscriptError ERR_AXI_NO_SUCH_REGISTER with the names that are like it
 */
export function findRegister(description: DeviceDescription | undefined, name: string): NamedRegister {
  const offset = parseInteger(name);
  if (offset !== undefined) return { register: registerAt(description, Number(offset), name), field: undefined };
  if (!description) {
    throw new AxiscriptError(
      "ERR_AXI_NO_SUCH_REGISTER",
      `Cannot find register ${name}: there is no description of this device. Give one with --devices DIR, or an offset.`,
    );
  }
  const [registerName = "", fieldName, ...rest] = name.split(".");
  const register = description.registers.find((each) => each.name === registerName);
  if (!register || rest.length > 0) {
    const names = [...description.registers, ...description.memories].map((each) => each.name);
    throw new AxiscriptError(
      "ERR_AXI_NO_SUCH_REGISTER",
      `Cannot find register ${name} of ${description.kind}: there is none.` +
        (didYouMean(registerName, names) || ` Registers: ${names.join(", ")}.`),
    );
  }
  if (fieldName === undefined) return { register, field: undefined };
  const field = register.fields.find((each) => each.name === fieldName);
  if (field) return { register, field };
  const names = register.fields.map((each) => each.name);
  throw new AxiscriptError(
    "ERR_AXI_NO_SUCH_REGISTER",
    `Cannot find field ${name} of ${description.kind}: register ${registerName} ` +
      (names.length > 0 ? `has ${names.join(", ")}.${didYouMean(fieldName, names)}` : "has no fields."),
  );
}

/** The registers of a name: one, or the elements of an array. */
export function findRegisters(description: DeviceDescription | undefined, name: string): readonly NamedRegister[] {
  const elements = description?.registers.filter(({ array }) => array?.name === name) ?? [];
  return elements.length > 0
    ? elements.map((register) => ({ register, field: undefined }))
    : [findRegister(description, name)];
}

function registerAt(description: DeviceDescription | undefined, offset: number, name: string): RegisterDescription {
  const known = description?.registers.find((register) => register.offset === offset);
  if (known) return known;
  const memory = description?.memories.find((each) => each.offset <= offset && offset < each.offset + each.lengthBytes);
  if (offset % 4 !== 0 || (description && !memory)) {
    throw new AxiscriptError(
      "ERR_AXI_NO_SUCH_REGISTER",
      `Cannot find a register at offset ${name}: ` +
        (offset % 4 === 0 ? `${description?.kind ?? "the device"} has none there.` : "an offset is a multiple of 4."),
    );
  }
  return {
    ...{ name: `0x${offset.toString(16).padStart(2, "0")}`, offset, widthBits: 32, access: memory?.access ?? "RW" },
    ...{ summary: "", reset: undefined, fields: [], array: undefined },
    readSideEffect: description ? undefined : "nobody has described the device, so it may do anything",
  };
}

/**
 * The number that a text means: `12`, `0x0c`, `0b1100`, or the name of one of a field's values.
 *
 * @throws AxiscriptError ERR_AXI_BAD_ARGUMENT if it does not fit
 */
export function parseValue({ register, field }: NamedRegister, text: string): bigint {
  const named = field?.values.get(text);
  if (named !== undefined) return BigInt(named);
  const most = 2n ** BigInt(field?.widthBits ?? register.widthBits) - 1n;
  const value = parseInteger(text);
  if (value !== undefined && value >= 0n && value <= most) return value;
  const names = [...(field?.values.keys() ?? [])];
  throw new AxiscriptError(
    "ERR_AXI_BAD_ARGUMENT",
    `Cannot write ${text} to ${nameOf({ register, field })}: it is 0 to 0x${most.toString(16)}` +
      `${names.length > 0 ? `, or ${names.join(", ")}` : ""}.`,
  );
}

/** `STATUS` or `STATUS.DONE`. */
export function nameOf({ register, field }: NamedRegister): string {
  return field ? `${register.name}.${field.name}` : register.name;
}

/** A field's part of its register's value. */
export function fieldOf(value: bigint, { leastBit, widthBits }: FieldDescription): bigint {
  return (value >> BigInt(leastBit)) & (2n ** BigInt(widthBits) - 1n);
}

/** The bits of a field within its register. */
export function fieldMask({ leastBit, widthBits }: FieldDescription): bigint {
  return (2n ** BigInt(widthBits) - 1n) << BigInt(leastBit);
}

/** Bits that act when 1 is written to them, and do not keep it. */
export function actingMask(register: RegisterDescription): bigint {
  return maskWhere(register, ({ access }) => access === "W1C" || access === "pulse");
}

/** Of those, the bits that always read 0. */
export function pulseMask(register: RegisterDescription): bigint {
  return maskWhere(register, ({ access }) => access === "pulse");
}

function maskWhere({ fields }: RegisterDescription, isMeant: (field: FieldDescription) => boolean): bigint {
  return fields.filter(isMeant).reduce((mask, field) => mask | fieldMask(field), 0n);
}

/** The transfers that writing a value to a register would start. */
export function startedBy(
  description: DeviceDescription | undefined,
  register: RegisterDescription,
  value: bigint,
): readonly DmaTransfer[] {
  if (!description || typeof description.dma === "string") return [];
  return description.dma.transfers.filter(
    ({ start }) => start.register === register && (start.anyWrite || (value & BigInt(start.mask)) !== 0n),
  );
}
