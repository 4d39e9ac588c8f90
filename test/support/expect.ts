import * as assert from "uvu/assert";
import { AxiscriptError, type ErrorCode } from "../../host/index";

/** Asserts that something fails with a code, or one of several; gives the error for further questions. */
export async function rejectsWith(
  code: ErrorCode | readonly ErrorCode[],
  body: () => unknown,
): Promise<AxiscriptError> {
  try {
    await body();
  } catch (error) {
    if (!(error instanceof AxiscriptError)) throw error;
    assert.ok([code].flat().includes(error.code), `${error.code}: ${error.message}`);
    return error;
  }
  throw new Error(`expected ${[code].flat().join(" or ")}, and nothing was thrown`);
}
