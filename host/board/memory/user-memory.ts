import { totalmem } from "node:os";
import { frameOfEntry, Pagemap } from "../../memory/pagemap";
import { pageSizeBytes } from "../../native/libc";
import { BoardUsers } from "./board-users";
import type { Direction } from "../fabric/bus";
import type { KnownDeviceFiles } from "../kernel/devices/device-files";
import { FrameIndex } from "./frame-index";
import { FrameKinds } from "./frame-kinds";
import type { Mapping } from "./mappings";
import type { MemoryOwner, Place, RandomAccess } from "../fabric/memory-bus";
import { type PageRange, PresentPages } from "./present-pages";
import { ProcessMemory } from "./process-memory";

/** Entries of a page table that are read at a time. */
const CHUNK_PAGES = 2 ** 16;
/** Bits of a page's number; those above say where in {@link UserMemory} its process is. */
const PAGE_NUMBERS = 2 ** 40;
/** A larger mapping is room that was reserved, and is hardly used: looking through it would take seconds. */
const LARGEST_MAPPING_BYTES = totalmem();

/** When there are so many, those that have ended are sorted out before others are added. */
const MOST_USERS = 64;

/** A process whose memory is open. */
interface OpenUser {
  readonly pid: number;
  readonly memory: ProcessMemory;
  readonly pagemap: Pagemap;
  readonly present: PresentPages;
}

/**
 * The memory of all processes that use the board, by page frame number as the kernel shows it to a process with
 * CAP_SYS_ADMIN. Nobody else's memory is ever touched, however wrong an address is.
 *
 * An address that nobody was known to have makes it look again, unless no process can have it: first at the pages that the
 * processes it knows have got since, then at all pages of all processes that use the board. A page is looked up again before and after each transfer: one that was somewhere else by then did not take part in it.
 */
export class UserMemory implements MemoryOwner {
  readonly #finder: BoardUsers;
  #users: OpenUser[] = [];
  readonly #index = new FrameIndex();
  readonly #kinds = new FrameKinds();
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
    this.#finder.refreshFiles();
    if (this.#users.length < MOST_USERS) {
      const known = new Set(this.#users.map(({ pid }) => pid));
      this.#openMore(this.#finder.findOpeners().filter((pid) => !known.has(pid)));
      this.#note(this.#users.keys());
      if (this.#isTrue(firstFrame, lastFrame)) return true;
    }
    if (this.#areNobodys(firstFrame, lastFrame)) return false;
    this.#open(this.#finder.find());
    return this.#isTrue(firstFrame, lastFrame);
  }

  /** Whether it is certain that no process has any of these frames that is not known to have them. */
  #areNobodys(firstFrame: number, lastFrame: number): boolean {
    for (let frame = firstFrame; frame <= lastFrame; frame++) {
      if (!this.#isTrue(frame, frame) && !this.#kinds.isNobodys(frame)) return false;
    }
    return true;
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
    this.#kinds.close();
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
   * Opens these processes in place of those that were open, and notes all their pages. Each is examined once more when it
   * is open: by then its number could have been somebody else's.
   */
  #open(pids: readonly number[]): void {
    this.#closeUsers();
    this.#openMore(pids);
    this.#note(this.#users.keys());
  }

  #openMore(pids: readonly number[]): void {
    for (const pid of pids) {
      const user = openUser(pid);
      if (user) this.#users.push(user);
    }
  }

  /** Notes the pages that processes which are open have got since this was done last. */
  #note(userNumbers: Iterable<number>): void {
    const found = [...userNumbers].map((number) => {
      const user = this.#users[number] as OpenUser;
      return { number, news: newsOf(user, this.#finder.memoryOf(user.pid) ?? []) };
    });
    this.#index.reserve(found.reduce((sum, { news }) => sum + pagesOf(news), 0));
    // What may be written comes last and counts: another may have the same page to read only.
    for (const wanted of [false, true]) {
      for (const { number, news } of found) {
        for (const { ranges, writable } of news) {
          if (writable === wanted) for (const range of ranges) this.#add(number, range, writable);
        }
      }
    }
  }

  #add(userNumber: number, { first, end }: PageRange, writable: boolean): void {
    const { pagemap } = this.#users[userNumber] as OpenUser;
    for (let page = first; page < end; page += CHUNK_PAGES) {
      const count = pagemap.readEntries(page, Math.min(CHUNK_PAGES, end - page), this.#entries);
      const firstNote = (userNumber * 2 + (writable ? 1 : 0)) * PAGE_NUMBERS + page;
      for (let index = 0; index < count; index++) {
        const frame = this.#entryFrame(index);
        if (frame && (writable || !this.#isWritable(frame))) this.#index.set(frame, firstNote + index);
      }
    }
  }

  /** Whether somebody is known to have a frame, and may write to it. */
  #isWritable(frame: number): boolean {
    const note = this.#index.get(frame);
    return note !== undefined && this.#read(note).writable && this.#isTrue(frame, frame);
  }

  #entryFrame(index: number): number | undefined {
    return frameOfEntry(this.#entries[index * 2] ?? 0, this.#entries[index * 2 + 1] ?? 0);
  }

  #read(note: number): { user: OpenUser; page: number; writable: boolean } {
    const owner = Math.floor(note / PAGE_NUMBERS);
    return { user: this.#users[owner >> 1] as OpenUser, page: note % PAGE_NUMBERS, writable: (owner & 1) === 1 };
  }
}

/** Pages of a process that are news, by mapping. */
interface News {
  readonly ranges: readonly PageRange[];
  readonly writable: boolean;
}

function pagesOf(news: readonly News[]): number {
  return news.flatMap(({ ranges }) => ranges).reduce((sum, { first, end }) => sum + end - first, 0);
}

/** The pages of a process that are in memory and were not when it was last looked at, by mapping. */
function newsOf({ pagemap, present }: OpenUser, mappings: readonly Mapping[]): News[] {
  present.begin();
  const news = mappings
    .filter(({ lengthBytes }) => lengthBytes <= LARGEST_MAPPING_BYTES)
    .map(({ start, lengthBytes, writable }) => {
      const first = start / pageSizeBytes;
      return { writable, ranges: present.news(pagemap.fd, { first, end: first + lengthBytes / pageSizeBytes }) };
    });
  present.end();
  return news;
}

/** `undefined` for a process that is gone, or may not be written to. */
function openUser(pid: number): OpenUser | undefined {
  let memory: ProcessMemory | undefined;
  try {
    memory = new ProcessMemory(pid);
    return { pid, memory, pagemap: new Pagemap(`/proc/${pid}/pagemap`), present: new PresentPages() };
  } catch {
    memory?.close();
    return undefined;
  }
}

function framesOf(physicalAddress: number, lengthBytes: number): [first: number, last: number] {
  const last = Math.floor((physicalAddress + lengthBytes - 1) / pageSizeBytes);
  return [Math.floor(physicalAddress / pageSizeBytes), last];
}
