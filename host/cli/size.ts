import { AxiscriptError } from "../util/errors";

const UNITS_BYTES = { "": 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30 } as const;
const FORM = /^(\d+(?:\.\d+)?)([KMG]?)(?:i?B)?$/i;

/**
 * Reads a size as people write it: `1000`, `64K`, `1.5M`, `2GiB`; units are powers of 1024.
 *
 * @returns bytes
 * @throws AxiscriptError ERR_AXI_USAGE
 */
export function parseSize(text: string): number {
  const [, amount, unit = ""] = FORM.exec(text) ?? [];
  const bytes = Math.round(Number(amount) * UNITS_BYTES[unit.toUpperCase() as keyof typeof UNITS_BYTES]);
  if (Number.isSafeInteger(bytes)) return bytes;
  throw new AxiscriptError("ERR_AXI_USAGE", `Cannot read the size "${text}": write for example 1000, 64K or 2M.`);
}
