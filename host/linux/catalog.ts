import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { AxiscriptError, errnoCode, messageOf } from "../util/errors";
import { pageSizeBytes } from "../native/libc";
import type { DeviceDescription, PciMatch } from "../description/description";
import { barFile, type PciFunction } from "./pci";
import type { Sysroot } from "./sysroot";
import { devicePropertyTexts, type UioIdentity, type UioMap } from "./uio-identity";
import { means, parseUioName, type UioName } from "./uio-names";

/** How much more it counts that a description names a unit address: more than all properties that there can be. */
const NAMES_ONE_DEVICE = 1000;
/** What PCI devices are called that no description is about. */
const UNDESCRIBED = "pci";

/** In a directory. Each is compared with each. */
const MAX_DESCRIPTIONS = 500;

/** A description that ships with the package, made when it is asked for. */
interface ShippedDescription {
  readonly kind: string;
  readonly uioNames: readonly string[];
  readonly load: () => DeviceDescription;
}

/**
 * The descriptions that ship with the package, as the build has compiled them: reading the JSON takes 8 ms in a process
 * that has just started, this takes 1.
 */
function shippedDescriptions(): readonly ShippedDescription[] {
  return (require("../description/shipped.js") as { readonly SHIPPED: readonly ShippedDescription[] }).SHIPPED;
}

/** What a system says of a device before anything of the device itself is read. */
export interface DeviceIdentity {
  /** As in `/sys/class/uio/uioN/name`, without unit address. */
  readonly name: string;
  readonly unitAddress?: string;
  /** The texts in a device-tree property of the device; none if it has no such property. */
  readonly property: (name: string) => readonly string[];
}

/** The kinds of devices that are known: those that ship with the package, and the user's own. */
export class DeviceCatalog {
  readonly #directories: readonly string[];
  #own: readonly DeviceDescription[] | undefined;

  /**
   * Reads nothing yet.
   *
   * @param directories of the user, each with descriptions (`*.json`). They come before those of the package: for a kind,
   *   and for a device
   */
  constructor(directories: readonly string[] = []) {
    this.#directories = directories;
  }

  /**
   * Reads the user's descriptions now.
   *
   * @throws AxiscriptError ERR_AXI_DESCRIPTION as {@link find}, and for a directory that does not exist
   */
  checkOwn(): void {
    this.#users();
  }

  /**
   * The description of a device; `undefined` if there is none. What names its unit address comes first, then what asks for
   * more device-tree properties.
   *
   * @throws AxiscriptError ERR_AXI_DESCRIPTION if a file is not what it should be, or two of the user's describe the same
   */
  find(device: DeviceIdentity): DeviceDescription | undefined {
    return best(this.#users(), device) ?? best(this.#packages(device), device);
  }

  /** As {@link find}, for a device of a system. What a description says of PCI devices comes first. */
  describe(sysroot: Sysroot, device: UioIdentity): DeviceDescription | undefined {
    const onPci = device.pci && this.#findPci(device.pci);
    if (onPci) return onPci.description;
    const { name, unitAddress } = device;
    const property = (asked: string) => devicePropertyTexts(sysroot, device, asked);
    return this.find({ name, ...(unitAddress !== undefined && { unitAddress }), property });
  }

  /**
   * A device as scripts know it. The UIO drivers for PCI name devices after themselves; a PCI device that is described
   * has the name of its kind and the note of its description, and one that nobody has described the name `pci` and its id
   * as a note.
   */
  named(sysroot: Sysroot, device: UioIdentity): UioIdentity {
    const { pci } = device;
    if (!pci) return device;
    const found = this.#findPci(pci);
    if (found) return { ...device, name: found.description.kind, note: found.match.note };
    return this.describe(sysroot, device) ? device : { ...device, name: UNDESCRIBED, note: pci.id };
  }

  /**
   * Where the registers of a device are: of a PCI device that is described, in the BAR of its description; of one that
   * nobody has described, where its driver offers them, or in its first BAR.
   *
   * @param device as {@link named} gives it
   * @param maps what its driver offers
   */
  rangesOf({ pci, name }: UioIdentity, maps: readonly UioMap[]): readonly UioMap[] {
    if (!pci) return maps;
    const found = this.#findPci(pci);
    if (found) return rangeOf(pci, maps, found.match.bar);
    return name !== UNDESCRIBED || maps.length > 0 ? maps : rangeOf(pci, maps, pci.bars[0]?.index);
  }

  /** The ids of the PCI devices that a kind is about. */
  pciIdsOf(kind: string): readonly string[] {
    const description = this.all().find((candidate) => candidate.kind === kind);
    return description?.match.pci.map(({ id }) => id) ?? [];
  }

  #findPci(pci: PciFunction): DescribedPci | undefined {
    return bestPci(this.#users(), pci) ?? bestPci(this.#packages(), pci);
  }

  /** Every description: the user's, then the package's, in the order of their kinds. */
  all(): readonly DeviceDescription[] {
    const byKind = (a: DeviceDescription, b: DeviceDescription) => (a.kind < b.kind ? -1 : 1);
    return [...[...this.#users()].sort(byKind), ...[...this.#packages()].sort(byKind)];
  }

  #users(): readonly DeviceDescription[] {
    if (this.#own) return this.#own;
    const found = this.#directories.flatMap(readDirectory);
    for (const [index, description] of found.entries()) {
      const rival = found.slice(0, index).find((other) => isRival(other, description));
      if (rival) {
        throw new AxiscriptError(
          "ERR_AXI_DESCRIPTION",
          `Cannot use both ${rival.file} and ${description.file}: they have the same kind, or describe the same device. ` +
            "Remove one.",
        );
      }
    }
    return (this.#own = found);
  }

  /** Those of the package that no user's replaces, for a device; all of them without one. */
  #packages(device?: UioName): readonly DeviceDescription[] {
    const replaced = this.#users().map(({ kind }) => kind);
    return shippedDescriptions()
      .filter(
        ({ kind, uioNames }) => !replaced.includes(kind) && (!device || uioNames.some((name) => means(name, device))),
      )
      .map((shipped) => loadOnce(shipped));
  }
}

function best(descriptions: readonly DeviceDescription[], device: DeviceIdentity): DeviceDescription | undefined {
  let found: { readonly description: DeviceDescription; readonly rank: number } | undefined;
  for (const description of descriptions) {
    const { uioNames, properties } = description.match;
    const names = uioNames.filter((name) => means(name, device));
    if (names.length === 0) continue;
    if (![...properties].every(([name, value]) => device.property(name).includes(value))) continue;
    const isOfOne = names.some((name) => parseUioName(name).unitAddress !== undefined);
    const rank = properties.size + (isOfOne ? NAMES_ONE_DEVICE : 0);
    if (!found || rank > found.rank) found = { description, rank };
  }
  return found?.description;
}

/** A description, and what in it is true of a PCI device. */
interface DescribedPci {
  readonly description: DeviceDescription;
  readonly match: PciMatch;
}

/** What asks for a place comes first. */
function bestPci(descriptions: readonly DeviceDescription[], { id, address }: PciFunction): DescribedPci | undefined {
  const found = descriptions.flatMap((description) =>
    description.match.pci
      .filter((match) => match.id === id && (match.address ?? address) === address)
      .map((match) => ({ description, match })),
  );
  return found.find(({ match }) => match.address !== undefined) ?? found[0];
}

/** The registers in a BAR: where the UIO driver offers it as a map, that; else the bus's own file. */
function rangeOf(pci: PciFunction, maps: readonly UioMap[], bar: number | undefined): readonly UioMap[] {
  const range = pci.bars.find(({ index }) => index === bar);
  if (!range) return [];
  const { index, physicalAddress, lengthBytes } = range;
  const offsetBytes = Number(physicalAddress % BigInt(pageSizeBytes));
  const offered = maps.find((map) => map.physicalAddress === physicalAddress && offsetBytes === 0);
  return [offered ?? { index: 0, physicalAddress, lengthBytes, offsetBytes, file: barFile(pci, index) }];
}

/** Whether there can be a device for which neither of two descriptions comes before the other. */
function isRival(a: DeviceDescription, b: DeviceDescription): boolean {
  if (a.kind === b.kind || a.match.pci.some((match) => b.match.pci.some((other) => isSame(match, other)))) return true;
  if (!a.match.uioNames.some((name) => b.match.uioNames.includes(name))) return false;
  if (a.match.properties.size !== b.match.properties.size) return false;
  return [...a.match.properties].every(([name, value]) => (b.match.properties.get(name) ?? value) === value);
}

function isSame(a: PciMatch, b: PciMatch): boolean {
  return a.id === b.id && a.address === b.address;
}

const loaded = new Map<ShippedDescription, DeviceDescription>();

function loadOnce(shipped: ShippedDescription): DeviceDescription {
  const known = loaded.get(shipped) ?? shipped.load();
  loaded.set(shipped, known);
  return known;
}

interface ReadFile {
  readonly stamp: string;
  readonly description: DeviceDescription;
}
/** By path: a process reads a file once, and again when it has changed. */
const files = new Map<string, ReadFile>();

function readDirectory(directory: string): DeviceDescription[] {
  let names: string[];
  try {
    names = readdirSync(directory).filter((name) => name.endsWith(".json") && !name.endsWith(".schema.json"));
  } catch (cause) {
    const reasons: Partial<Record<string, string>> = {
      ENOENT: "there is no such directory.",
      ENOTDIR: "it is no directory.",
    };
    const advice = reasons[errnoCode(cause) ?? ""] ?? messageOf(cause);
    throw new AxiscriptError("ERR_AXI_DESCRIPTION", `Cannot read device descriptions in ${directory}: ${advice}`, {
      cause,
    });
  }
  if (names.length > MAX_DESCRIPTIONS) {
    throw new AxiscriptError(
      "ERR_AXI_DESCRIPTION",
      `Cannot use the ${names.length} device descriptions in ${directory}: at most ${MAX_DESCRIPTIONS}.`,
    );
  }
  return names.sort().map((name) => {
    const path = join(directory, name);
    const stamp = stampOf(path);
    const known = files.get(path);
    if (known && known.stamp === stamp) return known.description;
    // Of a pipe it would wait for the writer.
    if (stamp !== "" && !statSync(path).isFile()) {
      throw new AxiscriptError("ERR_AXI_DESCRIPTION", `Cannot read the description ${path}: it is no file.`);
    }
    const { readDescription } =
      require("../description/description-file") as typeof import("../description/description-file");
    const description = readDescription(path);
    files.set(path, { stamp, description });
    return description;
  });
}

/** Changes with the file. Empty for a file that is gone: reading it says so. */
function stampOf(path: string): string {
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat ? `${stat.ino} ${stat.size} ${stat.mtimeMs}` : "";
}
