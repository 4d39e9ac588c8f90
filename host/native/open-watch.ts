import { readSync } from "node:fs";
import koffi from "koffi";
import { closeDescriptor, SystemCallError } from "./libc";

const IN_NONBLOCK = 0x800;
const IN_CLOEXEC = 0x80000;
const IN_OPEN = 0x20;
const IN_ISDIR = 0x40000000;
const EVENT_BYTES = 16;
/** Room for many events at a time. */
const BUFFER_BYTES = 65536;

const libc = koffi.load(null);
const rawInit: (flags: number) => number = libc.func("int inotify_init1(int)");
const rawAddWatch: (fd: number, path: string, mask: number) => number = libc.func(
  "int inotify_add_watch(int, const char *, uint32_t)",
);

/** Notices when somebody opens a file in a directory, whatever process it is and whatever it calls the file. */
export class OpenWatch {
  readonly #fd: number;
  readonly #events = Buffer.alloc(BUFFER_BYTES);

  /** @throws SystemCallError where the kernel has no more watches for this user */
  constructor(directory: string) {
    this.#fd = rawInit(IN_NONBLOCK | IN_CLOEXEC);
    if (this.#fd < 0) throw new SystemCallError("inotify_init1", koffi.errno());
    if (rawAddWatch(this.#fd, directory, IN_OPEN) >= 0) return;
    const error = new SystemCallError("inotify_add_watch", koffi.errno());
    closeDescriptor(this.#fd);
    throw error;
  }

  /** Whether one was opened since this was asked last. An event is there before the call that opens has returned. */
  opened(): boolean {
    let any = false;
    for (let lengthBytes = this.#read(); lengthBytes > 0; lengthBytes = this.#read()) {
      // struct inotify_event: wd, mask, cookie, length of the name that follows, 32 bits each
      for (let at = 0; at < lengthBytes; at += EVENT_BYTES + this.#events.readUInt32LE(at + 12)) {
        // The directory itself may be looked at.
        if ((this.#events.readUInt32LE(at + 4) & IN_ISDIR) === 0) any = true;
      }
    }
    return any;
  }

  #read(): number {
    try {
      return readSync(this.#fd, this.#events);
    } catch {
      // There are no events.
      return 0;
    }
  }

  close(): void {
    closeDescriptor(this.#fd);
  }
}
