import type { Options } from "yargs";
import { AxiscriptError, type Coherency, type Faults } from "../index";

/** Options of every command that starts a virtual board. */
export const BOARD_OPTIONS = {
  fault: {
    string: true,
    array: true,
    nargs: 1,
    describe:
      "Let cores of the virtual board misbehave: PORT:never-ready, PORT:never-done or PORT:slow; PORT is hp, hpc or acp",
  },
  coherency: {
    choices: ["relaxed", "strict"] as const satisfies readonly Coherency[],
    describe:
      "Whether ports of the virtual board that do not snoop the processor's caches (HP) see only what was synchronised: strict",
  },
  record: {
    string: true,
    describe:
      "Record what happens on the virtual board in this file, as lines of JSON: transfers, writes to registers, kernel events",
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
  readonly coherency?: Coherency | undefined;
  readonly record?: string | undefined;
  readonly model?: readonly string[] | undefined;
  readonly seed?: number | undefined;
}

const FAULT = /^(hp|hpc|acp):(never-ready|never-done|slow)$/;

/** What {@link BOARD_OPTIONS} mean for the library. */
export function boardOptions({ fault = [], coherency, record, model, seed }: BoardFlags) {
  return {
    faults: parseFaults(fault),
    ...(coherency === undefined ? {} : { coherency }),
    ...(record === undefined ? {} : { record }),
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
