/** Where a value stands in a JSON text, and what is in it. Offsets are in UTF-16 units. */
interface Placed {
  readonly offset: number;
  /** Of the property's name; the value's own offset where there is none. */
  readonly keyOffset: number;
  readonly children: ReadonlyMap<string | number, Placed>;
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

const MAX_DEPTH = 64;
const BLANK = /[ \t\r\n]*/y;
const SCALAR = /true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
// eslint-disable-next-line no-control-regex
const STRING = /"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[\da-fA-F]{4}))*"/y;

/** The offset of the value at a path, or of its key; of what is nearest above it if the text has no such value. */
export function offsetOf(text: string, path: readonly (string | number)[], at: "value" | "key"): number {
  let placed: Placed;
  try {
    placed = new Reader(text).read();
  } catch {
    return 0;
  }
  for (const key of path) placed = placed.children.get(key) ?? placed;
  return at === "key" ? placed.keyOffset : placed.offset;
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

/** A parser that keeps places in place of values. */
class Reader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  read(): Placed {
    const placed = this.#value(0, undefined);
    this.#skipBlank();
    if (this.#at < this.#text.length) throw this.#unexpected("the end");
    return placed;
  }

  #value(depth: number, keyOffset: number | undefined): Placed {
    this.#skipBlank();
    if (depth > MAX_DEPTH) throw new SyntaxFault(this.#at, `Cannot read it: nested deeper than ${MAX_DEPTH}.`);
    const offset = this.#at;
    const opening = this.#text[offset];
    const children = new Map<string | number, Placed>();
    if (opening === "{") this.#members("}", () => this.#property(depth, children));
    else if (opening === "[") {
      this.#members("]", () => children.set(children.size, this.#value(depth + 1, undefined)));
    } else if (this.#take(STRING) === undefined && this.#take(SCALAR) === undefined) throw this.#unexpected("a value");
    return { offset, keyOffset: keyOffset ?? offset, children };
  }

  #members(closing: string, member: () => void): void {
    this.#at++;
    this.#skipBlank();
    if (this.#text[this.#at] === closing) {
      this.#at++;
      return;
    }
    for (;;) {
      member();
      this.#skipBlank();
      const next = this.#text[this.#at];
      if (next !== "," && next !== closing) throw this.#unexpected(`"," or "${closing}"`);
      this.#at++;
      if (next === closing) return;
    }
  }

  #property(depth: number, children: Map<string | number, Placed>): void {
    this.#skipBlank();
    const keyOffset = this.#at;
    const quoted = this.#take(STRING);
    if (quoted === undefined) throw this.#unexpected("a name in quotes");
    this.#skipBlank();
    if (this.#text[this.#at] !== ":") throw this.#unexpected('":"');
    this.#at++;
    const key = JSON.parse(quoted) as string;
    if (children.has(key)) throw new SyntaxFault(keyOffset, `Cannot use ${quoted} twice in one object.`);
    children.set(key, this.#value(depth + 1, keyOffset));
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
    const rest = this.#text.slice(this.#at);
    const found = rest === "" ? "the end of the file" : JSON.stringify(/^\w+|^./su.exec(rest)?.[0]);
    return new SyntaxFault(this.#at, `Cannot read it: expected ${wanted}, found ${found}.`);
  }
}
