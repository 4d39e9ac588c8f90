import type { FieldDescription, MemoryWindow, RegisterAccess, RegisterDescription } from "./description";
import { brief } from "./json-positions";
import type { JsonValue } from "./json-value";

const REGISTER_KEYS = [
  ...["name", "offset", "access", "summary", "widthBits", "reset", "readSideEffect", "fields"],
  ...["count", "strideBytes"],
];
const FIELD_KEYS = ["name", "bits", "access", "summary", "values"];
const MEMORY_KEYS = ["name", "offset", "lengthBytes", "access", "summary"];

const REGISTER_ACCESS = ["RO", "RW", "WO"] as const;
/** What a field may be, in a register of each access. */
const FIELD_ACCESS = {
  RO: ["RO"],
  WO: ["WO", "pulse"],
  RW: ["RO", "RW", "WO", "W1C", "pulse"],
} as const satisfies Record<RegisterAccess, readonly FieldDescription["access"][]>;

const NAME = /^[A-Za-z_]\w{0,99}$/;
/** Windows are smaller: an AXI4-Lite port of a fabric core has 4 KiB to 64 KiB, the largest some MiB. */
const END_OF_OFFSETS = 0x100_0000;
const MAX_REGISTERS = 4096;
/** Names of a field's values. */
const MAX_VALUES = 4096;
const MAX_SAFE = Number.MAX_SAFE_INTEGER;

/**
 * Reads a description's list of registers: arrays spelled out, in the order of their offsets.
 *
 * @throws AxiscriptError ERR_AXI_DESCRIPTION for registers that overlap, that share a name, or that are not what they
 *   should be
 */
export function readRegisters(list: JsonValue): RegisterDescription[] {
  const names = new UniqueNames();
  const placed: { readonly value: JsonValue; readonly register: RegisterDescription }[] = [];
  for (const value of list.elements("the list of registers", MAX_REGISTERS)) {
    const { register, count, strideBytes } = readRegister(value);
    // Before an array is spelled out.
    if (placed.length + count > MAX_REGISTERS) {
      throw value.error(`Cannot describe ${placed.length + count} registers: at most ${MAX_REGISTERS}.`);
    }
    for (const element of spellOut(register, count, strideBytes)) {
      names.add(element.name, value, element.array?.name);
      placed.push({ value, register: element });
    }
  }
  placed.sort((a, b) => a.register.offset - b.register.offset);
  for (const [index, { value, register }] of placed.entries()) {
    const before = placed[index - 1]?.register;
    if (before && before.offset + before.widthBits / 8 > register.offset) {
      throw value.error(
        `Cannot place register ${register.name} at ${shown(register.offset)}: register ${before.name} is there.`,
      );
    }
  }
  return placed.map(({ register }) => register);
}

/** Reads a description's list of memory-like ranges. They overlap neither each other nor a register. */
export function readMemories(
  list: JsonValue | undefined,
  registers: readonly RegisterDescription[],
): readonly MemoryWindow[] {
  const names = new Set(registers.flatMap(({ name, array }) => (array ? [name, array.name] : [name])));
  const taken = registers.map(({ name, offset, widthBits }) => ({ name, offset, lengthBytes: widthBits / 8 }));
  const memories = list?.elements("the list of memories").map((value): MemoryWindow => {
    value.properties("a memory", MEMORY_KEYS);
    const memory = {
      name: readName(value, "a memory"),
      offset: readOffset(value, "a memory", 4),
      lengthBytes: value.need("lengthBytes", "a memory").integer("a length in bytes", 4, END_OF_OFFSETS),
      access: value.get("access")?.oneOf("access", REGISTER_ACCESS) ?? "RW",
      summary: value.get("summary")?.text("a summary") ?? "",
    };
    if (names.has(memory.name)) throw value.need("name", "").error(`Cannot name two of these ${memory.name}.`);
    names.add(memory.name);
    const end = memory.offset + memory.lengthBytes;
    const other = taken.find(({ offset, lengthBytes }) => offset < end && memory.offset < offset + lengthBytes);
    if (other) {
      throw value.error(`Cannot place memory ${memory.name} at ${shown(memory.offset)}: ${other.name} is there.`);
    }
    taken.push(memory);
    return memory;
  });
  return memories?.sort((a, b) => a.offset - b.offset) ?? [];
}

/** What a description says of a register, or of an array of registers. */
interface DeclaredRegisters {
  readonly register: RegisterDescription;
  readonly count: number;
  /** Absent: it is no array. */
  readonly strideBytes: number | undefined;
}

function readRegister(value: JsonValue): DeclaredRegisters {
  value.properties("a register", REGISTER_KEYS);
  const name = readName(value, "a register");
  const widthBits = readWidth(value.get("widthBits"));
  const widthBytes = widthBits / 8;
  const offset = readOffset(value, `register ${name}`, widthBytes);
  const access = value.need("access", `register ${name}`).oneOf("a register's access", REGISTER_ACCESS);
  const register = {
    name,
    offset,
    widthBits,
    access,
    summary: value.get("summary")?.text("a summary") ?? "",
    reset: value.get("reset")?.bigInteger("a reset value", 2n ** BigInt(widthBits) - 1n),
    readSideEffect: readSideEffect(value.get("readSideEffect"), access),
    fields: readFields(value.get("fields"), widthBits, access),
    array: undefined,
  };
  const count = value.get("count")?.integer("a count", 1, MAX_REGISTERS);
  const stride = value.get("strideBytes");
  if (count === undefined) {
    if (stride) throw stride.error("Cannot use strideBytes without count.", "key");
    return { register, count: 1, strideBytes: undefined };
  }
  const strideBytes = stride?.integer("a stride in bytes", widthBytes, END_OF_OFFSETS) ?? widthBytes;
  if (stride && strideBytes % widthBytes !== 0) {
    throw stride.error(`Cannot use ${stride.shown} as a stride: it is a multiple of ${widthBytes}.`);
  }
  if (offset + strideBytes * (count - 1) >= END_OF_OFFSETS) {
    throw value.error(`Cannot place ${count} registers ${name}: offsets are below ${shown(END_OF_OFFSETS)}.`);
  }
  return { register, count, strideBytes };
}

/** A register, or the elements of an array of registers. */
function spellOut(
  register: RegisterDescription,
  count: number,
  strideBytes: number | undefined,
): readonly RegisterDescription[] {
  if (strideBytes === undefined) return [register];
  const { name, offset } = register;
  return Array.from({ length: count }, (_, index) => ({
    ...register,
    name: `${name}${index}`,
    offset: offset + strideBytes * index,
    array: { name, index, length: count },
  }));
}

function readFields(
  list: JsonValue | undefined,
  registerBits: 32 | 64,
  registerAccess: RegisterAccess,
): readonly FieldDescription[] {
  const names = new UniqueNames();
  const fields: FieldDescription[] = [];
  for (const value of list?.elements("a list of fields") ?? []) {
    value.properties("a field", FIELD_KEYS);
    const name = readName(value, "a field");
    names.add(name, value);
    const [leastBit, widthBits] = readBits(value.need("bits", `field ${name}`), registerBits);
    const clash = fields.find((f) => f.leastBit < leastBit + widthBits && leastBit < f.leastBit + f.widthBits);
    if (clash) throw value.error(`Cannot place field ${name}: field ${clash.name} has some of its bits.`);
    const access: FieldDescription["access"] =
      value.get("access")?.oneOf(`a field's access in an ${registerAccess} register`, FIELD_ACCESS[registerAccess]) ??
      registerAccess;
    const most = Math.min(2 ** widthBits - 1, MAX_SAFE);
    const values = value
      .get("values")
      ?.properties("the values of a field", undefined, MAX_VALUES)
      .map((entry): [string, number] => {
        if (!NAME.test(entry.name)) throw entry.error(`Cannot use "${brief(entry.name)}" as a name of a value.`, "key");
        return [entry.name, entry.integer(`a value of field ${name}`, 0, most)];
      });
    const summary = value.get("summary")?.text("a summary") ?? "";
    fields.push({ name, leastBit, widthBits, access, summary, values: new Map(values) });
  }
  return fields.sort((a, b) => a.leastBit - b.leastBit);
}

/** `7:0` or `3`, as least bit and width. */
function readBits(value: JsonValue, registerBits: number): [number, number] {
  const [, high, low = high] =
    /^(\d{1,2})(?::(\d{1,2}))?$/.exec(isBitText(value.value) ? String(value.value) : "") ?? [];
  const most = Number(high);
  const least = Number(low);
  if (most >= least && most < registerBits) {
    return [least, most - least + 1];
  }
  throw value.error(
    `Cannot use ${value.shown} as bits: write for example 3, or "7:0", of bits ${registerBits - 1} to 0.`,
  );
}

function isBitText(value: unknown): boolean {
  return typeof value === "number" || typeof value === "string";
}

function readWidth(value: JsonValue | undefined): 32 | 64 {
  if (value === undefined || value.value === 32) return 32;
  if (value.value === 64) return 64;
  throw value.error(`Cannot use ${value.shown} as a register's width: it is 32 or 64.`);
}

function readSideEffect(value: JsonValue | undefined, access: RegisterAccess): string | undefined {
  if (value && access === "WO") throw value.error("Cannot have a side effect of reading: the register is WO.", "key");
  return value?.text("a side effect of reading");
}

function readName(value: JsonValue, what: string): string {
  const name = value.need("name", what);
  if (typeof name.value === "string" && NAME.test(name.value)) return name.value;
  throw name.error(
    `Cannot use ${name.shown} as a name: it is made of at most 100 letters, digits and _, and begins with no digit.`,
  );
}

function readOffset(value: JsonValue, what: string, alignment: number): number {
  const offset = value.need("offset", what);
  const bytes = offset.integer("an offset in bytes", 0, END_OF_OFFSETS - alignment);
  if (bytes % alignment === 0) return bytes;
  throw offset.error(`Cannot use ${offset.shown} as an offset of ${what}: it is a multiple of ${alignment}.`);
}

function shown(offset: number): string {
  return `0x${offset.toString(16)}`;
}

/** Names in one list. An array of registers has a name as its elements have. */
class UniqueNames {
  readonly #owners = new Map<string, JsonValue>();

  /** @throws AxiscriptError ERR_AXI_DESCRIPTION if another value has the name */
  add(name: string, owner: JsonValue, arrayName?: string): void {
    for (const taken of arrayName === undefined ? [name] : [name, arrayName]) {
      const other = this.#owners.get(taken);
      if (other && other !== owner) {
        throw owner.need("name", "").error(`Cannot name two of these ${taken}: a name belongs to one of them.`);
      }
      this.#owners.set(taken, owner);
    }
  }
}
