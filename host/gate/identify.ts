import type { DeviceDescription, FieldDescription, RegisterDescription } from "../description/description";
import { AxiscriptError, hex } from "../util/errors";

/**
 * Checks that a device is what its description is about, by its identification registers and its version, which are
 * read one after the other: nothing else is touched, since a wrong access can hang a real bus.
 *
 * @param read reads a register of 32 bits
 * @throws AxiscriptError ERR_AXI_WRONG_DEVICE
 */
export function identify(
  deviceName: string,
  { kind, file, match }: DeviceDescription,
  read: (register: RegisterDescription) => number,
): void {
  for (const { register, values } of match.identify) {
    const found = read(register);
    if (values.some(({ mask, value }) => (found & mask) === (value | 0))) continue;
    const expected = values.map(({ value }) => hex(value >>> 0)).join(" or ");
    throw new AxiscriptError(
      "ERR_AXI_WRONG_DEVICE",
      `Cannot open device ${deviceName} as ${kind}: ${register.name} (offset ${hex(register.offset)}) reads ` +
        `${hex(found >>> 0)}, expected ${expected}. Is the right bitstream loaded? ` +
        `If the description is wrong (${file}), give your own with --devices.`,
    );
  }
  const { version } = match;
  if (!version) return;
  const word = read(version.register);
  const found = version.parts.map((part) => fieldOf(word, part));
  if (compare(found, version.atLeast) >= 0 && compare(found, version.below) < 0) return;
  throw new AxiscriptError(
    "ERR_AXI_WRONG_DEVICE",
    `Cannot open device ${deviceName} as ${kind}: its version is ${found.join(".")}, and the description is true from ` +
      `${version.atLeast.join(".")} to below ${version.below.join(".")} (${file}). Give one for this version with --devices.`,
  );
}

function fieldOf(word: number, { leastBit, widthBits }: FieldDescription): number {
  return Math.floor((word >>> 0) / 2 ** leastBit) % 2 ** widthBits;
}

function compare(a: readonly number[], b: readonly number[]): number {
  const different = a.findIndex((part, index) => part !== b[index]);
  return different < 0 ? 0 : (a[different] ?? 0) - (b[different] ?? 0);
}
