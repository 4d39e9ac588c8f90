import type { Bus, Response } from "./bus";

/** The bus as a model of the user's own has it: what cannot be put on it is an error of the model. */
export class UserBus implements Bus {
  readonly #bus: Bus | undefined;

  /** @param bus of the core's port; `undefined`: it has none */
  constructor(bus: Bus | undefined) {
    this.#bus = bus;
  }

  read(physicalAddress: number, into: Uint8Array): Response {
    return this.#connected(physicalAddress, into).read(physicalAddress, into);
  }

  write(physicalAddress: number, data: Uint8Array): Response {
    return this.#connected(physicalAddress, data).write(physicalAddress, data);
  }

  #connected(physicalAddress: unknown, bytes: unknown): Bus {
    if (!this.#bus) throw new Error('the core has no way to memory: its description names no "port"');
    if (typeof physicalAddress !== "number" || !Number.isSafeInteger(physicalAddress) || physicalAddress < 0) {
      throw new TypeError(`${String(physicalAddress)} is no physical address: that is a whole number, and no bigint`);
    }
    if (bytes instanceof Uint8Array && bytes.length > 0) return this.#bus;
    throw new TypeError("a burst is a Uint8Array of 1 byte or more");
  }
}
