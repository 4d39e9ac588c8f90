import { type Attribute, KernelError, type Work } from "./kernel-tree";

/** Of one call of `write`, the kernel gives an attribute a page. */
const PAGE_BYTES = 4096;

/**
 * An attribute that a program has open: what it reads is made when it reads from the start, and stays the same until it
 * does so again. Source: kernel `fs/kernfs/file.c`, `fs/configfs/file.c`.
 */
export class OpenAttribute {
  readonly #attribute: Attribute;
  #shown: Buffer | undefined;
  /** What was written so far, of an attribute that collects it. */
  #collected = Buffer.alloc(0);

  /**
   * @param reads whether it is opened for reading
   * @param writes whether it is opened for writing
   * @throws KernelError EACCES for what the attribute does not have: the kernel says so to root, too
   */
  constructor(attribute: Attribute, reads: boolean, writes: boolean) {
    const { show, store } = attribute.operations;
    if ((reads && !show) || (writes && !store)) throw new KernelError("EACCES");
    this.#attribute = attribute;
  }

  /** What there is at an offset, at most so many bytes. */
  read(offset: number, lengthBytes: number): Buffer {
    this.#requirePresent();
    if (offset === 0 || !this.#shown) this.#shown = Buffer.from(this.#attribute.operations.show?.() ?? "");
    return this.#shown.subarray(offset, offset + lengthBytes);
  }

  /** How much of the data is taken, and what is to be done before the program goes on. */
  write(offset: number, data: Buffer): { readonly taken: number; readonly work: Work | undefined } {
    this.#requirePresent();
    const { store, collects } = this.#attribute.operations;
    if (!collects) {
      const page = Buffer.from(data.subarray(0, PAGE_BYTES));
      return { taken: page.length, work: store?.(page) };
    }
    const end = offset + data.length;
    if (end > collects.maxBytes) throw new KernelError("EFBIG");
    if (end > this.#collected.length) {
      this.#collected = Buffer.concat([this.#collected, Buffer.alloc(end - this.#collected.length)]);
    }
    data.copy(this.#collected, offset);
    return { taken: data.length, work: undefined };
  }

  /**
   * What is to be done when a descriptor is closed. There may be others of the same open file, for example of a shell
   * that redirected its output: of what is collected only what is whole counts then.
   */
  flush(): Work | undefined {
    const { collects } = this.#attribute.operations;
    return collects?.isWhole(this.#collected) ? this.release() : undefined;
  }

  /** What is to be done when the last descriptor was closed. */
  release(): Work | undefined {
    const data = this.#collected;
    this.#collected = Buffer.alloc(0);
    if (data.length === 0 || this.#attribute.removed) return undefined;
    return this.#attribute.operations.store?.(data);
  }

  #requirePresent(): void {
    if (this.#attribute.removed) throw new KernelError("ENODEV");
  }
}
