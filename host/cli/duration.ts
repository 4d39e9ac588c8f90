import { AxiscriptError } from "../util/errors";

const UNITS_MS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 } as const;
const FORM = /^(\d+(?:\.\d+)?)(ms|s|m|h)?$/;

/**
 * Reads a duration as people write it: `500ms`, `2s`, `1.5m`, `1h`; a bare number is seconds.
 *
 * @returns milliseconds, at least 1
 * @throws AxiscriptError ERR_AXI_USAGE
 */
export function parseDuration(text: string): number {
  const [, amount, unit = "s"] = FORM.exec(text) ?? [];
  const milliseconds = Math.round(Number(amount) * UNITS_MS[unit as keyof typeof UNITS_MS]);
  if (!(milliseconds >= 1)) {
    throw new AxiscriptError("ERR_AXI_USAGE", `Cannot read the duration "${text}": write for example 500ms, 2s or 1m.`);
  }
  return milliseconds;
}
