import { ForeignFileError, requireTrustedPath } from "../../files/ownership";
import { AxiscriptError } from "../../util/errors";

/**
 * Refuses a directory in place of `/` in which another user decides what is opened and written to.
 *
 * @throws AxiscriptError ERR_AXI_BOARD_OWNER
 */
export function requireTrustedSysroot(directory: string): void {
  try {
    requireTrustedPath(directory);
  } catch (cause) {
    if (!(cause instanceof ForeignFileError)) throw cause;
    throw new AxiscriptError(
      "ERR_AXI_BOARD_OWNER",
      `Cannot use ${directory} in place of /: ${cause.message}. Whoever can change what is there decides what is written ` +
        "where: run this as that user, or name a directory of your own.",
      { cause },
    );
  }
}
