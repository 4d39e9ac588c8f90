/** The ports of the Zynq MPSoC's processing system through which the fabric reaches memory. */
export const PORTS = ["hp", "hpc", "acp"] as const;
/** One of {@link PORTS}. */
export type Port = (typeof PORTS)[number];

/** How often a number of clock cycles was measured. */
type Histogram = readonly (readonly [cycles: number, count: number])[];

interface PortTiming {
  /** The first transfer of a process. */
  readonly first: { readonly read: Histogram; readonly write: Histogram };
  /** Every further one. */
  readonly repeated: { readonly read: Histogram; readonly write: Histogram };
}

/**
 * Clock cycles at 250 MHz of one 64-byte transfer, as measured on an Ultra96-V2: 100 samples per port, direction and
 * experiment. Source: j-marjanovic/meta-zynqmp-pl-ps-interfaces, AXI Proxy latency notebook.
 */
const MEASURED: Readonly<Record<Port, PortTiming>> = {
  hp: {
    first: {
      // prettier-ignore
      read: [[64, 83], [65, 1], [66, 2], [68, 1], [70, 2], [71, 1], [73, 2], [77, 2], [78, 1], [81, 1], [84, 1], [90, 1],
        [128, 1], [139, 1]],
      write: [
        [36, 67],
        [37, 33],
      ],
    },
    repeated: {
      // prettier-ignore
      read: [[64, 68], [66, 1], [68, 1], [70, 2], [74, 1], [76, 1], [77, 1], [78, 1], [89, 1], [92, 2], [93, 1], [95, 1],
        [96, 1], [99, 1], [100, 1], [104, 2], [106, 1], [107, 1], [108, 1], [111, 1], [120, 1], [122, 2], [123, 1],
        [124, 1], [126, 1], [127, 1], [129, 1], [132, 1], [154, 1]],
      // prettier-ignore
      write: [[36, 59], [37, 41]],
    },
  },
  hpc: {
    // prettier-ignore
    first: { read: [[40, 40], [41, 59], [43, 1]], write: [[46, 41], [47, 59]] },
    // prettier-ignore
    repeated: { read: [[40, 43], [41, 54], [42, 2], [73, 1]], write: [[46, 2], [65, 37], [66, 53], [67, 6], [71, 2]] },
  },
  acp: {
    first: {
      // prettier-ignore
      read: [[13, 42], [14, 15], [15, 4], [16, 1], [17, 3], [18, 3], [19, 1], [20, 2], [21, 1], [22, 2], [23, 2],
        [24, 14], [25, 10]],
      // prettier-ignore
      write: [[25, 10], [26, 39], [27, 17], [28, 4], [29, 1], [30, 1], [31, 4], [33, 3], [34, 20], [35, 1]],
    },
    // prettier-ignore
    repeated: { read: [[13, 93], [14, 7]], write: [[14, 99], [24, 1]] },
  },
};

/** Draws the length of transfers on one port, in clock cycles, from what was measured. */
export class PortTimer {
  readonly #timing: PortTiming;
  readonly #random: () => number;
  readonly #openings: () => number;
  /** What {@link #openings} said at the last transfer. */
  readonly #openedAt: { read?: number; write?: number } = {};

  /**
   * @param port the port
   * @param random gives numbers from 0 up to, not including, 1
   * @param openings changes when another process may be the one that transfers: its first transfer takes as long as first
   *   ones do. Absent: there is one process
   */
  constructor(port: Port, random: () => number, openings: () => number = () => 0) {
    this.#timing = MEASURED[port];
    this.#random = random;
    this.#openings = openings;
  }

  /** Clock cycles of the next transfer. */
  next(direction: "read" | "write"): number {
    const openings = this.#openings();
    const histogram = this.#timing[this.#openedAt[direction] === openings ? "repeated" : "first"][direction];
    this.#openedAt[direction] = openings;
    const total = histogram.reduce((sum, [, count]) => sum + count, 0);
    let remaining = this.#random() * total;
    for (const [cycles, count] of histogram) {
      remaining -= count;
      if (remaining < 0) return cycles;
    }
    throw new RangeError("a random number must be below 1");
  }
}

/** Repeatable random numbers from 0 up to, not including, 1: xorshift32 by G. Marsaglia. */
export function randomNumbers(seed: number): () => number {
  let state = seed >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}
