import { fstatSync } from "node:fs";
import { nearest } from "../description/nearest";
import { AxiscriptError } from "../util/errors";

/** What the value of an option is: what messages say of it, and whether a value is such. */
export interface OptionKind {
  readonly rule: string;
  readonly accepts: (value: unknown) => boolean;
}

/** The kind of each option that a function takes. */
export type OptionKinds<Options> = Readonly<Record<keyof Options, OptionKind>>;

const isText = (value: unknown): value is string => typeof value === "string";
const isObject = (value: unknown): value is object =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const isTexts = (value: unknown) => Array.isArray(value) && value.every(isText);

/** Kinds of options. Ranges of numbers, and what a text may say, are for those who use them to check. */
export const KIND = {
  text: { rule: "a text", accepts: isText },
  texts: { rule: "a list of texts", accepts: isTexts },
  textsByName: { rule: "an object of texts", accepts: (value) => isObject(value) && isTexts(Object.values(value)) },
  flag: { rule: "true or false", accepts: (value) => typeof value === "boolean" },
  number: { rule: "a number", accepts: (value) => typeof value === "number" },
  function: { rule: "a function", accepts: (value) => typeof value === "function" },
  object: { rule: "an object", accepts: isObject },
  signal: { rule: "an AbortSignal", accepts: (value) => value instanceof AbortSignal },
  descriptor: { rule: "the number of an open file descriptor (of a stream: its fd)", accepts: isOpen },
  textOrFalse: { rule: "a text, or false", accepts: (value) => isText(value) || value === false },
} as const satisfies Record<string, OptionKind>;

/** One of some texts. */
export function oneOf(texts: readonly string[]): OptionKind {
  return { rule: `one of ${texts.join(", ")}`, accepts: (value) => isText(value) && texts.includes(value) };
}

/**
 * Checks the options of a call: those that do not exist, or are of another kind, are mistakes, and would do nothing. An
 * option that is `undefined` is absent.
 *
 * @param action what messages say cannot be done: `create a runtime`
 * @throws AxiscriptError ERR_AXI_USAGE, with the name that was probably meant
 */
export function checkOptions<Options>(action: string, options: unknown, kinds: OptionKinds<Options>): void {
  const cannot = (reason: string) => new AxiscriptError("ERR_AXI_USAGE", `Cannot ${action}: ${reason}`);
  if (!isObject(options)) throw cannot(`the options are an object; current value is ${shown(options)}.`);
  for (const [name, value] of Object.entries(options)) {
    const kind = Object.hasOwn(kinds, name) ? kinds[name as keyof Options] : undefined;
    if (!kind) throw cannot(`there is no option ${name}.${adviceFor(name, Object.keys(kinds))}`);
    if (value === undefined || kind.accepts(value)) continue;
    throw cannot(`${name} is ${kind.rule}; current value is ${shown(value)}.`);
  }
}

/** The option that was probably meant: spelt alike, or one of which the name is the beginning (`timeout`). */
function adviceFor(name: string, known: readonly string[]): string {
  const meant = known.find((each) => each.toLowerCase().startsWith(name.toLowerCase())) ?? nearest(name, known);
  return meant === undefined || name === "" ? ` There are ${known.join(", ")}.` : ` Did you mean ${meant}?`;
}

function isOpen(value: unknown): boolean {
  if (typeof value !== "number" || !Number.isInteger(value) || value < 0) return false;
  try {
    fstatSync(value);
    return true;
  } catch {
    return false;
  }
}

function shown(value: unknown): string {
  if (typeof value === "function") return "a function";
  if (isObject(value)) return `an object, ${Object.prototype.toString.call(value)}`;
  if (typeof value === "bigint") return `${value}n`;
  return (Array.isArray(value) || typeof value === "string" ? JSON.stringify(value) : String(value)).slice(0, 60);
}
