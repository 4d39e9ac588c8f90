/**
 * Reading and writing flattened device trees (`.dtb`, `.dtbo`).
 * Source: Devicetree Specification 0.4, chapter 5.
 *
 * ```
 *   header (40 bytes) │ memory reservations │ structure block │ strings block
 * ```
 */

const MAGIC = 0xd00dfeed;
const HEADER_BYTES = 40;
const VERSION = 17;
const LAST_COMPATIBLE_VERSION = 16;
const BEGIN_NODE = 1;
const END_NODE = 2;
const PROP = 3;
const NOP = 4;
const END = 9;
/** Deeper trees are refused; real ones are below ten. */
const MAX_DEPTH = 32;

/** A node: properties are raw bytes (strings end in NUL, cells are big-endian). */
export interface DeviceTreeNode {
  /** With unit address, for example `AxiProxy@a0000000`; the root's is empty. */
  readonly name: string;
  readonly properties: ReadonlyMap<string, Buffer>;
  readonly children: readonly DeviceTreeNode[];
}

/** A blob that is not a device tree, with what is wrong with it. */
export class DeviceTreeError extends Error {
  override readonly name = "DeviceTreeError";
}

/** A node for {@link writeDeviceTree}. */
export function node(
  name: string,
  properties: Record<string, Buffer>,
  children: readonly DeviceTreeNode[] = [],
): DeviceTreeNode {
  return { name, properties: new Map(Object.entries(properties)), children };
}

/** A property that holds strings. */
export function strings(...values: string[]): Buffer {
  return Buffer.from(values.map((value) => `${value}\0`).join(""), "latin1");
}

/** A property that holds 32-bit cells. */
export function cells(...values: number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 4);
  for (const [index, value] of values.entries()) bytes.writeUInt32BE(value >>> 0, index * 4);
  return bytes;
}

/** The strings in a property. */
export function stringsOf(property: Buffer | undefined): string[] {
  return property?.toString("latin1").split("\0").filter(Boolean) ?? [];
}

/** The 32-bit cells in a property; a rest of less than one is left out. */
export function cellsOf(property: Buffer | undefined): number[] {
  return Array.from(
    { length: Math.floor((property?.length ?? 0) / 4) },
    (_, index) => property?.readUInt32BE(index * 4) ?? 0,
  );
}

/** Serialises a tree. */
export function writeDeviceTree(root: DeviceTreeNode): Buffer {
  const stringOffsets = new Map<string, number>();
  let stringBlock = "";
  const offsetOf = (text: string): number => {
    const known = stringOffsets.get(text);
    if (known !== undefined) return known;
    const offset = stringBlock.length;
    stringOffsets.set(text, offset);
    stringBlock += `${text}\0`;
    return offset;
  };
  const write = (item: DeviceTreeNode): Buffer =>
    Buffer.concat([
      cells(BEGIN_NODE),
      padded(strings(item.name)),
      ...[...item.properties].flatMap(([name, value]) => [cells(PROP, value.length, offsetOf(name)), padded(value)]),
      ...item.children.map(write),
      cells(END_NODE),
    ]);

  const structure = Buffer.concat([write(root), cells(END)]);
  const text = Buffer.from(stringBlock, "latin1");
  const reservations = Buffer.alloc(16);
  const structureOffset = HEADER_BYTES + reservations.length;
  const stringsOffset = structureOffset + structure.length;
  const header = cells(
    ...[MAGIC, stringsOffset + text.length, structureOffset, stringsOffset, HEADER_BYTES],
    ...[VERSION, LAST_COMPATIBLE_VERSION, 0, text.length, structure.length],
  );
  return Buffer.concat([header, reservations, structure, text]);
}

/**
 * Parses a blob.
 *
 * @throws DeviceTreeError for anything that is not a whole, well-formed tree
 */
export function readDeviceTree(blob: Buffer): DeviceTreeNode {
  if (blob.length < HEADER_BYTES) throw new DeviceTreeError(`a header is ${HEADER_BYTES} bytes, found ${blob.length}`);
  const field = (index: number) => blob.readUInt32BE(index * 4);
  if (field(0) !== MAGIC) throw new DeviceTreeError(`the magic number is d00dfeed, found ${field(0).toString(16)}`);
  if (field(6) > VERSION || field(5) < LAST_COMPATIBLE_VERSION) {
    throw new DeviceTreeError(`version ${field(5)} is not supported`);
  }
  const [totalBytes, structureOffset, stringsOffset, stringsBytes, structureBytes] = [1, 2, 3, 8, 9].map(field) as [
    number,
    number,
    number,
    number,
    number,
  ];
  if (totalBytes > blob.length) throw new DeviceTreeError(`the header says ${totalBytes} bytes, found ${blob.length}`);
  const block = (what: string, offset: number, bytes: number): Buffer => {
    if (offset + bytes > totalBytes) throw new DeviceTreeError(`the ${what} block lies outside the blob`);
    return blob.subarray(offset, offset + bytes);
  };
  if (structureOffset % 4 !== 0) throw new DeviceTreeError("the structure block is not aligned");
  const structure = block("structure", structureOffset, structureBytes);
  return new StructureReader(structure, block("strings", stringsOffset, stringsBytes)).root();
}

class StructureReader {
  readonly #structure: Buffer;
  readonly #strings: Buffer;
  #at = 0;

  constructor(structure: Buffer, strings: Buffer) {
    this.#structure = structure;
    this.#strings = strings;
  }

  root(): DeviceTreeNode {
    if (this.#token() !== BEGIN_NODE) throw new DeviceTreeError("the structure block does not begin with a node");
    const root = this.#node(0);
    if (this.#token() !== END) throw new DeviceTreeError("the structure block does not end after its root");
    return root;
  }

  #node(depth: number): DeviceTreeNode {
    if (depth > MAX_DEPTH) throw new DeviceTreeError(`nodes are nested deeper than ${MAX_DEPTH}`);
    const name = this.#text(this.#structure, this.#at);
    this.#at = align(this.#at + name.length + 1);
    const properties = new Map<string, Buffer>();
    const children: DeviceTreeNode[] = [];
    for (;;) {
      const token = this.#token();
      if (token === END_NODE) return { name, properties, children };
      if (token === BEGIN_NODE) children.push(this.#node(depth + 1));
      else if (token === PROP) {
        const length = this.#word();
        const property = this.#text(this.#strings, this.#word());
        if (this.#at + length > this.#structure.length) throw new DeviceTreeError(`property ${property} is cut off`);
        properties.set(property, this.#structure.subarray(this.#at, this.#at + length));
        this.#at = align(this.#at + length);
      } else throw new DeviceTreeError(`token ${token} is unknown`);
    }
  }

  #token(): number {
    let token = NOP;
    while (token === NOP) token = this.#word();
    return token;
  }

  #word(): number {
    if (this.#at + 4 > this.#structure.length) throw new DeviceTreeError("the structure block is cut off");
    const word = this.#structure.readUInt32BE(this.#at);
    this.#at += 4;
    return word;
  }

  #text(block: Buffer, start: number): string {
    const end = block.indexOf(0, start);
    if (start >= block.length || end < 0) throw new DeviceTreeError("a string has no end");
    return block.toString("latin1", start, end);
  }
}

function padded(bytes: Buffer): Buffer {
  return Buffer.concat([bytes, Buffer.alloc(align(bytes.length) - bytes.length)]);
}

function align(length: number): number {
  return Math.ceil(length / 4) * 4;
}
