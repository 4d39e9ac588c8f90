import type { Options } from "yargs";
import { AxiscriptError, type Faults } from "../index";

/** Options of every command that starts a virtual board. */
export const BOARD_OPTIONS = {
  fault: {
    string: true,
    array: true,
    nargs: 1,
    describe:
      "Let cores of the virtual board misbehave: PORT:never-ready, PORT:never-done or PORT:slow; PORT is hp, hpc or acp",
  },
  "bus-log": {
    string: true,
    describe: "Record every transfer on the virtual board's bus in this file, as lines of JSON",
  },
  model: {
    string: true,
    array: true,
    nargs: 1,
    describe: "Put a core of your own on the virtual board: a JavaScript module; can be repeated. See docs/models.md",
  },
  seed: { number: true, describe: "Seed of the virtual board's transfer durations [default: 1]" },
} as const satisfies Record<string, Options>;

interface BoardFlags {
  readonly fault?: readonly string[] | undefined;
  readonly "bus-log"?: string | undefined;
  readonly model?: readonly string[] | undefined;
  readonly seed?: number | undefined;
}

const FAULT = /^(hp|hpc|acp):(never-ready|never-done|slow)$/;

/** What {@link BOARD_OPTIONS} mean for the library. */
export function boardOptions({ fault = [], "bus-log": busLog, model, seed }: BoardFlags) {
  return {
    faults: parseFaults(fault),
    ...(busLog === undefined ? {} : { busLog }),
    ...(model === undefined ? {} : { models: model }),
    ...(seed === undefined ? {} : { seed }),
  };
}

function parseFaults(texts: readonly string[]): Faults {
  return Object.fromEntries(
    texts.map((text) => {
      const [, port, fault] = FAULT.exec(text) ?? [];
      if (port && fault) return [port, fault];
      throw new AxiscriptError(
        "ERR_AXI_USAGE",
        `Cannot read the fault "${text}": write PORT:never-ready, PORT:never-done or PORT:slow, with PORT hp, hpc or acp.`,
      );
    }),
  );
}
