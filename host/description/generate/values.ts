import type { FieldDescription, RegisterDescription } from "../description";
import { bitsOf, ClassText, comment, hex, highest, maskOf, sentences, shifted } from "./class-text";

/**
 * The class of a register's values: what its fields are made with (static), and what they are in a value that was read.
 * A value of 32 bits is an instance, in place of a pointer to one: nothing is allocated. One of 64 bits has no room there,
 * and is taken apart by functions.
 *
 * @param register the first of an array stands for all
 */
export function valueClass(className: string, file: string, name: string, register: RegisterDescription): string {
  const { fields, widthBits } = register;
  const isWide = widthBits === 64;
  const text = new ClassText(className, file, []);
  for (const field of fields) addConstants(text, field, widthBits);
  for (const field of fields) addMaker(text, name, field, widthBits);
  if (!isWide) text.method("get value(): u32", ["return <u32>changetype<usize>(this);"], ["All bits."]);
  for (const field of fields) {
    if (field.access === "WO") continue;
    const type = field.widthBits === 1 ? "bool" : `u${widthBits}`;
    const head = isWide ? `static ${field.name}_of(value: u64): ${type}` : `get ${field.name}(): ${type}`;
    const about = sentences(field.summary, `Bits ${bitsOf(field)}, ${field.access}`).replace(/Bits (\d+,)/, "Bit $1");
    text.method(head, [`return ${extracted(isWide ? "value" : "this.value", field)};`], [about]);
  }
  const about = isWide
    ? `What a value of ${name} is made of.`
    : `A value of ${name}, and what one is made of: the number itself, not an object.`;
  return `${comment([about], "")}${isWide ? "" : "@unmanaged\n"}export class ${className} {\n${text.text}}\n`;
}

/** The statement that refuses a value that does not fit; none where every value does. */
export function rangeCheck(register: string, field: FieldDescription, registerBits: number): string[] {
  if (field.widthBits === 1 || field.widthBits === registerBits) return [];
  const most = highest(field.widthBits);
  return [`assert(value <= ${hex(most)}, "${register}.${field.name} is 0 to ${most}");`];
}

/** The mask of a bit, under its name, and of a wider field; names of values. */
function addConstants(text: ClassText, field: FieldDescription, widthBits: number): void {
  const { name, values } = field;
  const isFlag = field.widthBits === 1;
  const type = `u${widthBits}`;
  text.constant(isFlag ? name : `${name}_MASK`, hex(maskOf(field)), type);
  for (const [valueName, value] of values) {
    text.constant(`${name}_${valueName}`, isFlag ? String(value !== 0) : hex(value), isFlag ? "bool" : type);
  }
}

/** What moves a number to a wider field's place, if software writes it. */
function addMaker(text: ClassText, register: string, field: FieldDescription, widthBits: number): void {
  if (field.widthBits === 1 || field.access === "RO") return;
  text.method(
    `static ${field.name}(value: u${widthBits}): u${widthBits}`,
    [...rangeCheck(register, field, widthBits), `return ${shifted("value", field)};`],
    [`${field.name} in its place, bits ${bitsOf(field)}.`],
  );
}

function extracted(value: string, field: FieldDescription): string {
  if (field.widthBits === 1) return `(${value} & ${hex(maskOf(field))}) != 0`;
  const moved = field.leastBit === 0 ? value : `(${value} >> ${field.leastBit})`;
  return `${moved} & ${hex(highest(field.widthBits))}`;
}
