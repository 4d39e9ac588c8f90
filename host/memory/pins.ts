import { checkWait } from "../util/wait";
import { AxiscriptError, errnoCode, hex } from "../util/errors";
import { BufferPins } from "../native/io-uring";
import {
  lockPages,
  map,
  MAP_ANONYMOUS,
  MAP_PRIVATE,
  pageSizeBytes,
  PROT_READ,
  PROT_WRITE,
  unlockPages,
  unmap,
  viewMemory,
} from "../native/libc";
import { registerPacketMemory } from "../native/xdp";
import { createHugeFile, hugePageBytes } from "./huge-pages";
import { HugeBlocks } from "./huge-blocks";
import type { LinearMemory, MemoryRange } from "./linear-memory";

/**
 * How pages are kept in place, best first. The first two are long-term pins of the kernel; `hugetlb` moves the content to
 * 2 MiB pages that the kernel does not move while they are in use; `mlock` is best effort: the kernel may still move a
 * locked page.
 */
export const PIN_MECHANISMS = ["io_uring", "af_xdp", "hugetlb", "mlock"] as const;
export type PinMechanism = (typeof PIN_MECHANISMS)[number];

/**
 * What is pinned in one go, between virtual addresses that are multiples of it: some 20 ms where the pages are touched for
 * the first time, in which a script cannot be stopped. A multiple of a huge page's size.
 */
const STEP_BYTES = 2 ** 26;

/** Whether a mechanism can be used by this process, and if not, why. */
export interface PinMechanismState {
  readonly mechanism: PinMechanism;
  /** The name of the error that the kernel answered; absent: it can be used. */
  readonly unavailable?: string;
}

/** Keeps the pages of a range in place until the function that it returns is called. */
export type Pinner = (address: number, lengthBytes: number) => () => void;

/** A range whose pages stay where they are. */
export interface Pin {
  readonly guestPtr: number;
  readonly lengthBytes: number;
  /** Ends the pin, once. Only when no device uses the pages any more. */
  release(): void;
}

/** How pins are taken. */
export interface PinOptions {
  /** The mechanism to use; absent: the best that this process may use. */
  readonly mechanism?: PinMechanism;
  /** Used in place of the mechanism's own; for harnesses that show what happens without pins. */
  readonly pinner?: Pinner;
  /** Whether a range holds pages that are not ordinary ones, which therefore cannot be moved to others. */
  readonly isCovered?: (guestPtr: number, lengthBytes: number) => boolean;
}

/** The pins on one linear memory. */
export class Pins {
  readonly #memory: LinearMemory;
  #pinner: Pinner;
  #releaseAll: PagePinner["releaseAll"];
  /** Takes over where huge pages cannot hold something, unless they were asked for. */
  #second: PagePinner | undefined;
  readonly #blocks: HugeBlocks;
  readonly #live = new Set<Pin>();
  #mechanism: PinMechanism;

  /** @param memory whose pages are pinned */
  constructor(memory: LinearMemory, { mechanism, pinner, isCovered = () => false }: PinOptions = {}) {
    this.#memory = memory;
    this.#mechanism = mechanism ?? choosePinMechanism();
    this.#blocks = new HugeBlocks(memory, isCovered);
    if (this.#mechanism === "hugetlb") {
      this.#pinner =
        pinner ?? ((address, lengthBytes) => this.#blocks.hold(address - Number(memory.baseAddress), lengthBytes));
      this.#second = mechanism === undefined ? pageLocker() : undefined;
    } else {
      const chosen: PagePinner = pinner ? { pinner } : PAGE_PINNERS[this.#mechanism]();
      this.#pinner = chosen.pinner;
      this.#releaseAll = chosen.releaseAll;
    }
  }

  /** How many pins there are. */
  get size(): number {
    return this.#live.size;
  }

  /** What the pins that were taken so far rest on: the weakest mechanism in use. */
  get mechanism(): PinMechanism {
    return this.#mechanism;
  }

  /**
   * Pins the pages that hold a range, exactly these. Read page frame numbers after this call, never before. Ranges may
   * overlap; a page is free to move when the last pin on it is released. Can be stopped, as a wait can: then nothing is
   * pinned.
   *
   * @throws AxiscriptError ERR_AXI_PIN with what to raise
   */
  pin(guestPtr: number, lengthBytes: number): Pin {
    const start = Math.floor(guestPtr / pageSizeBytes) * pageSizeBytes;
    const end = Math.ceil((guestPtr + lengthBytes) / pageSizeBytes) * pageSizeBytes;
    const releases: (() => void)[] = [];
    const pin: Pin = {
      guestPtr: start,
      lengthBytes: end - start,
      release: () => {
        if (this.#live.delete(pin)) for (const release of releases) release();
      },
    };
    this.#live.add(pin);
    try {
      for (const [from, to] of this.#steps(start, end)) {
        if (releases.length > 0) checkWait();
        releases.push(this.#call(from, to - from));
      }
    } catch (error) {
      pin.release();
      throw error;
    }
    return pin;
  }

  /** Ends every pin. */
  releaseAll(): void {
    const live = [...this.#live];
    if (!this.#releaseAll) for (const pin of live) pin.release();
    this.#live.clear();
    this.#releaseAll?.(live.map((pin) => this.#rangeOf(pin)));
  }

  #rangeOf({ guestPtr, lengthBytes }: Pin): MemoryRange {
    return { virtualAddress: this.#memory.baseAddress + BigInt(guestPtr), lengthBytes };
  }

  /** The parts of a range that are pinned one after another. */
  *#steps(start: number, end: number): Iterable<readonly [start: number, end: number]> {
    const skew = Number(this.#memory.baseAddress % BigInt(STEP_BYTES));
    for (let from = start; from < end;) {
      const to = Math.min(end, (Math.floor((from + skew) / STEP_BYTES) + 1) * STEP_BYTES - skew);
      yield [from, to];
      from = to;
    }
  }

  /** Whether a page of a range is pinned. */
  overlap(guestPtr: number, lengthBytes: number): boolean {
    return [...this.#live].some(
      (pin) => pin.guestPtr < guestPtr + lengthBytes && guestPtr < pin.guestPtr + pin.lengthBytes,
    );
  }

  /**
   * Prepares a range to get other pages.
   *
   * @throws AxiscriptError ERR_AXI_BAD_ARGUMENT if it shares a huge page with a pin
   */
  vacate(guestPtr: number, lengthBytes: number): void {
    this.#blocks.vacate(guestPtr, lengthBytes, (start, length) => this.overlap(start, length));
  }

  #call(guestPtr: number, lengthBytes: number): () => void {
    const address = Number(this.#memory.baseAddress) + guestPtr;
    try {
      try {
        return this.#pinner(address, lengthBytes);
      } catch (error) {
        if (!this.#second) throw error;
        const release = this.#second.pinner(address, lengthBytes);
        // For good: a block that moves to a huge page later would take the pages along that are locked now.
        this.#pinner = this.#second.pinner;
        this.#releaseAll = this.#second.releaseAll;
        this.#second = undefined;
        this.#mechanism = "mlock";
        return release;
      }
    } catch (cause) {
      if (cause instanceof AxiscriptError) throw cause;
      throw this.#error(guestPtr, lengthBytes, cause);
    }
  }

  #error(guestPtr: number, lengthBytes: number, cause: unknown): AxiscriptError {
    const code = errnoCode(cause);
    const advice = FORBIDDEN[this.#mechanism]?.[code ?? ""] ?? adviceFor(code);
    return new AxiscriptError(
      "ERR_AXI_PIN",
      `Cannot pin ${lengthBytes} bytes at guest pointer ${hex(guestPtr)} with ${this.#mechanism}: ${advice}`,
      { cause },
    );
  }
}

/** What is meant where a mechanism is not permitted: a limit answers otherwise. Source: kernel `net/xdp`, `io_uring`. */
const FORBIDDEN: Partial<Record<PinMechanism, Readonly<Record<string, string>>>> = {
  af_xdp: {
    EPERM:
      "it takes CAP_NET_RAW, which this process does not have. Run as root, or give it that capability " +
      "(AmbientCapabilities=CAP_NET_RAW of a systemd unit), or choose another mechanism.",
  },
  io_uring: {
    EPERM:
      "the system forbids io_uring to this process (kernel.io_uring_disabled, or a filter of a container). Allow it, or " +
      "choose another mechanism.",
  },
};

function adviceFor(code: string | undefined): string {
  switch (code) {
    case "ENOMEM":
    case "EPERM":
    case "ENOBUFS":
    case "EAGAIN":
      return "the limit on locked memory is reached. Raise it (`ulimit -l`, or memlock in /etc/security/limits.conf).";
    case "EMFILE":
    case "ENFILE":
      return "the limit on open files is reached. Raise it (`ulimit -n`).";
    default:
      return `the kernel answered ${code}.`;
  }
}

/** Touches the pages, as a pin does, and pins nothing; for harnesses that show what happens then. */
export const touchOnly: Pinner = (address, lengthBytes) => {
  const bytes = viewMemory(address, lengthBytes);
  for (let at = 0; at < lengthBytes; at += pageSizeBytes) bytes[at] = bytes[at] ?? 0;
  return () => {};
};

/** What each mechanism answers when it is tried on a page. */
export function tryPinMechanisms(): PinMechanismState[] {
  return PIN_MECHANISMS.map((mechanism) => {
    const unavailable = tryMechanism(mechanism);
    return { mechanism, ...(unavailable === undefined ? {} : { unavailable }) };
  });
}

function choosePinMechanism(): PinMechanism {
  return PIN_MECHANISMS.find((mechanism) => tryMechanism(mechanism) === undefined) ?? "io_uring";
}

/** The error's name, or `undefined` if the mechanism works. */
function tryMechanism(mechanism: PinMechanism): string | undefined {
  const lengthBytes = mechanism === "hugetlb" ? hugePageBytes() : pageSizeBytes;
  let address: number | undefined;
  try {
    if (mechanism === "hugetlb") createHugeFile(lengthBytes).close();
    else {
      address = map(lengthBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);
      PAGE_PINNERS[mechanism]().pinner(address, lengthBytes)();
    }
    return undefined;
  } catch (error) {
    return errnoCode(error) ?? "error";
  } finally {
    if (address !== undefined) unmap(address, lengthBytes);
  }
}

/** A pinner, and what ends all its pins faster than one after another. */
interface PagePinner {
  readonly pinner: Pinner;
  readonly releaseAll?: (live: Iterable<MemoryRange>) => void;
}

const PAGE_PINNERS = {
  io_uring: () => bufferPinner(),
  af_xdp: () => ({ pinner: registerPacketMemory }),
  mlock: () => pageLocker(),
} satisfies Partial<Record<PinMechanism, () => PagePinner>>;

function bufferPinner(): PagePinner {
  const pins = new BufferPins();
  return { pinner: (address, lengthBytes) => pins.pin(address, lengthBytes), releaseAll: () => pins.releaseAll() };
}

/** Locks pages. The kernel does not count locks, so that is done here. */
function pageLocker(): PagePinner {
  const locks = new Map<number, number>();
  const releaseAll = (live: Iterable<MemoryRange>) => {
    for (const { virtualAddress, lengthBytes } of live) unlockPages(Number(virtualAddress), lengthBytes);
    locks.clear();
  };
  const pinner: Pinner = (address, lengthBytes) => {
    lockPages(address, lengthBytes);
    const pages = Array.from({ length: lengthBytes / pageSizeBytes }, (_, index) => address + index * pageSizeBytes);
    for (const page of pages) locks.set(page, (locks.get(page) ?? 0) + 1);
    return () => {
      for (const page of pages) {
        const left = (locks.get(page) ?? 1) - 1;
        if (left > 0) locks.set(page, left);
        else {
          locks.delete(page);
          unlockPages(page, pageSizeBytes);
        }
      }
    };
  };
  return { pinner, releaseAll };
}
