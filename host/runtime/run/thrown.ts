import {
  AxiscriptError,
  errnoCode,
  type ErrorCode,
  InterruptedError,
  messageOf,
  type SourcePosition,
} from "../../util/errors";

/** Something that was thrown, as plain data, so that it can travel between threads. */
export type PlainThrown = PlainAxiscriptError | PlainOtherError;

interface PlainAxiscriptError {
  readonly kind: "axiscript";
  readonly code: ErrorCode;
  readonly message: string;
  readonly stack: string | undefined;
  readonly scriptStack: readonly SourcePosition[];
  readonly cause: PlainOtherError | undefined;
  readonly signal: InterruptedError["signal"] | undefined;
}

interface PlainOtherError {
  readonly kind: "other";
  readonly name: string;
  readonly message: string;
  readonly code: string | undefined;
  readonly stack: string | undefined;
}

/** What is left of something that was thrown when it goes to another thread: of its cause, one level. */
export function toPlain(thrown: unknown): PlainThrown {
  if (!(thrown instanceof AxiscriptError)) return plainOther(thrown);
  const { code, message, stack, scriptStack, cause } = thrown;
  return {
    ...{ kind: "axiscript", code, message, stack, scriptStack },
    cause: cause === undefined ? undefined : plainOther(cause),
    signal: thrown instanceof InterruptedError ? thrown.signal : undefined,
  };
}

/** Makes an error of the class that it was. */
export function fromPlain(plain: PlainThrown): Error {
  if (plain.kind === "other") return otherError(plain);
  const { code, message, stack, scriptStack, cause, signal } = plain;
  const error =
    signal === undefined
      ? new AxiscriptError(code, message, { lines: true, ...(cause && { cause: otherError(cause) }) })
      : new InterruptedError(signal);
  error.scriptStack = scriptStack;
  if (stack !== undefined) error.stack = stack;
  return error;
}

function plainOther(thrown: unknown): PlainOtherError {
  const { name, stack } = thrown instanceof Error ? thrown : { name: "Error", stack: undefined };
  return { kind: "other", name, message: messageOf(thrown), code: errnoCode(thrown), stack };
}

function otherError({ name, message, code, stack }: PlainOtherError): Error {
  const error = name === "RangeError" ? new RangeError(message) : new Error(message);
  error.name = name;
  if (stack !== undefined) error.stack = stack;
  return code === undefined ? error : Object.assign(error, { code });
}
