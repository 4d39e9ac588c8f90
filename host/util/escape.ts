/**
 * What moves a terminal's cursor, changes its state, ends a line, turns the order of characters round or cannot be seen:
 * the Unicode categories of controls, format characters and line separators.
 */
const CONTROLS = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;
const NAMED: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

/**
 * A text from anywhere (a module, a device, a file's name), as one line that a terminal shows as it is: control characters
 * are written as `\x1b`, `\n`, `\u202e`. Twice does no more than once.
 */
export function escapeControls(text: string): string {
  return text.replace(CONTROLS, (character) => NAMED[character] ?? escaped(character.codePointAt(0) ?? 0));
}

/** As {@link escapeControls}, for a text whose lines are our own, or escaped. */
export function escapeLines(text: string): string {
  return text
    .split("\n")
    .map((line) => line.split("\t").map(escapeControls).join("\t"))
    .join("\n");
}

/** JSON with control characters beyond those that JSON itself escapes written as `\u009b`. */
export function escapeJson(json: string): string {
  return json.replace(CONTROLS, (character) =>
    character === "\n" ? character : character.split("").map(unit).join(""),
  );
}

function escaped(code: number): string {
  if (code < 0x100) return `\\x${code.toString(16).padStart(2, "0")}`;
  return code < 0x10000 ? `\\u${code.toString(16).padStart(4, "0")}` : `\\u{${code.toString(16)}}`;
}

/** A UTF-16 code unit, as JSON writes it. */
function unit(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}
