import { AxiscriptError } from "../../util/errors";
import type { FieldDescription } from "../description";

/** Columns of a line of code, as the formatter has them. */
const COLUMNS = 120;

/** The members of a generated class, as text, with a guard against two of one name. */
export class ClassText {
  text = "";
  readonly #name: string;
  readonly #file: string;
  readonly #taken: Set<string>;
  #wasConstant = false;

  /**
   * @param file of the description, for messages
   * @param taken names that members cannot have
   */
  constructor(name: string, file: string, taken: readonly string[]) {
    this.#name = name;
    this.#file = file;
    this.#taken = new Set([...taken, "constructor"]);
  }

  /** `static readonly NAME: u32 = 0x10;` */
  constant(name: string, value: string, type = "u32", about: readonly string[] = []): void {
    this.#take(`static ${name}`, name);
    const gap = about.length > 0 || (this.text !== "" && !this.#wasConstant) ? "\n" : "";
    this.text += `${this.text === "" ? "" : gap}${comment(about, "  ")}  static readonly ${name}: ${type} = ${value};\n`;
    this.#wasConstant = about.length === 0;
  }

  /**
   * A method or accessor that is inlined.
   *
   * @param head `get STATUS(): u32`, `static MODE(value: u32): u32`
   * @param body its statements
   */
  method(head: string, body: readonly string[], about: readonly string[]): void {
    const [, isStatic = "", kind = "", name = ""] = /^(static )?(get |set )?(\w+)/.exec(head) ?? [];
    this.#take(`${isStatic}${kind === "set " ? "set " : ""}${name}`, name);
    // TypeScript allows decorators on the first of two accessors only.
    const isSecond = kind === "set " && this.#taken.has(name);
    const ignore = isSecond ? "  // @ts-ignore: decorator\n" : "";
    const lines = body.map((line) => `    ${line}\n`).join("");
    this.add(`${comment(about, "  ")}${ignore}  @inline\n  ${head} {\n${lines}  }\n`);
  }

  /** Any other member. */
  add(text: string): void {
    this.text += `${this.text === "" ? "" : "\n"}${text}`;
    this.#wasConstant = false;
  }

  #take(key: string, name: string): void {
    if (this.#taken.has(key)) {
      throw new AxiscriptError(
        "ERR_AXI_DESCRIPTION",
        `Cannot generate ${this.#name} from ${this.#file}: it cannot have two members ${name}, or one of that name. ` +
          "Name the register or field otherwise.",
      );
    }
    this.#taken.add(key);
  }
}

/** A documentation comment of paragraphs; nothing if there is nothing to say. */
export function comment(paragraphs: readonly string[], indent: string): string {
  const lines = paragraphs.flatMap((text) => wrap(text.replaceAll("*/", "* /"), COLUMNS - indent.length - 3));
  if (lines.length === 0) return "";
  const [first = ""] = lines;
  if (lines.length === 1 && indent.length + first.length + 7 <= COLUMNS) return `${indent}/** ${first} */\n`;
  return `${indent}/**\n${lines.map((line) => `${indent} * ${line}`.trimEnd()).join("\n")}\n${indent} */\n`;
}

function wrap(text: string, columns: number): string[] {
  const [first = "", ...words] = text.trim().split(/\s+/);
  const lines = [];
  let line = first;
  for (const word of words) {
    if (line.length + 1 + word.length <= columns) line += ` ${word}`;
    else {
      lines.push(line);
      line = word;
    }
  }
  return [...lines, line];
}

/** One sentence after another; empty ones are left out, and full stops that are missing are put in. */
export function sentences(...texts: readonly string[]): string {
  return texts
    .filter(Boolean)
    .map((text) => (/[.!?]$/.test(text) ? text : `${text}.`))
    .join(" ");
}

/** A number as code has it, with at least so many digits. */
export function hex(value: bigint | number, digits = 1): string {
  return `0x${value.toString(16).padStart(digits, "0")}`;
}

/** The highest value of so many bits. */
export function highest(widthBits: number): bigint {
  return 2n ** BigInt(widthBits) - 1n;
}

/** The bits of a field within its register. */
export function maskOf({ leastBit, widthBits }: FieldDescription): bigint {
  return highest(widthBits) << BigInt(leastBit);
}

/** A value moved to a field's place. */
export function shifted(value: string, { leastBit }: FieldDescription): string {
  return leastBit === 0 ? value : `${value} << ${leastBit}`;
}

/** `7:0`, or `3`. */
export function bitsOf({ leastBit, widthBits }: FieldDescription): string {
  return widthBits === 1 ? String(leastBit) : `${leastBit + widthBits - 1}:${leastBit}`;
}
