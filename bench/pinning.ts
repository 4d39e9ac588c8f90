import { messageOf } from "../host/util/errors";
import type { LinearMemory } from "../host/memory/linear-memory";
import { type Pin, Pins } from "../host/memory/pins";
import { cProgram } from "./baselines";
import { comparePairs, median, outputOf, type Row, rowOf, Skip } from "./measure";
import { touchedMemory } from "./memory";

const LENGTH_BYTES = 64 * 2 ** 20;
const REPEATS = 21;

/** A pin of 64 MiB beside the bare system call; the end of the pin is not timed. */
export async function pinning(): Promise<Row[]> {
  return [
    rowOf("pin 64 MiB", (name) => {
      const program = cProgram("pin");
      const pins = pinsFor(touchedMemory(LENGTH_BYTES, "ascending"));
      return comparePairs(
        { name, baseline: "C, io_uring_register alone", unit: "µs", runs: 31, aim: { atMost: 1.3 } },
        {
          ours: () => median(Array.from({ length: REPEATS }, () => pinMs(pins))) * 1e3,
          baseline: () => Number(outputOf([program, String(LENGTH_BYTES), String(REPEATS)])) / 1e3,
        },
      );
    }),
  ];
}

/** @throws Skip where io_uring is missing or forbidden */
function pinsFor(memory: LinearMemory): Pins {
  const pins = new Pins(memory);
  if (pins.mechanism !== "io_uring") throw new Skip(`pages are pinned with ${pins.mechanism} here`);
  return pins;
}

/** @throws Skip if the limits of the process forbid it */
function pinMs(pins: Pins): number {
  const started = performance.now();
  const pin = pinAll(pins);
  const timeMs = performance.now() - started;
  pin.release();
  return timeMs;
}

function pinAll(pins: Pins): Pin {
  try {
    return pins.pin(0, LENGTH_BYTES);
  } catch (error) {
    throw new Skip(messageOf(error));
  }
}
