import { AxiscriptError, messageOf } from "../util/errors";
import { readRegularFile } from "../files/regular-file";
import type {
  DeviceDescription,
  DeviceMatch,
  PciMatch,
  RegisterCondition,
  RegisterWrite,
  VersionRange,
} from "./description";
import { readDma } from "./description-dma";
import { readMemories, readRegisters } from "./description-registers";
import { JsonValue } from "./json-value";
import { RegisterTable } from "./register-table";

const KEYS = [
  ...["$schema", "kind", "title", "summary", "source", "match", "registers", "memories", "elsewhere", "dma"],
  ...["idle", "rest"],
];
const WHAT = "a device description";
/** Names of classes. */
const KIND = /^[A-Z][A-Za-z0-9]{0,99}$/;
/** Vendor and device. */
const PCI_ID = /^[0-9a-f]{4}:[0-9a-f]{4}$/;
/** Domain, bus, device and function. */
const PCI_ADDRESS = /^[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]$/;
const MAX_FILE_BYTES = 4 * 2 ** 20;

/**
 * Reads a device description.
 *
 * @param path of a JSON file; see `docs/devices.md`
 * @throws AxiscriptError ERR_AXI_DESCRIPTION; the message begins with the place: `my.json:12:17: Cannot …`
 */
export function readDescription(path: string): DeviceDescription {
  let bytes: Buffer;
  try {
    bytes = readRegularFile(path, MAX_FILE_BYTES);
  } catch (cause) {
    throw new AxiscriptError("ERR_AXI_DESCRIPTION", `Cannot read the description ${path}: ${messageOf(cause)}`, {
      cause,
    });
  }
  return parseDescription(bytes.toString("utf8"), path);
}

/** As {@link readDescription}, of a text. */
export function parseDescription(text: string, file: string): DeviceDescription {
  const root = JsonValue.parse({ name: file, text });
  root.properties(WHAT, KEYS);
  const kind = readKind(root.need("kind", WHAT));
  const registers = readRegisters(root.need("registers", WHAT));
  const table = new RegisterTable(registers);
  const dma = readDma(root.need("dma", WHAT), table);
  return {
    kind,
    title: root.get("title")?.text("a title") ?? kind,
    summary: root.need("summary", WHAT).text("a summary"),
    source: root.get("source")?.text("a source") ?? "",
    file,
    match: readMatch(root.need("match", WHAT), table),
    registers,
    memories: readMemories(root.get("memories"), registers),
    elsewhere: root.get("elsewhere")?.oneOf("what is elsewhere", ["refused", "reads-zero"]) ?? "refused",
    dma,
    idle: readIdle(root, table, dma),
    rest: readRest(root.get("rest"), table, dma),
  };
}

function readKind(value: JsonValue): string {
  const kind = value.text("a kind");
  if (KIND.test(kind)) return kind;
  throw value.error(`Cannot use ${value.shown} as a kind: it is the name of a class, as MyDevice.`);
}

function readMatch(value: JsonValue, table: RegisterTable): DeviceMatch {
  value.properties("a match", ["uioNames", "pci", "properties", "identify", "version"]);
  const uioNames =
    value
      .get("uioNames")
      ?.elements("the UIO names")
      .map((name) => name.text("a UIO name")) ?? [];
  const pci = value.get("pci")?.elements("the PCI devices").map(readPci) ?? [];
  if (uioNames.length + pci.length === 0) {
    throw value.error('Cannot match a device by nothing: a match has "uioNames", "pci" or both.');
  }
  const properties = value.get("properties")?.properties("device-tree properties") ?? [];
  const version = value.get("version");
  return {
    ...{ uioNames, pci },
    properties: new Map(properties.map((property) => [property.name, property.text("a property's value")])),
    identify: readConditions(value.get("identify"), table),
    version: version && readVersion(version, table),
  };
}

function readPci(value: JsonValue): PciMatch {
  const what = "a PCI device";
  value.properties(what, ["id", "bar", "address", "note"]);
  const formatted = (part: JsonValue, format: RegExp, example: string) => {
    const text = part.text(what).toLowerCase();
    if (format.test(text)) return text;
    throw part.error(`Cannot use ${part.shown} here: it is like "${example}".`);
  };
  const address = value.get("address");
  return {
    id: formatted(value.need("id", what), PCI_ID, "1234:11e8"),
    bar: value.need("bar", what).integer("the number of a base address register", 0, 5),
    address: address && formatted(address, PCI_ADDRESS, "0000:00:04.0"),
    note: value.get("note")?.text("a note") ?? "",
  };
}

function readVersion(value: JsonValue, table: RegisterTable): VersionRange {
  const what = "a version";
  value.properties(what, ["register", "parts", "atLeast", "below"]);
  const registerValue = value.need("register", what);
  const register = table.findWhole(registerValue);
  if (register.widthBits !== 32 || register.access === "WO" || register.readSideEffect !== undefined) {
    throw registerValue.error(`Cannot read a version in ${register.name}: it takes a plain register of 32 bits.`);
  }
  const parts = value
    .need("parts", what)
    .elements("the parts of a version")
    .map((part) => {
      const field = register.fields.find(({ name }) => name === part.value);
      if (field) return field;
      const names = register.fields.map(({ name }) => name).join(", ");
      throw part.error(
        `Cannot use ${part.shown} as a part of a version: ${register.name} has ${names || "no fields"}.`,
      );
    });
  const read = (name: string) => {
    const text = value.need(name, what);
    // JSON takes 1.10 for 1.1: only a text keeps what was written.
    const written = Number.isInteger(text.value) || typeof text.value === "string" ? String(text.value) : "";
    const numbers = /^\d+(\.\d+)*$/.test(written) ? written.split(".").map(Number) : [];
    if (numbers.length === parts.length && numbers.every((n, i) => n < 2 ** (parts[i]?.widthBits ?? 0))) return numbers;
    throw text.error(
      `Cannot use ${text.shown} as a version: it has ${parts.length} numbers that fit, as "1.2.3" has 3.`,
    );
  };
  const [atLeast, below] = [read("atLeast"), read("below")];
  if (compareVersions(below, atLeast) <= 0) {
    throw value
      .need("below", what)
      .error(`Cannot use ${below.join(".")} as the end of versions from ${atLeast.join(".")}.`);
  }
  return { register, parts, atLeast, below };
}

/** Below 0, 0 or above 0, as `a` is older than, the same as or newer than `b`. */
export function compareVersions(a: readonly number[], b: readonly number[]): number {
  const index = a.findIndex((part, at) => part !== b[at]);
  return index < 0 ? 0 : (a[index] ?? 0) - (b[index] ?? 0);
}

function readConditions(list: JsonValue | undefined, table: RegisterTable): readonly RegisterCondition[] {
  return list?.elements("a list of conditions").map((condition) => table.readCondition(condition)) ?? [];
}

/** Memory is given back on the strength of these: a device that moves data must have some. */
function readIdle(root: JsonValue, table: RegisterTable, dma: DeviceDescription["dma"]): readonly RegisterCondition[] {
  const idle = root.get("idle");
  const conditions = readConditions(idle, table);
  if (typeof dma === "string" || conditions.length > 0) return conditions;
  if (dma.transfers.every((transfer) => transfer.idle !== undefined)) return conditions;
  throw (idle ?? root).error(
    'Cannot use a DMA engine without "idle": say how the device shows that it is not at work.',
  );
}

function readRest(
  list: JsonValue | undefined,
  table: RegisterTable,
  dma: DeviceDescription["dma"],
): readonly RegisterWrite[] {
  const transfers = typeof dma === "string" ? [] : dma.transfers;
  return (
    list?.elements("a list of writes").map((value) => {
      const write = table.readWrite(value);
      const started = transfers.find(
        ({ start }) => start.register === write.register && (start.anyWrite || (start.mask & write.value) !== 0),
      );
      if (started)
        throw value.error(`Cannot bring the device to rest so: it would start the transfer ${started.name}.`);
      return write;
    }) ?? []
  );
}
