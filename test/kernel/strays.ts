import { AxiscriptError, createRuntime } from "../../host/index";
import {
  BESIDE_A_RANGE,
  ELSEWHERE,
  FAR_TOO_LONG,
  INSIDE_A_RANGE,
  OUT_OF_A_RANGE,
  type StrayAim,
} from "../support/stray-aims";

/** What became of the transfers that a script tried. */
export interface StrayReport {
  /** How many were refused. */
  readonly refused: number;
  /** What was aimed at, where it was the script's own memory after all, which the kernel had put there. */
  readonly own: readonly string[];
  /** What else became of them. */
  readonly others: readonly string[];
}

/** Of the buffer: one line; more than a page. */
const LENGTHS_BYTES = [64, 3 * 4096];
const LANDED_ON_OWN = 3;

/** In the guest, `strays.js DEVICES SCRIPT KIND`: runs a script once for each aim, and prints a report, as JSON. */
async function main([devices = "", script = "", kind = ""]: string[]): Promise<void> {
  const runtime = await createRuntime({
    ...{ board: "linux", deviceDirectories: [devices], permissions: { allow: { all: true } } },
  });
  const shoot = (aim: StrayAim, direction: string, lengthBytes: number, ...rest: string[]): string | number => {
    const { ofRange, more } = aim.lines ?? { ofRange: 0, more: 1 };
    const offset = BigInt.asUintN(64, aim.offsetBytes).toString(16);
    const args = [kind, direction, `${lengthBytes}`, aim.from, offset, `${ofRange}`, `${more}`, ...rest];
    try {
      return runtime.runSync(script, { args, stdout: 2 }).exitCode;
    } catch (error) {
      if (!(error instanceof AxiscriptError)) throw error;
      return error.code;
    }
  };
  const hasLength = kind === "AxiTrafficGen";
  const beside = [...BESIDE_A_RANGE, ...(hasLength ? OUT_OF_A_RANGE : [])];
  const elsewhere = [...ELSEWHERE, ...(hasLength ? FAR_TOO_LONG : [])];
  const shots = [
    ...LENGTHS_BYTES.flatMap((lengthBytes) => beside.map((aim) => ({ aim, lengthBytes }))),
    ...elsewhere.map((aim) => ({ aim, lengthBytes: 64 })),
  ];
  const outcomes = shots.map(({ aim, lengthBytes }, index) => {
    // Each start takes half a second there: with two devices each aim comes with either direction.
    const direction = (index % 2 === 0) === hasLength ? "write" : "read";
    return { what: `${direction} of ${aim.what} ${lengthBytes} bytes`, outcome: shoot(aim, direction, lengthBytes) };
  });
  const others = outcomes.filter(({ outcome }) => outcome !== "ERR_AXI_DMA_REFUSED" && outcome !== LANDED_ON_OWN);
  const report: StrayReport = {
    refused: outcomes.filter(({ outcome }) => outcome === "ERR_AXI_DMA_REFUSED").length,
    own: outcomes.filter(({ outcome }) => outcome === LANDED_ON_OWN).map(({ what }) => what),
    others: others.map(({ what, outcome }) => `${what}: ${outcome}`),
  };
  // What is the script's own shows that the others could have been made.
  for (const direction of ["write", "read"]) {
    const outcome = shoot(INSIDE_A_RANGE, direction, 64, "own");
    if (outcome !== 0) throw new Error(`a ${direction} of the script's own memory: ${outcome}`);
  }
  await runtime.close();
  process.stdout.write(JSON.stringify(report));
}

void main(process.argv.slice(2));
