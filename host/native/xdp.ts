import { closeDescriptor, openXdpSocket, pageSizeBytes, registerXdpMemory } from "./libc";

/** sizeof(struct xdp_umem_reg): addr, len, chunk_size, headroom, flags, padding. */
const REQUEST_BYTES = 32;
/** Chunks are between 2 KiB and a page. */
const CHUNK_BYTES = 2048;

/**
 * Pins a range of this process's memory by giving it to an AF_XDP socket as packet memory. The kernel takes the same
 * long-term pin as for io_uring (`net/xdp/xdp_umem.c`); it asks for CAP_NET_RAW.
 *
 * @param address first byte, on a page boundary
 * @param lengthBytes whole pages
 * @returns a function that ends the pin. Only when no device uses the pages any more
 * @throws SystemCallError EAFNOSUPPORT without CONFIG_XDP_SOCKETS, EPERM without the right, ENOBUFS above
 *   RLIMIT_MEMLOCK
 */
export function registerPacketMemory(address: number, lengthBytes: number): () => void {
  const socket = openXdpSocket();
  const request = new DataView(new ArrayBuffer(REQUEST_BYTES));
  request.setBigUint64(0, BigInt(address), true);
  request.setBigUint64(8, BigInt(lengthBytes), true);
  request.setUint32(16, Math.min(CHUNK_BYTES, pageSizeBytes), true);
  try {
    registerXdpMemory(socket, new Uint8Array(request.buffer));
  } catch (error) {
    closeDescriptor(socket);
    throw error;
  }
  return () => closeDescriptor(socket);
}
