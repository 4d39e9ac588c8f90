import { randomNumbers } from "../../host/board/fabric/port-timing";

/**
 * How hostile tests are repeated and lengthened: `AXISCRIPT_HOSTILE_SEED` is another seed than the default, and
 * `AXISCRIPT_HOSTILE_SCALE` multiplies how much is tried.
 */
const SEED = Number(process.env["AXISCRIPT_HOSTILE_SEED"] ?? 1);
const SCALE = Number(process.env["AXISCRIPT_HOSTILE_SCALE"] ?? 1);

/** How much of something to try. */
export function scaled(count: number): number {
  return Math.max(1, Math.round(count * SCALE));
}

/** Repeatable choices. */
export class Random {
  /** Tells how to make the same choices again; for messages. */
  readonly seed = `AXISCRIPT_HOSTILE_SEED=${SEED}`;
  readonly #next: () => number;

  /** @param stream tells apart who makes choices with one seed */
  constructor(stream = 0) {
    // Neighbouring seeds must not begin alike, as those of xorshift do.
    this.#next = randomNumbers(Math.imul(SEED * 1000 + stream + 1, 0x9e3779b1));
    for (let skipped = 0; skipped < 8; skipped++) this.#next();
  }

  /** A whole number from 0 up to, not including, `limit`. */
  below(limit: number): number {
    return Math.floor(this.#next() * limit);
  }

  /** True once in `n` times. */
  oneIn(n: number): boolean {
    return this.below(n) === 0;
  }

  pick<T>(choices: readonly T[]): T {
    const chosen = choices[this.below(choices.length)];
    if (chosen === undefined) throw new RangeError("there is nothing to choose from");
    return chosen;
  }

  /** Any number of 32 bits, as WebAssembly gives it to JavaScript. */
  int32(): number {
    return (this.#next() * 2 ** 32) | 0;
  }

  /** Any number of 64 bits, as WebAssembly gives it to JavaScript. */
  int64(): bigint {
    return BigInt.asIntN(64, (BigInt(this.int32()) << 32n) | BigInt(this.int32() >>> 0));
  }
}
