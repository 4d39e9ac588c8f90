import koffi from "koffi";
import { closeDescriptor, SystemCallError } from "./libc";

/** What can be noticed of the entries of a directory. Source: inotify(7) and `linux/inotify.h`. */
export const WATCH = {
  opened: 0x20,
  /** Not before every descriptor and mapping of what was opened is gone. */
  closed: 0x8 | 0x10,
  /** Written to, or made shorter or longer. */
  changed: 0x2,
  created: 0x100,
  /** Removed, or moved elsewhere. */
  gone: 0x200 | 0x40,
  movedIn: 0x80,
} as const;

/** What an event says beside one of {@link WATCH}. */
export const EVENT = {
  /** There were too many: some are lost. */
  overflow: 0x4000,
  /** Of a directory, perhaps the watched one itself. */
  ofDirectory: 0x40000000,
} as const;

const IN_NONBLOCK = 0x800;
const IN_CLOEXEC = 0x80000;
const EVENT_BYTES = 16;
/** Room for many events at a time. */
const BUFFER_BYTES = 65536;

const libc = koffi.load(null);
const rawInit: (flags: number) => number = libc.func("int inotify_init1(int)");
const rawAddWatch: (fd: number, path: string, mask: number) => number = libc.func(
  "int inotify_add_watch(int, const char *, uint32_t)",
);
// Node's own throws where there is nothing to read, which takes longer than all the rest.
const rawRead: (fd: number, buffer: Uint8Array, lengthBytes: number) => number = libc.func(
  "intptr_t read(int, void *, size_t)",
);

/**
 * Notices what happens to the entries of directories, whatever process it is and whatever it calls them. An event is there
 * before the system call that causes it has returned.
 */
export class FileWatch {
  /** Readable while there are events. */
  readonly fd: number;
  readonly #events = Buffer.alloc(BUFFER_BYTES);

  /** @throws SystemCallError where this user has as many as the kernel allows: EMFILE */
  constructor() {
    this.fd = rawInit(IN_NONBLOCK | IN_CLOEXEC);
    if (this.fd < 0) throw new SystemCallError("inotify_init1", koffi.errno());
  }

  /**
   * Watches one more directory, or file, until it is removed.
   *
   * @param what bits of {@link WATCH}
   * @returns a number of its own
   * @throws SystemCallError for example ENOENT, or ENOSPC where this user has as many as the kernel allows
   */
  add(directory: string, what: number): number {
    const number = rawAddWatch(this.fd, directory, what);
    if (number < 0) throw new SystemCallError("inotify_add_watch", koffi.errno());
    return number;
  }

  /**
   * Takes the events that there are.
   *
   * @param handle gets what each is, bits of {@link WATCH} and {@link EVENT}, and the number of what it happened to
   */
  take(handle: (what: number, number: number) => void): void {
    for (let lengthBytes = this.#read(); lengthBytes > 0; lengthBytes = this.#read()) {
      // struct inotify_event: wd, mask, cookie, length of the name that follows, 32 bits each
      for (let at = 0; at < lengthBytes; at += EVENT_BYTES + this.#events.readUInt32LE(at + 12)) {
        handle(this.#events.readUInt32LE(at + 4), this.#events.readInt32LE(at));
      }
    }
  }

  /** How many bytes of events there are, -1 if there are none. */
  #read(): number {
    return rawRead(this.fd, this.#events, BUFFER_BYTES);
  }

  close(): void {
    closeDescriptor(this.fd);
  }
}
