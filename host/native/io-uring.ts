import { errnoCode } from "../util/errors";
import { addressOf, closeDescriptor, ioUringRegister, ioUringSetup } from "./libc";

/*
 * Opcodes of io_uring_register(2), and the flag with which a table of buffers begins empty (Linux 5.19).
 */
const REGISTER_BUFFERS = 0;
const UNREGISTER_BUFFERS = 1;
const REGISTER_BUFFERS2 = 15;
const REGISTER_BUFFERS_UPDATE = 16;
const REGISTER_SPARSE = 1;

/** sizeof(struct io_uring_params) */
const PARAMS_BYTES = 120;
/** Buffers in one table. */
const TABLE_SLOTS = 1024;
/** The kernel takes buffers of up to 1 GiB. */
const MAX_BUFFER_BYTES = 2 ** 30;

interface Ring {
  readonly fd: number;
  /** How many buffers it can hold: a table of them, or one on kernels before 5.19. */
  readonly slots: number;
  /** Slots that hold nothing. */
  readonly free: number[];
}

/**
 * Pins ranges of this process's memory by registering them as fixed buffers of io_uring instances.
 *
 * The kernel takes a long-term pin (FOLL_LONGTERM, `io_uring/rsrc.c`): the pages are faulted in, made writable and
 * private, moved out of zones that may be compacted, and then stay where they are until the buffer is taken out again.
 */
export class BufferPins {
  readonly #rings = new Set<Ring>();
  /** Those with free slots. */
  readonly #roomy = new Set<Ring>();

  /**
   * Pins a range.
   *
   * @param address first byte
   * @param lengthBytes 1 byte or more
   * @returns a function that ends the pin. Only when no device uses the pages any more
   * @throws SystemCallError ENOSYS or EPERM where io_uring is missing or forbidden, ENOMEM above RLIMIT_MEMLOCK, EFAULT
   *   for a range that is not mapped
   */
  pin(address: number, lengthBytes: number): () => void {
    const releases: (() => void)[] = [];
    const releaseAll = () => {
      for (const release of releases.splice(0)) release();
    };
    try {
      for (let done = 0; done < lengthBytes; done += MAX_BUFFER_BYTES) {
        releases.push(this.#pinOne(address + done, Math.min(lengthBytes - done, MAX_BUFFER_BYTES)));
      }
    } catch (error) {
      releaseAll();
      throw error;
    }
    return releaseAll;
  }

  /** Ends every pin, a thousand in the time of one. The functions that end single ones must not be called afterwards. */
  releaseAll(): void {
    for (const ring of this.#rings) {
      ioUringRegister(ring.fd, UNREGISTER_BUFFERS, null, 0);
      this.#close(ring);
    }
  }

  #pinOne(address: number, lengthBytes: number): () => void {
    const [ring = this.#open()] = this.#roomy;
    const slot = ring.free.pop() ?? 0;
    if (ring.free.length === 0) this.#roomy.delete(ring);
    const giveBack = () => {
      ring.free.push(slot);
      this.#roomy.add(ring);
      if (ring.free.length === ring.slots) this.#close(ring);
    };
    try {
      const buffer = iovec(address, lengthBytes);
      if (ring.slots > 1) updateTable(ring.fd, slot, buffer);
      else ioUringRegister(ring.fd, REGISTER_BUFFERS, buffer, 1);
    } catch (error) {
      giveBack();
      throw error;
    }
    return () => {
      // Closing alone would end the pin, but only some time later.
      if (ring.slots > 1) updateTable(ring.fd, slot, iovec(0, 0));
      else ioUringRegister(ring.fd, UNREGISTER_BUFFERS, null, 0);
      giveBack();
    };
  }

  #open(): Ring {
    const fd = ioUringSetup(1, new Uint8Array(PARAMS_BYTES));
    const slots = makeTable(fd) ? TABLE_SLOTS : 1;
    const ring = { fd, slots, free: Array.from({ length: slots }, (_, index) => index) };
    this.#rings.add(ring);
    this.#roomy.add(ring);
    return ring;
  }

  #close(ring: Ring): void {
    this.#rings.delete(ring);
    this.#roomy.delete(ring);
    closeDescriptor(ring.fd);
  }
}

/** False on a kernel that has no tables of which slots are filled later. */
function makeTable(fd: number): boolean {
  // struct io_uring_rsrc_register: nr, flags, resv, data, tags
  const table = new Uint32Array([TABLE_SLOTS, REGISTER_SPARSE, 0, 0, 0, 0, 0, 0]);
  try {
    ioUringRegister(fd, REGISTER_BUFFERS2, new Uint8Array(table.buffer), table.byteLength);
    return true;
  } catch (error) {
    if (errnoCode(error) === "EINVAL") return false;
    closeDescriptor(fd);
    throw error;
  }
}

/** Fills a slot of a table, or empties it if the buffer is null. */
function updateTable(fd: number, slot: number, buffer: Uint8Array): void {
  // struct io_uring_rsrc_update2: offset, resv, data, tags, nr, resv2
  const request = new DataView(new ArrayBuffer(32));
  request.setUint32(0, slot, true);
  request.setBigUint64(8, BigInt(addressOf(buffer)), true);
  request.setUint32(24, 1, true);
  ioUringRegister(fd, REGISTER_BUFFERS_UPDATE, new Uint8Array(request.buffer), request.byteLength);
}

/** struct iovec */
function iovec(address: number, lengthBytes: number): Uint8Array {
  return new Uint8Array(new BigUint64Array([BigInt(address), BigInt(lengthBytes)]).buffer);
}
