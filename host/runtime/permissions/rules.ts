import { resolve } from "node:path";
import { meansWithNote } from "../../linux/uio-names";
import type { Permission, PermissionLists, PermissionOptions } from "./permission";
import { keyOf, PERMISSION_KEYS, type PermissionKey } from "./keys";
import { contains, containsLoosely, deniedPath, grantedDirectory, targetPath } from "./places";

/** Everything of a sort, or these; of directories and firmware files, where they are. */
type Extent = true | ReadonlySet<string>;

/** Finds where a path of a rule is. */
type PlaceOf = (path: string, flag: "read" | "write") => string;

/** Rules of one origin that deny something. */
interface Denials {
  /** The profile's name; absent: the flags. */
  readonly profile?: string;
  readonly extents: ReadonlyMap<PermissionKey, Extent>;
}

/** What denies a permission. */
export interface Denial {
  readonly key: PermissionKey;
  /** What the rule says; absent: all of the sort. */
  readonly item?: string;
  readonly profile?: string;
}

/** Everything but unchecked DMA and the files of this machine: what a virtual board consists of. */
const BOARD_KEYS = PERMISSION_KEYS.filter((key) => key !== "read" && key !== "write");

/** Decides what is allowed, and says what denies it. Knows nothing of messages and records. */
export class Rules {
  readonly #allowed: ReadonlyMap<PermissionKey, Extent>;
  readonly #denied: readonly Denials[];
  readonly #directories = new Map<string, string>();

  /** @throws AxiscriptError ERR_AXI_USAGE for a granted directory that does not exist */
  constructor(options: PermissionOptions, board: "virtual" | "linux") {
    const granted: PlaceOf = (path, flag) => {
      const real = grantedDirectory(path, flag);
      this.#directories.set(resolve(path), real);
      return real;
    };
    this.#allowed = allowed(options, board, granted);
    const { profile } = options;
    this.#denied = [
      { extents: extentsOf(options.deny, deniedPath) },
      ...(profile ? [{ profile: profile.file, extents: extentsOf(profile.deny, deniedPath) }] : []),
    ];
  }

  /** Whether it was granted, leaving denials aside. */
  allows(permission: Permission): boolean {
    const extent = this.#allowed.get(keyOf(permission.name));
    if (extent === undefined || extent === true) return extent === true;
    if (permission.name === "fpga") {
      // To remove an overlay, which has no file, it takes any that may be loaded.
      return extent.size > 0 && permission.files.every((file) => extent.has(targetPath(file)));
    }
    return [...extent].some((item) => covers(item, permission));
  }

  /** What denies it, whether or not it was granted. */
  denialOf(permission: Permission): Denial | undefined {
    const key = keyOf(permission.name);
    for (const { profile, extents } of this.#denied) {
      const extent = extents.get(key);
      if (extent === undefined) continue;
      const origin = { key, ...(profile !== undefined && { profile }) };
      if (extent === true) return origin;
      const item = [...extent].find((candidate) => deniedBy(candidate, permission));
      if (item !== undefined) return { ...origin, item };
    }
    return undefined;
  }

  /** The directories that were granted to be read or written: as they were named, and where they are. */
  get directories(): ReadonlyMap<string, string> {
    const everywhere = this.#allowed.get("read") === true || this.#allowed.get("write") === true;
    return new Map([...this.#directories, ...(everywhere ? [["/", "/"] as const] : [])]);
  }

  /** Where rules on files begin to hold: granted directories and denied paths. */
  fileBoundaries(): string[] {
    const all = [this.#allowed, ...this.#denied.map(({ extents }) => extents)];
    return all.flatMap((extents) =>
      (["read", "write"] as const).flatMap((key) => {
        const extent = extents.get(key) ?? true;
        return extent === true ? [] : [...extent];
      }),
    );
  }
}

/** What a denial covers: at least what a grant of the same words does. */
function deniedBy(item: string, permission: Permission): boolean {
  if (permission.name === "read" || permission.name === "write") return containsLoosely(item, permission.path);
  return covers(item, permission);
}

function covers(item: string, permission: Permission): boolean {
  switch (permission.name) {
    case "device":
    case "unchecked-dma":
      return meansWithNote(item, { ...permission, name: permission.device });
    case "fpga":
      return permission.files.some((file) => targetPath(file) === item);
    case "read":
    case "write":
      return contains(item, permission.path);
    case "env":
      return item === permission.variable;
    default:
      return false;
  }
}

function allowed(
  { allow, profile }: PermissionOptions,
  board: "virtual" | "linux",
  directory: PlaceOf,
): Map<PermissionKey, Extent> {
  if (!allow && !profile) return new Map(board === "virtual" ? BOARD_KEYS.map((key) => [key, true]) : []);
  const sources = [allow, profile?.allow].map((lists) => extentsOf(lists, directory));
  const extents = new Map<PermissionKey, Extent>();
  for (const [key, extent] of sources.flatMap((source) => [...source])) {
    const before = extents.get(key) ?? new Set<string>();
    extents.set(key, extent === true || before === true ? true : new Set([...before, ...extent]));
  }
  if (allow?.all || profile?.allow?.all) {
    // Who wants everything need not mean that a device may write where it likes.
    for (const key of PERMISSION_KEYS) if (key !== "uncheckedDma" || board === "virtual") extents.set(key, true);
  }
  return extents;
}

function extentsOf(lists: PermissionLists | undefined, directory: PlaceOf): Map<PermissionKey, Extent> {
  const extents = new Map<PermissionKey, Extent>();
  for (const key of PERMISSION_KEYS) {
    const list = lists?.[key];
    if (list === undefined) continue;
    extents.set(key, list === true || new Set(list.map((item) => placeOf(key, item, directory))));
  }
  return extents;
}

function placeOf(key: PermissionKey, item: string, directory: PlaceOf): string {
  if (key === "read" || key === "write") return directory(item, key);
  return key === "fpga" ? targetPath(item) : item;
}
