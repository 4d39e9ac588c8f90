import {
  addressOf,
  adviseMemory,
  MADV_DONTFORK,
  MAP_ANONYMOUS,
  MAP_NORESERVE,
  MAP_PRIVATE,
  MAP_SHARED,
  map,
  mapFixed,
  PROT_READ,
  PROT_WRITE,
  pageSizeBytes,
  unmap,
} from "./libc";

/**
 * Lays a file over a piece of a WebAssembly memory, so that loads and stores at that offset reach the file.
 *
 * Growth makes the whole memory readable and writable again, which changes nothing for such a mapping.
 *
 * @param memory the memory
 * @param offset where the overlay begins; a multiple of the page size
 * @param lengthBytes rounded up to whole pages; the file must be that long, or a load past its end is a SIGBUS. 0: nothing
 * @param fd a file that is open for reading and writing
 * @param fileOffset a multiple of the page size
 */
export function overlayFile(
  memory: WebAssembly.Memory,
  offset: number,
  lengthBytes: number,
  fd: number,
  fileOffset: number,
): void {
  if (lengthBytes === 0) return;
  // First where nothing is: a mapping that fails over the memory would leave a hole in it.
  unmap(map(lengthBytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, fileOffset), lengthBytes);
  replacePages(memory, offset, lengthBytes, MAP_SHARED, fd, fileOffset);
}

/** Takes an overlay away again: the pages are fresh zeros, mapped as V8 maps its memory, so that they join it. */
export function removeOverlay(memory: WebAssembly.Memory, offset: number, lengthBytes: number): void {
  replacePages(memory, offset, lengthBytes, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
}

function replacePages(
  memory: WebAssembly.Memory,
  offset: number,
  lengthBytes: number,
  flags: number,
  fd: number,
  fileOffset: number,
): void {
  if (lengthBytes === 0) return;
  const address = addressOf(new Uint8Array(memory.buffer)) + offset;
  const wholePages = Math.ceil(lengthBytes / pageSizeBytes) * pageSizeBytes;
  mapFixed(address, wholePages, PROT_READ | PROT_WRITE, flags, fd, fileOffset);
  // Node marks WebAssembly memory so, and a new mapping does not inherit it.
  adviseMemory(address, wholePages, MADV_DONTFORK);
}
