import { totalmem } from "node:os";
import { frameOfEntry, Pagemap } from "../memory/pagemap";
import { pageSizeBytes } from "../native/libc";
import { BoardUsers } from "./board-users";
import type { Direction } from "./bus";
import type { KnownDeviceFiles } from "./device-files";
import { FrameIndex } from "./frame-index";
import type { Mapping } from "./mappings";
import type { MemoryOwner, Place, RandomAccess } from "./memory-bus";
import { ProcessMemory } from "./process-memory";

/** Entries of a page table that are read at a time. */
const CHUNK_PAGES = 2 ** 16;
/** Bits of a page's number; those above say where in {@link UserMemory} its process is. */
const PAGE_NUMBERS = 2 ** 40;
/** A larger mapping is room that was reserved, and is hardly used: looking through it would take seconds. */
const LARGEST_MAPPING_BYTES = totalmem();

/** A process whose memory is open. */
interface OpenUser {
  readonly pid: number;
  readonly memory: ProcessMemory;
  readonly pagemap: Pagemap;
}

/**
 * The memory of all processes that use the board, by page frame number as the kernel shows it to a process with
 * CAP_SYS_ADMIN. Nobody else's memory is ever touched, however wrong an address is.
 *
 * An address that nobody was known to have makes it look again, first at the processes that it knows, then at all. A page
 * is looked up again before and after each transfer: one that was somewhere else by then did not take part in it.
 */
export class UserMemory implements MemoryOwner {
  readonly #finder: BoardUsers;
  #users: OpenUser[] = [];
  readonly #index = new FrameIndex();
  readonly #entries = new Uint32Array(CHUNK_PAGES * 2);
  /** Where the last range ended of which nobody had anything. */
  #missedUntil = -1;

  /** @param devices the board's device files */
  constructor(devices: KnownDeviceFiles) {
    this.#finder = new BoardUsers(devices);
  }

  lookUp(physicalAddress: number, lengthBytes: number): boolean {
    const [first, last] = framesOf(physicalAddress, lengthBytes);
    if (this.#isTrue(first, last)) return true;
    // The next piece of a long transfer to nowhere is no reason for another look.
    const goesOn = physicalAddress === this.#missedUntil && lengthBytes > pageSizeBytes;
    if (goesOn && !this.#knowsAny(first, last)) {
      this.#missedUntil += lengthBytes;
      return false;
    }
    if (this.#lookAgain(first, last)) return true;
    this.#missedUntil = physicalAddress + lengthBytes;
    return false;
  }

  #lookAgain(firstFrame: number, lastFrame: number): boolean {
    const known = this.#users.map(({ pid }) => pid);
    this.#finder.refreshFiles();
    this.#open(known);
    if (this.#isTrue(firstFrame, lastFrame)) return true;
    const found = this.#finder.find();
    if (found.every((pid) => known.includes(pid))) return false;
    this.#open(found);
    return this.#isTrue(firstFrame, lastFrame);
  }

  placeOf(physicalAddress: number): Place | undefined {
    const note = this.#index.get(Math.floor(physicalAddress / pageSizeBytes));
    if (note === undefined) return undefined;
    const { user, page, writable } = this.#read(note);
    const memory: RandomAccess = writable ? user.memory : user.memory.readOnly;
    return { owner: this, memory, position: page * pageSizeBytes + (physicalAddress % pageSizeBytes) };
  }

  move(direction: Direction, { memory, position }: Place, physicalAddress: number, bytes: Uint8Array): number {
    const moved = memory[direction](position, bytes);
    const [first, last] = framesOf(physicalAddress, bytes.length);
    return this.#isTrue(first, last) ? moved : 0;
  }

  close(): void {
    this.#closeUsers();
  }

  #closeUsers(): void {
    for (const { memory, pagemap } of this.#users) {
      memory.close();
      pagemap.close();
    }
    this.#users = [];
    this.#index.clear();
  }

  /** Whether all these frames are where the index says. Pages that follow each other are looked up in one read. */
  #isTrue(firstFrame: number, lastFrame: number): boolean {
    for (let frame = firstFrame; frame <= lastFrame;) {
      const note = this.#index.get(frame);
      if (note === undefined) return false;
      let count = 1;
      while (frame + count <= lastFrame && this.#index.get(frame + count) === note + count) count++;
      const { user, page } = this.#read(note);
      if (!user.pagemap.holdsFrames(page, count, frame)) return false;
      frame += count;
    }
    return true;
  }

  #knowsAny(firstFrame: number, lastFrame: number): boolean {
    for (let frame = firstFrame; frame <= lastFrame; frame++) if (this.#index.get(frame) !== undefined) return true;
    return false;
  }

  /**
   * Opens these processes in place of those that were open, and notes their pages. Each is examined once more when it is
   * open: by then its number could have been somebody else's.
   */
  #open(pids: readonly number[]): void {
    this.#closeUsers();
    const found = pids.flatMap((pid) => {
      const user = openUser(pid);
      if (!user) return [];
      return { number: this.#users.push(user) - 1, mappings: this.#finder.memoryOf(pid) ?? [] };
    });
    // What may be written comes last and counts: another may have the same page to read only.
    for (const writable of [false, true]) {
      for (const { number, mappings } of found) {
        const wanted = mappings.filter((mapping) => mapping.writable === writable);
        for (const mapping of wanted) if (mapping.lengthBytes <= LARGEST_MAPPING_BYTES) this.#add(number, mapping);
      }
    }
  }

  #add(userNumber: number, { start, lengthBytes, writable }: Mapping): void {
    const { pagemap } = this.#users[userNumber] as OpenUser;
    const pageCount = lengthBytes / pageSizeBytes;
    for (let done = 0; done < pageCount; done += CHUNK_PAGES) {
      const firstPage = start / pageSizeBytes + done;
      const count = pagemap.readEntries(firstPage, Math.min(CHUNK_PAGES, pageCount - done), this.#entries);
      const firstNote = (userNumber * 2 + (writable ? 1 : 0)) * PAGE_NUMBERS + firstPage;
      for (let index = 0; index < count; index++) {
        const frame = this.#entryFrame(index);
        if (frame) this.#index.set(frame, firstNote + index);
      }
    }
  }

  #entryFrame(index: number): number | undefined {
    return frameOfEntry(this.#entries[index * 2] ?? 0, this.#entries[index * 2 + 1] ?? 0);
  }

  #read(note: number): { user: OpenUser; page: number; writable: boolean } {
    const owner = Math.floor(note / PAGE_NUMBERS);
    return { user: this.#users[owner >> 1] as OpenUser, page: note % PAGE_NUMBERS, writable: (owner & 1) === 1 };
  }
}

/** `undefined` for a process that is gone, or may not be written to. */
function openUser(pid: number): OpenUser | undefined {
  let memory: ProcessMemory | undefined;
  try {
    memory = new ProcessMemory(pid);
    return { pid, memory, pagemap: new Pagemap(`/proc/${pid}/pagemap`) };
  } catch {
    memory?.close();
    return undefined;
  }
}

function framesOf(physicalAddress: number, lengthBytes: number): [first: number, last: number] {
  const last = Math.floor((physicalAddress + lengthBytes - 1) / pageSizeBytes);
  return [Math.floor(physicalAddress / pageSizeBytes), last];
}
