import { errorFail, errorNote, errorRaise } from "./abi";

/**
 * Passes a host function's result on if it is not negative; else ends the script with the host's message.
 *
 * @param result what the host returned
 */
export function check(result: i32): i32 {
  if (result < 0) errorRaise();
  return result;
}

/**
 * Ends the script with an error of its own, which the host reports as it reports its own.
 *
 * @param code a stable code, `ERR_AXI_…`
 * @param message what was asked, what was found, and what to do
 */
export function fail(code: string, message: string): void {
  const codeBytes = String.UTF8.encode(code);
  const messageBytes = String.UTF8.encode(message);
  errorFail(
    changetype<usize>(codeBytes),
    codeBytes.byteLength,
    changetype<usize>(messageBytes),
    messageBytes.byteLength,
  );
  unreachable();
}

/** Tells the user something beside the script's output: on the command line, a line on stderr. */
export function note(message: string): void {
  const bytes = String.UTF8.encode(message);
  errorNote(changetype<usize>(bytes), bytes.byteLength);
}
