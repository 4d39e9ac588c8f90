import type { BurstBus, BurstRun, Direction, Response } from "./bus";

/** Bytes by position, as in a file. A position that holds nothing moves 0 bytes. */
export interface RandomAccess {
  /** Fills `into`; how many bytes there were. */
  read(position: number, into: Uint8Array): number;
  /** Stores `data`; how many bytes went in. */
  write(position: number, data: Uint8Array): number;
}

/** Where the bytes of a physical address lie. */
export interface Place {
  readonly owner: MemoryOwner;
  readonly memory: RandomAccess;
  readonly position: number;
}

/** Somebody who owns physical addresses. */
export interface MemoryOwner {
  /** Finds out where the pages of a range are now. True if all of it is this one's. */
  lookUp(physicalAddress: number, lengthBytes: number): boolean;
  /** Where an address lies, as the last {@link lookUp} of it found; `undefined` if that is not this one's. */
  placeOf(physicalAddress: number): Place | undefined;
  /** Moves bytes from or to a place that this owner gave for an address; how many of them arrived at that address. */
  move(direction: Direction, place: Place, physicalAddress: number, bytes: Uint8Array): number;
  close(): void;
}

/** 4 KiB: an AXI4 burst does not cross this boundary. */
const BURST_BOUNDARY_BYTES = 4096;

/** The interconnect: takes each burst to the memory whose address it has. Of several owners the first one counts. */
export class MemoryBus implements BurstBus {
  readonly #owners: readonly MemoryOwner[];
  readonly #whileUnchanged: <T>(body: () => T) => T;

  /** @param whileUnchanged calls its argument while no owner loses memory */
  constructor(owners: readonly MemoryOwner[], whileUnchanged: <T>(body: () => T) => T = (body) => body()) {
    this.#owners = owners;
    this.#whileUnchanged = whileUnchanged;
  }

  read(physicalAddress: number, into: Uint8Array): Response {
    return this.#burst("read", physicalAddress, into);
  }

  write(physicalAddress: number, data: Uint8Array): Response {
    return this.#burst("write", physicalAddress, data);
  }

  readBursts(physicalAddress: number, into: Uint8Array, burstBytes: number): BurstRun[] {
    return this.#bursts("read", physicalAddress, into, burstBytes);
  }

  writeBursts(physicalAddress: number, data: Uint8Array, burstBytes: number): BurstRun[] {
    return this.#bursts("write", physicalAddress, data, burstBytes);
  }

  close(): void {
    for (const owner of this.#owners) owner.close();
  }

  #burst(direction: Direction, physicalAddress: number, bytes: Uint8Array): Response {
    if ((physicalAddress % BURST_BOUNDARY_BYTES) + bytes.length > BURST_BOUNDARY_BYTES) return "SLVERR";
    return this.#whileUnchanged(() => {
      this.#lookUp(physicalAddress, bytes.length);
      const place = this.#placeOf(physicalAddress);
      if (!place) return "DECERR";
      return place.owner.move(direction, place, physicalAddress, bytes) === bytes.length ? "OKAY" : "SLVERR";
    });
  }

  /** Moves whole stretches of bursts at once that lie next to each other in their memory, too. */
  #bursts(direction: Direction, physicalAddress: number, bytes: Uint8Array, burstBytes: number): BurstRun[] {
    return this.#whileUnchanged(() => {
      this.#lookUp(physicalAddress, bytes.length);
      const runs: BurstRun[] = [];
      for (let at = 0; at < bytes.length;) {
        const start = physicalAddress + at;
        const { place, lengthBytes } = this.#stretch(start, bytes.length - at, burstBytes);
        const refused = typeof place === "string";
        const moved = refused ? 0 : place.owner.move(direction, place, start, bytes.subarray(at, at + lengthBytes));
        addRun(runs, start, moved, "OKAY");
        addRun(runs, start + moved, lengthBytes - moved, refused ? place : "SLVERR");
        at += lengthBytes;
      }
      return runs;
    });
  }

  /** Where the next bursts go, and how far on they go there; or how they are answered. */
  #stretch(
    physicalAddress: number,
    mostBytes: number,
    burstBytes: number,
  ): { place: Place | Response; lengthBytes: number } {
    const first = wholeBursts(physicalAddress, mostBytes, burstBytes);
    if (first === 0) return { place: "SLVERR", lengthBytes: Math.min(burstBytes, mostBytes) };
    const place = this.#placeOf(physicalAddress);
    let lengthBytes = first;
    while (lengthBytes < mostBytes) {
      const more = wholeBursts(physicalAddress + lengthBytes, mostBytes - lengthBytes, burstBytes);
      if (more === 0 || !follows(place, lengthBytes, this.#placeOf(physicalAddress + lengthBytes))) break;
      lengthBytes += more;
    }
    return { place: place ?? "DECERR", lengthBytes };
  }

  #lookUp(physicalAddress: number, lengthBytes: number): void {
    for (const owner of this.#owners) if (owner.lookUp(physicalAddress, lengthBytes)) return;
  }

  #placeOf(physicalAddress: number): Place | undefined {
    for (const owner of this.#owners) {
      const place = owner.placeOf(physicalAddress);
      if (place) return place;
    }
    return undefined;
  }
}

/** How many bytes of whole bursts, of at most `mostBytes`, fit in before the boundary that none crosses. */
function wholeBursts(physicalAddress: number, mostBytes: number, burstBytes: number): number {
  const room = BURST_BOUNDARY_BYTES - (physicalAddress % BURST_BOUNDARY_BYTES);
  return Math.min(mostBytes, Math.floor(room / burstBytes) * burstBytes);
}

/** Whether `next` lies `lengthBytes` behind a place; what nobody owns lies next to what nobody owns. */
function follows(place: Place | undefined, lengthBytes: number, next: Place | undefined): boolean {
  if (!place || !next) return place === next;
  return next.memory === place.memory && next.position === place.position + lengthBytes;
}

/** Adds to what was answered so far. */
function addRun(runs: BurstRun[], physicalAddress: number, lengthBytes: number, response: Response): void {
  if (lengthBytes === 0) return;
  const last = runs[runs.length - 1];
  if (last?.response !== response) runs.push({ physicalAddress, lengthBytes, response });
  else runs[runs.length - 1] = { ...last, lengthBytes: last.lengthBytes + lengthBytes };
}
