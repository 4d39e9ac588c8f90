import { closeSync, fstatSync, openSync, readSync } from "node:fs";

/** As far as a sync word is looked for; a real one comes within some hundred bytes. */
const HEAD_BYTES = 65_536;
/** As far as FPGA managers look for it. The Zynq's looks at 128 bytes. */
const EARLY_BYTES = 256;
/** In the byte order of the Zynq families' FPGA managers, and in that of a `.bit` or `.bin` file. */
const SYNC_WORD_SWAPPED = Buffer.from("665599aa", "hex");
const SYNC_WORD = Buffer.from("aa995566", "hex");
const WORD_BYTES = 4;
/** What a `.bit` file begins with, before its fields. */
const BIT_MAGIC = Buffer.from("00090ff00ff00ff00ff0000001", "hex");

/** The letter of the last field and its length. */
const BIT_LENGTH_BYTES = 5;

/** What is wrong with a bitstream file. */
export interface BitstreamFault {
  /** What the file is: completes "it is …". */
  readonly found: string;
  /** What mends it: a shell command, or advice. */
  readonly mend: string;
  /** Whether no FPGA manager takes it. */
  readonly certain: boolean;
}

/** What downloads and builds put in the place of a bitstream. */
interface ForeignFile {
  readonly is: (head: string) => boolean;
  readonly found: string;
  readonly mend: (path: string) => string;
}

const beginsWith = (magic: string) => (head: string) => head.startsWith(Buffer.from(magic, "hex").toString("latin1"));
const unpack = (command: string) => (path: string) => replace(path, `${command} "$f" > "$f.new"`);
const again = () => "get it again (curl -fLO says so where a server answers with something else than the file)";
const FOREIGN: readonly ForeignFile[] = [
  { is: beginsWith("1f8b"), found: "compressed with gzip", mend: unpack("gzip -dc <") },
  { is: beginsWith("fd377a585a"), found: "compressed with xz", mend: unpack("xz -dc <") },
  { is: beginsWith("28b52ffd"), found: "compressed with zstd", mend: unpack("zstd -dc <") },
  { is: beginsWith("425a68"), found: "compressed with bzip2", mend: unpack("bzip2 -dc <") },
  { is: beginsWith("504b0304"), found: "a zip archive", mend: unpack("unzip -p") },
  { is: beginsWith("d00dfeed"), found: "a device tree", mend: () => "give the bitstream first, then the overlay" },
  {
    is: beginsWith("7f454c46"),
    found: "a program (ELF)",
    mend: () => "give the .bit.bin that was made for the design",
  },
  {
    is: (head) => head.startsWith("version https://git-lfs"),
    found: "a pointer of Git LFS",
    mend: () => "git lfs pull",
  },
  { is: (head) => /^\W*<(!doctype|html|head|\?xml)/i.test(head), found: "an HTML page", mend: again },
  { is: isText, found: "a text", mend: again },
];

/**
 * Looks at a bitstream file before the kernel does, whose answer is the same to all that it refuses.
 *
 * Sources: AMD UG570 (sync word, bus width detection), UG908 (`.bit` and `.bin`); kernel `drivers/fpga/zynq-fpga.c`.
 *
 * @param file on this machine
 * @param path as commands are to have it
 * @param isZynq whether the FPGA manager is of a family whose bitstreams have a sync word
 * @returns `undefined` if nothing is wrong that can be seen
 */
export function findBitstreamFault(file: string, path: string, isZynq: boolean): BitstreamFault | undefined {
  const { head, lengthBytes } = readHead(file);
  const quoted = /^[\w@%+=:,./-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`;
  if (lengthBytes === 0) return { found: "empty", mend: again(), certain: true };
  const text = head.toString("latin1", 0, 512);
  const foreign = FOREIGN.find(({ is }) => is(text));
  if (foreign) return { found: foreign.found, mend: foreign.mend(quoted), certain: true };
  if (!isZynq) return undefined;
  return bitFile(head, quoted) ?? wrongOrder(head, quoted);
}

function readHead(file: string): { readonly head: Buffer; readonly lengthBytes: number } {
  const fd = openSync(file, "r");
  try {
    const head = Buffer.alloc(HEAD_BYTES);
    return { head: head.subarray(0, readSync(fd, head, 0, HEAD_BYTES, 0)), lengthBytes: fstatSync(fd).size };
  } finally {
    closeSync(fd);
  }
}

/** A `.bit` file: fields with a letter and a length of 16 bits, the last, `e`, with one of 32, then words in their order. */
function bitFile(head: Buffer, path: string): BitstreamFault | undefined {
  if (!head.subarray(0, BIT_MAGIC.length).equals(BIT_MAGIC)) return undefined;
  const fields = new Map<string, string>();
  let at = BIT_MAGIC.length;
  while (at + 3 <= head.length && head[at] !== "e".charCodeAt(0)) {
    const end = at + 3 + head.readUInt16BE(at + 1);
    fields.set(String.fromCharCode(head[at] ?? 0), head.toString("latin1", at + 3, end).replace(/\0+$/, ""));
    at = end;
  }
  const of = ["a", "b", "c"].flatMap((letter) => fields.get(letter)?.split(";")[0] ?? []).map(printable);
  return {
    found: `a .bit file (${of.join(", ")}), which has a header, and its bytes in another order than the FPGA manager's`,
    mend: swap(path, at + BIT_LENGTH_BYTES),
    certain: true,
  };
}

/** Words whose bytes are in the other order, or which do not begin at a multiple of their size, or late. */
function wrongOrder(head: Buffer, path: string): BitstreamFault | undefined {
  const swapped = head.indexOf(SYNC_WORD_SWAPPED);
  const plain = head.indexOf(SYNC_WORD);
  const sync = swapped < 0 || (plain >= 0 && plain < swapped) ? plain : swapped;
  if (sync < 0) {
    const found = `no bitstream: there is no sync word (66 55 99 AA) in its first ${head.length} bytes`;
    return { found, mend: "give the .bit.bin that was made for the design", certain: true };
  }
  const excess = sync % WORD_BYTES;
  if (sync === plain) {
    const found = "not byte-swapped: it has the sync word AA 99 55 66 where the FPGA manager wants 66 55 99 AA";
    return { found, mend: swap(path, excess), certain: true };
  }
  if (excess > 0) {
    const found = `shifted: its sync word is at byte ${sync}, which is no multiple of ${WORD_BYTES}`;
    return { found, mend: cut(path, excess), certain: true };
  }
  if (sync < EARLY_BYTES) return undefined;
  const start = startOfDummies(head, sync);
  return {
    found: `late: its sync word is at byte ${sync}, behind ${start} bytes of something else`,
    mend: cut(path, start),
    certain: false,
  };
}

/** Where the last of the long runs of FF before the sync word begins; bus width detection lies between. */
function startOfDummies(head: Buffer, sync: number): number {
  const run = head.lastIndexOf(Buffer.alloc(4 * WORD_BYTES, 0xff), sync);
  let start = run < 0 ? sync : run;
  while (start >= WORD_BYTES && head.readUInt32BE(start - WORD_BYTES) === 0xffffffff) start -= WORD_BYTES;
  return start;
}

/** A shell command that puts `$f.new` in the place of a file. */
function replace(path: string, make: string): string {
  return `f=${path}; ${make} && mv "$f.new" "$f"`;
}

/** Takes bytes away from the beginning. */
function cut(path: string, bytes: number): string {
  return replace(path, `tail -c +${bytes + 1} "$f" > "$f.new"`);
}

/** Reverses the bytes of each word, without some at the beginning. */
function swap(path: string, bytes: number): string {
  const reverse = `objcopy -I binary -O binary --reverse-bytes=${WORD_BYTES}`;
  if (bytes === 0) return replace(path, `${reverse} "$f" "$f.new"`);
  return replace(path, `tail -c +${bytes + 1} "$f" > "$f.new" && ${reverse} "$f.new"`);
}

function isText(head: string): boolean {
  return /^[\s!-~]+$/.test(head);
}

function printable(text: string): string {
  return text.replace(/[^ -~]/g, "?");
}
