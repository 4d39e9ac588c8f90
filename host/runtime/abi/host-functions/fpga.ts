import { usersOfUioDevices } from "../../../linux/uio";
import { AxiscriptError } from "../../../util/errors";
import type { HostFunctions } from "../abi";
import type { HostResults } from "./results";
import type { HostServices } from "./services";

/** The FPGA manager. Asking for its state needs no permission. */
export function fpgaFunctions(
  { memory, gate, sysroot, fpga, permissions }: HostServices,
  { number, done }: HostResults,
): HostFunctions["axiscript:fpga@1"] {
  const fileName = (guestPtr: number, lengthBytes: number): string => {
    const name = memory.text(guestPtr, lengthBytes);
    if (!name.includes("\0")) return name;
    throw new AxiscriptError(
      "ERR_AXI_BAD_ARGUMENT",
      `Cannot use the file ${JSON.stringify(name)}: a name has no zero bytes.`,
    );
  };
  return {
    is_programmed: () => number(() => (fpga.isProgrammed() ? 1 : 0)),
    program: (bitstreamPtr: number, bitstreamLength: number, overlayPtr: number, overlayLength: number) =>
      done(() => {
        const files = [fileName(bitstreamPtr, bitstreamLength), fileName(overlayPtr, overlayLength)] as const;
        permissions.require({ name: "fpga", files });
        fpga.program(...files);
      }),
    remove: () =>
      done(() => {
        permissions.require({ name: "fpga", files: [] });
        // Registers stay mapped: what the next design has at their address would be used by another device's rules.
        gate.closeIdle();
        const [user] = usersOfUioDevices(sysroot);
        if (user !== undefined) throw devicesInUse(user);
        fpga.remove();
      }),
    state: (buffer: number, capacity: number) =>
      number(() => {
        const text = Buffer.from(fpga.state(), "utf8");
        memory.view(buffer, capacity).set(text.subarray(0, capacity >>> 0));
        return text.length;
      }),
  };
}

function devicesInUse(user: string): AxiscriptError {
  return new AxiscriptError("ERR_AXI_DEVICE_IN_USE", `Cannot remove the overlay: ${user}. Close the device first.`);
}
