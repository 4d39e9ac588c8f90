import type {
  FieldDescription,
  MaskedValue,
  RegisterCondition,
  RegisterDescription,
  RegisterWrite,
} from "./description";
import { brief } from "./json-positions";
import type { JsonValue } from "./json-value";
import { didYouMean } from "./nearest";

/** What `CONTROL` or `CONTROL.START_WR` means. */
export interface RegisterReference {
  readonly register: RegisterDescription;
  /** Absent: the whole register. */
  readonly field: FieldDescription | undefined;
}

/** Every bit of a register of 32 bits. */
export const ALL_BITS = 0xffffffff;

/** The registers of a description under their names, for the parts of it that refer to them. */
export class RegisterTable {
  readonly #registers = new Map<string, RegisterDescription>();
  readonly #arrays = new Map<string, RegisterDescription[]>();

  constructor(registers: readonly RegisterDescription[]) {
    for (const register of registers) {
      this.#registers.set(register.name, register);
      if (!register.array) continue;
      const elements = this.#arrays.get(register.array.name) ?? [];
      elements.push(register);
      this.#arrays.set(register.array.name, elements);
    }
  }

  /**
   * What a name refers to: `REGISTER` or `REGISTER.FIELD`.
   *
   * @param at where it stands: the value, or its key
   */
  find(value: JsonValue, at: "value" | "key" = "value"): RegisterReference {
    const text = at === "key" ? value.name : value.text("a register");
    const [registerName = "", fieldName, ...rest] = text.split(".");
    const register = this.#registers.get(registerName);
    if (!register || rest.length > 0) throw this.#unknown(value, at, registerName);
    if (fieldName === undefined) return { register, field: undefined };
    const field = register.fields.find(({ name }) => name === fieldName);
    if (field) return { register, field };
    const names = register.fields.map(({ name }) => name);
    throw value.error(
      `Cannot use field "${brief(fieldName)}" of register ${registerName}: ` +
        `${names.length > 0 ? `its fields are ${names.join(", ")}` : "it has no fields"}.${didYouMean(fieldName, names)}`,
      at,
    );
  }

  /** As {@link find}, for a name without a field. */
  findWhole(value: JsonValue): RegisterDescription {
    const { register, field } = this.find(value);
    if (!field) return register;
    throw value.error(`Cannot use ${value.shown} here: it takes a whole register.`);
  }

  /** A register, or the elements of an array of registers. */
  findAll(value: JsonValue): readonly RegisterDescription[] {
    return this.#arrays.get(value.text("a register")) ?? [this.findWhole(value)];
  }

  /**
   * Reads `{ "REGISTER.FIELD": value, … }`, all of one register.
   *
   * @param wanted what it is for: something to be read, or to be written
   */
  readValues(value: JsonValue, wanted: "read" | "write"): { register: RegisterDescription; masked: MaskedValue } {
    let register: RegisterDescription | undefined;
    let mask = 0;
    let bits = 0;
    for (const entry of value.properties("values of a register")) {
      const found = this.find(entry, "key");
      register ??= found.register;
      if (found.register !== register) {
        throw entry.error(`Cannot use ${entry.name} together with ${register.name}: one register at a time.`, "key");
      }
      const fieldMask = maskOf(found);
      if ((mask & fieldMask) !== 0)
        throw entry.error(`Cannot use ${entry.name}: its bits have a value already.`, "key");
      mask |= fieldMask;
      bits |= readFieldValue(entry, found) << (found.field?.leastBit ?? 0);
    }
    if (!register) throw value.error("Cannot use an empty object here: name a register and its value.");
    this.#checkUse(value, register, wanted);
    return { register, masked: { mask: mask >>> 0, value: bits >>> 0 } };
  }

  /** Reads a condition: values of a register, or `{ "anyOf": [values, …] }` of one register. */
  readCondition(value: JsonValue): RegisterCondition {
    const alternatives = value.get("anyOf");
    if (!alternatives) {
      const { register, masked } = this.readValues(value, "read");
      return { register, values: [masked] };
    }
    value.properties("alternatives", ["anyOf"]);
    const read = alternatives.elements("alternatives").map((inner) => ({ inner, ...this.readValues(inner, "read") }));
    const [first] = read;
    if (!first) throw alternatives.error("Cannot use an empty list of alternatives.");
    const other = read.find(({ register }) => register !== first.register);
    if (other) {
      throw other.inner.error(
        `Cannot use ${other.register.name} as an alternative to ${first.register.name}: one read tells.`,
      );
    }
    return { register: first.register, values: read.map(({ masked }) => masked) };
  }

  /** Reads a write: the bits that are not named are written as 0. */
  readWrite(value: JsonValue): RegisterWrite {
    const { register, masked } = this.readValues(value, "write");
    return { register, value: masked.value };
  }

  #checkUse(value: JsonValue, register: RegisterDescription, wanted: "read" | "write"): void {
    const { name, access, widthBits, readSideEffect } = register;
    if (widthBits !== 32) throw value.error(`Cannot ${wanted} register ${name} here: only one of 32 bits.`);
    if (wanted === "write" && access === "RO") throw value.error(`Cannot write register ${name}: it is RO.`);
    if (wanted === "read" && access === "WO") throw value.error(`Cannot read register ${name}: it is WO.`);
    if (wanted === "read" && readSideEffect !== undefined) {
      throw value.error(`Cannot read register ${name} here: reading it has a side effect (${readSideEffect}).`);
    }
  }

  #unknown(value: JsonValue, at: "value" | "key", name: string): Error {
    const names = [...this.#registers.keys()];
    const array = this.#arrays.get(name);
    const hint = array
      ? ` It is an array: ${array.map((element) => element.name).join(", ")}.`
      : didYouMean(name, names);
    return value.error(
      `Cannot use register "${brief(at === "key" ? value.name : String(value.value))}": there is none.${hint}`,
      at,
    );
  }
}

/** The bits of a register, of 32 bits, that a reference means. */
export function maskOf({ field }: RegisterReference): number {
  if (!field) return ALL_BITS;
  return ((2 ** field.widthBits - 1) * 2 ** field.leastBit) >>> 0;
}

/** A number that fits, or the name of one of the field's values. */
function readFieldValue(value: JsonValue, { register, field }: RegisterReference): number {
  const named = typeof value.value === "string" ? field?.values.get(value.value) : undefined;
  if (named !== undefined) return named;
  return value.integer(`a value of ${value.name}`, 0, 2 ** Math.min(32, field?.widthBits ?? register.widthBits) - 1);
}
