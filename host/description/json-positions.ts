/** Where a value stands in a JSON text. Offsets are in UTF-16 units. */
interface Place {
  readonly offset: number;
  /** Of the property's name; the value's own offset where there is none. */
  readonly keyOffset: number;
}

/** What a text has in place of JSON, and where. */
class SyntaxFault extends Error {
  constructor(
    readonly offset: number,
    message: string,
  ) {
    super(message);
  }
}

type Path = readonly (string | number)[];

const MAX_DEPTH = 64;
/** Values that are read in tenths of a second; the largest list of registers, each with some fields, has fewer. */
const MAX_VALUES = 150_000;
/** Names in one object. */
const MAX_NAMES = 4096;
const MAX_SHOWN_CHARACTERS = 40;
const BLANK = /[ \t\r\n]*/y;
const SCALAR = /true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
// eslint-disable-next-line no-control-regex
const STRING = /"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[\da-fA-F]{4}))*"/y;

/** The offset of the value at a path, or of its key; of what is nearest above it if the text has no such value. */
export function offsetOf(text: string, path: Path, at: "value" | "key"): number {
  const reader = new Reader(text, path);
  try {
    reader.read();
  } catch {
    // What was passed before the fault is known.
  }
  return at === "key" ? reader.nearest.keyOffset : reader.nearest.offset;
}

/** Offset and description of the first mistake in a text, a repeated key among them; `undefined` if there is none. */
export function syntaxErrorOf(text: string): readonly [number, string] | undefined {
  try {
    new Reader(text).read();
    return undefined;
  } catch (error) {
    if (error instanceof SyntaxFault) return [error.offset, error.message];
    throw error;
  }
}

/** A parser that keeps nothing of what it reads but one place. */
class Reader {
  /** Of the value at the path, or of the last one on the way to it. */
  nearest: Place = { offset: 0, keyOffset: 0 };
  readonly #text: string;
  readonly #path: Path;
  #at = 0;
  #values = 0;

  constructor(text: string, path: Path = []) {
    this.#text = text;
    this.#path = path;
  }

  read(): void {
    this.#value(0, true);
    this.#skipBlank();
    if (this.#at < this.#text.length) throw this.#unexpected("the end");
  }

  /** @param isOnPath whether the path leads here, or through here */
  #value(depth: number, isOnPath: boolean, keyOffset?: number): void {
    this.#skipBlank();
    if (depth > MAX_DEPTH) throw new SyntaxFault(this.#at, `Cannot read it: nested deeper than ${MAX_DEPTH}.`);
    if (++this.#values > MAX_VALUES) throw new SyntaxFault(this.#at, `Cannot read it: more than ${MAX_VALUES} values.`);
    const offset = this.#at;
    if (isOnPath) this.nearest = { offset, keyOffset: keyOffset ?? offset };
    const isNext = (key: string | number) => isOnPath && depth < this.#path.length && this.#path[depth] === key;
    const opening = this.#text[offset];
    if (opening === "{") {
      const keys = new Set<string>();
      this.#members("}", () => this.#property(depth, keys, isNext));
    } else if (opening === "[") {
      this.#members("]", (index) => this.#value(depth + 1, isNext(index)));
    } else if (this.#take(STRING) === undefined && this.#take(SCALAR) === undefined) throw this.#unexpected("a value");
  }

  #members(closing: string, member: (index: number) => void): void {
    this.#at++;
    this.#skipBlank();
    if (this.#text[this.#at] === closing) {
      this.#at++;
      return;
    }
    for (let index = 0; ; index++) {
      member(index);
      this.#skipBlank();
      const next = this.#text[this.#at];
      if (next !== "," && next !== closing) throw this.#unexpected(`"," or "${closing}"`);
      this.#at++;
      if (next === closing) return;
    }
  }

  #property(depth: number, keys: Set<string>, isNext: (key: string) => boolean): void {
    this.#skipBlank();
    const keyOffset = this.#at;
    const quoted = this.#take(STRING);
    if (quoted === undefined) throw this.#unexpected("a name in quotes");
    this.#skipBlank();
    if (this.#text[this.#at] !== ":") throw this.#unexpected('":"');
    this.#at++;
    const key = quoted.includes("\\") ? (JSON.parse(quoted) as string) : quoted.slice(1, -1);
    if (keys.size === MAX_NAMES)
      throw new SyntaxFault(keyOffset, `Cannot read it: more than ${MAX_NAMES} names in one object.`);
    if (keys.has(key)) throw new SyntaxFault(keyOffset, `Cannot use ${brief(quoted)} twice in one object.`);
    keys.add(key);
    this.#value(depth + 1, isNext(key), keyOffset);
  }

  #skipBlank(): void {
    this.#take(BLANK);
  }

  #take(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0];
    this.#at += found?.length ?? 0;
    return found;
  }

  #unexpected(wanted: string): SyntaxFault {
    const rest = this.#text.slice(this.#at, this.#at + MAX_SHOWN_CHARACTERS);
    const found = rest === "" ? "the end of the file" : JSON.stringify(/^\w+|^./su.exec(rest)?.[0]);
    return new SyntaxFault(this.#at, `Cannot read it: expected ${wanted}, found ${found}.`);
  }
}

/** A text, short enough for a message. */
export function brief(text: string): string {
  return text.length > MAX_SHOWN_CHARACTERS ? `${text.slice(0, MAX_SHOWN_CHARACTERS - 3)}…` : text;
}
