import { AxiscriptError, compileScript, createRuntime } from "../../host/index";
import { pageSizeBytes } from "../../host/native/libc";
import { foreignMemory } from "../support/foreign-memory";
import { reserveHugePages } from "../support/huge-pages";
import {
  BESIDE_A_RANGE,
  ELSEWHERE,
  FAR_TOO_LONG,
  INSIDE_A_RANGE,
  OUT_OF_A_RANGE,
  type StrayAim,
} from "../support/stray-aims";

type StrayKind = "AxiProxy" | "AxiTrafficGen";

/** What became of the transfers that a script tried with a device. */
export interface StrayReport {
  /** How many were refused. */
  readonly refused: number;
  /** What was aimed at, where it was the script's own memory after all, which the kernel had put there. */
  readonly own: readonly string[];
  /** What else became of them. */
  readonly others: readonly string[];
}

/** What became of all of them. */
export interface StrayReports extends Readonly<Record<StrayKind, StrayReport>> {
  /** Whether the memory of another process, at which some were aimed, is what it was. */
  readonly isForeignUnchanged: boolean;
}

/** What a buffer rests on, as `Backing` of the SDK has it. A u-dma-buf is not tried: there is no driver for it there. */
const BACKINGS = { pages: 0, transparentHugePages: 1, hugetlb: 2 } as const;
type Backing = keyof typeof BACKINGS;

interface Shot {
  readonly aim: StrayAim;
  readonly lengthBytes: number;
  readonly backing: Backing;
  /** What is wanted of the script's own memory. */
  readonly wanted?: "own" | "freed";
}

const LINE_BYTES = 64;
/** Of the buffer: one line; more than a page. */
const LENGTHS_BYTES = [LINE_BYTES, 3 * pageSizeBytes];
const HUGE_PAGE_BYTES = 2 * 2 ** 20;
/** Kernels as old as 6.1 give pinned memory back up to a second after it was let go. */
const HUGE_PAGES = 8;
const HUGE_BACKINGS = ["transparentHugePages", "hugetlb"] as const;
const LANDED_ON_OWN = 3;

/** Everything that is tried with a device, and must be refused. */
function shotsWith(kind: StrayKind, foreignPages: readonly number[]): Shot[] {
  const hasLength = kind === "AxiTrafficGen";
  const beside = [...BESIDE_A_RANGE, ...(hasLength ? OUT_OF_A_RANGE : [])];
  // Each start takes half a second there: of a huge page the line beside it is tried with one device, with the other one
  // what is longer than it.
  const besideHuge = hasLength ? OUT_OF_A_RANGE : BESIDE_A_RANGE;
  const elsewhere = [...ELSEWHERE, ...(hasLength ? FAR_TOO_LONG : []), ...foreignAims(foreignPages)];
  const backings = Object.keys(BACKINGS) as Backing[];
  return [
    ...LENGTHS_BYTES.flatMap((lengthBytes) => beside.map((aim): Shot => ({ aim, lengthBytes, backing: "pages" }))),
    ...HUGE_BACKINGS.flatMap((backing) =>
      besideHuge.map((aim): Shot => ({ aim, lengthBytes: HUGE_PAGE_BYTES, backing })),
    ),
    ...elsewhere.map((aim): Shot => ({ aim, lengthBytes: LINE_BYTES, backing: "pages" })),
    ...backings.map((backing): Shot => ({
      aim: INSIDE_A_RANGE,
      lengthBytes: HUGE_PAGE_BYTES,
      backing,
      wanted: "freed",
    })),
  ];
}

/** Of the memory of another process: its first line, its last one, and one between. */
function foreignAims(pages: readonly number[]): StrayAim[] {
  const [first = 0, middle = 0, last = 0] = [pages[0], pages[pages.length >> 1], pages.at(-1)];
  return [first, middle, last + pageSizeBytes - LINE_BYTES].map((address) => {
    return { what: "a page of another process in", from: "zero", offsetBytes: BigInt(address) };
  });
}

function nameOf({ aim, lengthBytes, backing, wanted }: Shot): string {
  return `${aim.what} ${lengthBytes} bytes of ${backing}${wanted ? `, ${wanted}` : ""}`;
}

/** In the guest, `strays.js DEVICES SCRIPT`: runs a script once for each aim, with each device, and prints reports, as JSON. */
async function main([devices = "", script = ""]: string[]): Promise<void> {
  const hugePages = reserveHugePages(HUGE_PAGES);
  const foreign = await foreignMemory();
  const runtime = await createRuntime({
    ...{ board: "linux", deviceDirectories: [devices], permissions: { allow: { all: true } } },
  });
  const compiled = await compileScript(script);
  const shoot = (kind: StrayKind, direction: string, { aim, lengthBytes, backing, wanted }: Shot): string | number => {
    const { ofRange, more } = aim.lines ?? { ofRange: 0, more: 1 };
    const offset = BigInt.asUintN(64, aim.offsetBytes).toString(16);
    const buffer = [`${lengthBytes}`, `${BACKINGS[backing]}`];
    const args = [kind, direction, ...buffer, aim.from, offset, `${ofRange}`, `${more}`, ...(wanted ? [wanted] : [])];
    try {
      return runtime.runSync(compiled, { args, stdout: 2 }).exitCode;
    } catch (error) {
      if (!(error instanceof AxiscriptError)) throw error;
      return error.code;
    }
  };
  const reportOf = (kind: StrayKind): StrayReport => {
    const outcomes = shotsWith(kind, foreign.pages).map((shot, index) => {
      // With two devices each aim comes with either direction.
      const direction = (index % 2 === 0) === (kind === "AxiTrafficGen") ? "write" : "read";
      return { what: `${direction} of ${nameOf(shot)}`, outcome: shoot(kind, direction, shot) };
    });
    const others = outcomes.filter(({ outcome }) => outcome !== "ERR_AXI_DMA_REFUSED" && outcome !== LANDED_ON_OWN);
    // What is the script's own shows that the others could have been made.
    for (const direction of ["write", "read"]) {
      const own: Shot = { aim: INSIDE_A_RANGE, lengthBytes: LINE_BYTES, backing: "pages", wanted: "own" };
      const outcome = shoot(kind, direction, own);
      if (outcome !== 0) throw new Error(`a ${direction} of the script's own memory: ${outcome}`);
    }
    return {
      refused: outcomes.filter(({ outcome }) => outcome === "ERR_AXI_DMA_REFUSED").length,
      own: outcomes.filter(({ outcome }) => outcome === LANDED_ON_OWN).map(({ what }) => what),
      others: others.map(({ what, outcome }) => `${what}: ${outcome}`),
    };
  };
  const reports = { AxiProxy: reportOf("AxiProxy"), AxiTrafficGen: reportOf("AxiTrafficGen") };
  await runtime.close();
  hugePages.release();
  const all: StrayReports = { ...reports, isForeignUnchanged: await foreign.close() };
  process.stdout.write(JSON.stringify(all));
}

void main(process.argv.slice(2));
