import { fpgaIsProgrammed, fpgaProgram, fpgaRemove, fpgaState } from "./abi";
import { check } from "./errors";

/** Result of a host function that finds no FPGA manager: -ENODEV. */
const NO_SUCH_DEVICE: i32 = -19;
/** The longest state that kernels report is far below this. */
const STATE_BYTES: i32 = 256;

/**
 * Programs the FPGA through the kernel's FPGA manager and a device-tree overlay.
 *
 * @example
 * const fpga = new FpgaManager();
 * if (!fpga.isProgrammed()) fpga.programBitstream("/lib/firmware/a.bit.bin", "/lib/firmware/a.dtbo");
 */
export class FpgaManager {
  /**
   * Whether there is an FPGA manager. Where the FPGA is on a PCI card, or was programmed before the system started, the
   * kernel may have none; all else here ends the script then.
   */
  get isPresent(): bool {
    const result = fpgaState(0, 0);
    return result != NO_SUCH_DEVICE && check(result) >= 0;
  }

  /** Whether a design of ours is loaded and its overlay applied. */
  isProgrammed(): bool {
    return check(fpgaIsProgrammed()) != 0;
  }

  /**
   * Loads a bitstream with its overlay, so that the design's devices appear.
   *
   * @param bitstream path of the `.bit.bin`
   * @param overlay path of the `.dtbo`; its `firmware-name` is the bitstream's file name
   */
  programBitstream(bitstream: string, overlay: string): void {
    const bitstreamBytes = String.UTF8.encode(bitstream);
    const overlayBytes = String.UTF8.encode(overlay);
    check(
      fpgaProgram(
        changetype<usize>(bitstreamBytes),
        bitstreamBytes.byteLength,
        changetype<usize>(overlayBytes),
        overlayBytes.byteLength,
      ),
    );
  }

  /** Removes the overlay and with it the design's devices. The FPGA keeps its configuration. */
  remove(): void {
    check(fpgaRemove());
  }

  /** The manager's state, for example `operating` or `unknown`. */
  get state(): string {
    const buffer = new ArrayBuffer(STATE_BYTES);
    const length = check(fpgaState(changetype<usize>(buffer), STATE_BYTES));
    return String.UTF8.decodeUnsafe(changetype<usize>(buffer), min(length, STATE_BYTES));
  }
}
