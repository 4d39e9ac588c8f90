const MIN_LENGTH = 3;
/** Longer than any path; a longer run is data of another sort. */
const MAX_LENGTH = 256;

/**
 * Texts of printable ASCII characters in data, in UTF-8 as C and Rust keep them, and in UTF-16 as AssemblyScript does.
 *
 * @param pieces data segments; a text does not go beyond one
 */
export function findStrings(pieces: readonly Uint8Array[]): string[] {
  return pieces.flatMap((piece) => [...runs(piece, 1, 0), ...runs(piece, 2, 0), ...runs(piece, 2, 1)]);
}

/** Runs of characters that lie `step` bytes apart, with zeros between. */
function runs(bytes: Uint8Array, step: 1 | 2, start: 0 | 1): string[] {
  const found: string[] = [];
  let begin = start;
  const end = (at: number) => {
    const length = (at - begin) / step;
    if (length >= MIN_LENGTH && length <= MAX_LENGTH) found.push(text(bytes.subarray(begin, at), step));
    begin = at + step;
  };
  let at = start;
  for (; at + step <= bytes.length; at += step) {
    const byte = bytes[at] ?? 0;
    const isPrintable = byte >= 0x20 && byte < 0x7f && (step === 1 || bytes[at + 1] === 0);
    if (!isPrintable) end(at);
  }
  end(at);
  return found;
}

function text(bytes: Uint8Array, step: 1 | 2): string {
  return Buffer.from(bytes).toString(step === 1 ? "latin1" : "utf16le");
}
