import { lstatSync, readlinkSync } from "node:fs";
import { dirname, resolve } from "node:path";
import type { FileIdentity } from "../../permissions/permission";

/**
 * What leads to a file: its directories up to the root, symbolic links among them and where those lead, and the file
 * itself. Whoever moves one of these can put something else in the file's place.
 */
export function wayTo(path: string): FileIdentity[] {
  const found: FileIdentity[] = [];
  const seen = new Set<string>();
  const walk = (place: string): void => {
    if (seen.has(place)) return;
    seen.add(place);
    const parent = dirname(place);
    walk(parent);
    const stat = lstatSync(place, { bigint: true, throwIfNoEntry: false });
    if (!stat) return;
    found.push({ dev: stat.dev, ino: stat.ino });
    if (stat.isSymbolicLink()) walk(resolve(parent, readlinkSync(place)));
  };
  walk(resolve(path));
  return found;
}
