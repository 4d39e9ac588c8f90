import { AxiscriptError } from "../util/errors";
import { brief, offsetOf, syntaxErrorOf } from "./json-positions";

/** What no list of a description has more of, unless it is said. */
const MAX_ELEMENTS = 256;
const MAX_TEXT_CHARACTERS = 10_000;
/** Digits that are read: 64 bits in binary, with `_` between all of them. */
const MAX_NUMBER_CHARACTERS = 130;
/** What is longer is not read to its end. */
const MAX_MESSAGE_CHARACTERS = 1000;

/** A JSON file that was read. */
export interface JsonFile {
  /** What messages call it. */
  readonly name: string;
  readonly text: string;
}

type Key = string | number;

/**
 * A value in a JSON file that knows where it stands, so that what is wrong with it can be said with line and column. The
 * place is only looked up when there is something to say.
 */
export class JsonValue {
  readonly file: JsonFile;
  readonly value: unknown;
  /** Of the property or element; `undefined` for the file's own value. */
  readonly key: Key | undefined;
  readonly #parent: JsonValue | undefined;

  private constructor(file: JsonFile, value: unknown, parent?: JsonValue, key?: Key) {
    this.file = file;
    this.value = value;
    this.#parent = parent;
    this.key = key;
  }

  /**
   * Parses a file. A name that an object has twice is a mistake, too.
   *
   * @throws AxiscriptError ERR_AXI_DESCRIPTION with the place of the first mistake
   */
  static parse(file: JsonFile): JsonValue {
    const mistake = syntaxErrorOf(file.text);
    if (mistake) throw describe(file, ...mistake);
    return new JsonValue(file, JSON.parse(file.text));
  }

  /** An error that points at this value, or at its key. */
  error(message: string, at: "value" | "key" = "value"): AxiscriptError {
    return describe(this.file, offsetOf(this.file.text, this.#path(), at), message);
  }

  /**
   * The properties of an object, in the file's order. With `allowed`, any other name is refused.
   *
   * @param most how many there may be
   */
  properties(what: string, allowed?: readonly string[], most = MAX_ELEMENTS): JsonValue[] {
    const { value } = this;
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      throw this.error(`Cannot use this as ${what}: it is an object ({ … }); current value is ${this.shown}.`);
    }
    const entries = Object.entries(value);
    this.#checkCount(what, entries.length, most);
    const properties = entries.map(([name, inner]) => new JsonValue(this.file, inner, this, name));
    for (const property of properties) {
      if (allowed && !allowed.includes(property.name)) {
        throw property.error(
          `Cannot use "${brief(property.name)}" in ${what}: it may have ${allowed.join(", ")}.`,
          "key",
        );
      }
    }
    return properties;
  }

  /** A property; `undefined` if there is none. */
  get(name: string): JsonValue | undefined {
    const { value } = this;
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, name)) return undefined;
    return new JsonValue(this.file, (value as Record<string, unknown>)[name], this, name);
  }

  /** A property that must be there. */
  need(name: string, what: string): JsonValue {
    const property = this.get(name);
    if (property) return property;
    throw this.error(`Cannot use ${what} without "${name}".`);
  }

  /**
   * The elements of an array.
   *
   * @param most how many there may be
   */
  elements(what: string, most = MAX_ELEMENTS): JsonValue[] {
    const { value } = this;
    if (!Array.isArray(value)) {
      throw this.error(`Cannot use this as ${what}: it is a list ([ … ]); current value is ${this.shown}.`);
    }
    this.#checkCount(what, value.length, most);
    return (value as unknown[]).map((inner, index) => new JsonValue(this.file, inner, this, index));
  }

  /** A text that is not empty. */
  text(what: string): string {
    if (typeof this.value === "string" && this.value.length > MAX_TEXT_CHARACTERS) {
      throw this.error(`Cannot use ${this.shown} as ${what}: it has at most ${MAX_TEXT_CHARACTERS} characters.`);
    }
    if (typeof this.value === "string" && this.value !== "") return this.value;
    throw this.error(`Cannot use ${this.shown} as ${what}: it is a text that is not empty.`);
  }

  /** One of several texts. */
  oneOf<T extends string>(what: string, choices: readonly T[]): T {
    const found = choices.find((choice) => choice === this.value);
    if (found !== undefined) return found;
    throw this.error(`Cannot use ${this.shown} as ${what}: it is one of ${choices.join(", ")}.`);
  }

  /** A whole number, written as one or as a text: `12`, `"12"`, `"0x0c"`, `"0b1100"`, with `_` between digits. */
  integer(what: string, least: number, most: number): number {
    return Number(this.#integer(what, BigInt(least), BigInt(most)));
  }

  /** As {@link integer}, from 0 on, beyond what a number holds. */
  bigInteger(what: string, most: bigint): bigint {
    return this.#integer(what, 0n, most);
  }

  /** The key of a property, as a text. */
  get name(): string {
    return String(this.key);
  }

  /** The value, short enough for a message. */
  get shown(): string {
    // JSON has no word for what a number such as 1e400 becomes.
    return typeof this.value === "number" ? String(this.value) : brief(JSON.stringify(this.value));
  }

  #checkCount(what: string, count: number, most: number): void {
    if (count > most) throw this.error(`Cannot use ${count} as the number of entries of ${what}: at most ${most}.`);
  }

  #integer(what: string, least: bigint, most: bigint): bigint {
    const parsed = parseInteger(this.value);
    if (parsed !== undefined && parsed >= least && parsed <= most) return parsed;
    if (typeof this.value === "number" && Number.isInteger(this.value) && !Number.isSafeInteger(this.value)) {
      throw this.error(
        `Cannot use ${this.shown} as ${what}: so large a number is written as a text, as "0xffff_ffff".`,
      );
    }
    const shown = (value: bigint) => (value < 10_000n ? String(value) : `0x${value.toString(16)}`);
    throw this.error(
      `Cannot use ${this.shown} as ${what}: it is a whole number from ${shown(least)} to ${shown(most)}.`,
    );
  }

  #path(): Key[] {
    return this.#parent && this.key !== undefined ? [...this.#parent.#path(), this.key] : [];
  }
}

/** A whole number as people write it; `undefined` for anything else. */
export function parseInteger(value: unknown): bigint | undefined {
  if (typeof value === "number") return Number.isSafeInteger(value) ? BigInt(value) : undefined;
  if (typeof value !== "string" || value.length > MAX_NUMBER_CHARACTERS) return undefined;
  if (!/^(0x[\da-f]+(_[\da-f]+)*|0b[01]+(_[01]+)*|\d+(_\d+)*)$/i.test(value)) return undefined;
  return BigInt(value.replaceAll("_", ""));
}

function describe({ name, text }: JsonFile, offset: number, message: string): AxiscriptError {
  const before = text.slice(0, offset);
  const line = before.split("\n").length;
  const column = offset - before.lastIndexOf("\n");
  const said = message.length > MAX_MESSAGE_CHARACTERS ? `${message.slice(0, MAX_MESSAGE_CHARACTERS)}…` : message;
  return new AxiscriptError("ERR_AXI_DESCRIPTION", `${name}:${line}:${column}: ${said}`);
}
