import { spawnSync } from "node:child_process";
import { closeSync, openSync, readFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { AxiscriptError, createRuntime, type Runtime } from "../../host/index";
import { parseTransfers, type RecordedTransfer } from "../support/bus-record";
import { boardsOf } from "../support/cli";
import { GrantedRanges } from "../support/granted-ranges";
import { Random, scaled } from "../support/random";
import { RandomModule, tameScript } from "../support/random-modules";
import { BYSTANDER, grantOf, ONE_TRANSFER, type Place } from "../support/random-script";
import { settledResources } from "../support/resources";
import { temporaryDirectory, temporaryFile } from "../support/temporary";

const test = suite("random modules");

const MODULES = scaled(7);
const SCRIPTS_OF_A_MODULE = 15;
const RANDOM_BYTES = 6000;
const TIMEOUT_MS = 150;
/** Later than anything here on a machine that has other things to do. */
const DEADLINE_MS = 60_000;
/** What a script is not to blame for: it was linked, and its board works. */
const UNDUE_KINDS = ["link", "compile", "usage", "platform", "board"];
const PROGRAMMING_ERRORS = [TypeError, ReferenceError, SyntaxError, EvalError, URIError];

/** What came of the runs: exit, or codes of errors; and transfers. */
type Counts = Record<string, number>;

async function inTime<T>(what: string, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} is not over after ${DEADLINE_MS} ms`)), DEADLINE_MS);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** A board, its record, and a script that only has memory on it. */
class Range {
  readonly #runtime: Runtime;
  readonly #record: string;
  readonly #stream = openSync("/dev/null", "r+");
  readonly #fifo = join(temporaryDirectory(), "stdin");
  readonly #wake: number;
  readonly #bystander: Promise<unknown>;
  readonly #marker: string;
  /** Of the record's lines: the first is the first mark. */
  #taken = 1;

  private constructor(runtime: Runtime, record: string, bystander: string, marker: string) {
    this.#runtime = runtime;
    this.#record = record;
    this.#marker = marker;
    spawnSync("mkfifo", [this.#fifo]);
    this.#wake = openSync(this.#fifo, "r+");
    const streams = { stdin: this.#wake, stdout: this.#stream, stderr: this.#stream };
    this.#bystander = runtime.run(bystander, streams);
    // Asked at the end.
    this.#bystander.catch(() => {});
  }

  static async make(design: Place["design"]): Promise<Range> {
    const record = join(temporaryDirectory(), "record.jsonl");
    const bystander = temporaryFile("bystander.wasm", await tameScript({ design, port: "acp" }, BYSTANDER));
    const marker = temporaryFile("marker.wasm", await tameScript({ design, port: "hp" }, ONE_TRANSFER));
    const runtime = await createRuntime({ board: "virtual", record });
    // Programs the FPGA, too, for both.
    await runtime.run(marker, { onNote: (m) => /kept/.test(m) && process.stderr.write(`MARKER0 ${m}\n`) });
    return new Range(runtime, record, bystander, marker);
  }

  /** Runs a script; what came of it, and no transfer where it was granted nothing. */
  async run(wasm: Uint8Array, counts: Counts): Promise<void> {
    const granted = new GrantedRanges();
    const onNote = (message: string) => {
      const segment = grantOf(message);
      if (segment) granted.add({ guestPtr: 0, lengthBytes: 0, use: "both", segments: [segment] });
    };
    const streams = { stdin: this.#stream, stdout: this.#stream, stderr: this.#stream };
    const script = temporaryFile("random.wasm", wasm);
    let outcome = "exit";
    try {
      await inTime("a run", this.#runtime.run(script, { ...streams, timeoutMs: TIMEOUT_MS, onNote }));
    } catch (error) {
      if (!(error instanceof AxiscriptError)) throw error;
      const { cause } = error;
      if (PROGRAMMING_ERRORS.some((kind) => cause instanceof kind)) throw cause;
      if (UNDUE_KINDS.includes(error.kind)) throw error;
      outcome = error.code;
    }
    counts[outcome] = (counts[outcome] ?? 0) + 1;
    // Not all are answered with OKAY: a script may put a region of another kind over pages that were granted before.
    for (const { direction, physicalAddress, lengthBytes } of await this.#transfers()) {
      const what = `${direction} of ${lengthBytes} bytes at ${physicalAddress.toString(16)}`;
      assert.ok(granted.covers(direction, physicalAddress, physicalAddress + lengthBytes), `${what}: not granted`);
      counts["transfers"] = (counts["transfers"] ?? 0) + 1;
    }
  }

  /** Throws if a byte of the script has changed that only has memory here. */
  async close(): Promise<void> {
    writeSync(this.#wake, "x");
    await inTime("the script that only has memory", this.#bystander);
    await this.#runtime.close();
    closeSync(this.#wake);
    closeSync(this.#stream);
  }

  /** The transfers since the last call: what stands in the record before one that is made now. */
  async #transfers(): Promise<RecordedTransfer[]> {
    const t = performance.now();
    await this.#runtime.run(this.#marker, {
      onNote: (m) =>
        /kept/.test(m) &&
        process.stderr.write(
          `MARKER ${m} ${performance.now() - t}\n${readFileSync(this.#record, "utf8").split("\n").slice(-40).join("\n")}\n`,
        ),
    });
    const deadline = performance.now() + DEADLINE_MS;
    for (;;) {
      const text = readFileSync(this.#record, "utf8");
      const fresh = parseTransfers(text.slice(0, text.lastIndexOf("\n") + 1)).slice(this.#taken);
      const mark = fresh.findIndex(({ port }) => port === "hp");
      if (mark >= 0) {
        this.#taken += mark + 1;
        return fresh.slice(0, mark);
      }
      assert.ok(performance.now() < deadline, "the bus has not recorded a transfer");
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  }
}

/** Runs many scripts of one module on a board of their own. */
async function tryModule(index: number, counts: Counts): Promise<void> {
  const random = new Random(index);
  const place: Place = { design: index % 2 === 0 ? "axi_traffic_gen" : "axi_proxy", port: "hpc" };
  const module = await RandomModule.make(random, RANDOM_BYTES);
  const range = await Range.make(place.design);
  let script = 0;
  try {
    for (; script < SCRIPTS_OF_A_MODULE; script++) await range.run(await module.script(random, place), counts);
  } catch (error) {
    const reason = error instanceof Error ? (error.stack ?? error.message) : String(error);
    throw new Error(`module ${index}, script ${script}, ${random.seed}: ${reason}`, { cause: error });
  } finally {
    await range.close();
  }
}

test("whatever a module does, the host goes on, nothing is left, and no transfer leaves granted memory", async () => {
  const counts: Counts = {};
  await tryModule(0, counts);
  const before = await settledResources();
  for (let index = 1; index < MODULES; index++) await tryModule(index, counts);
  assert.equal(await settledResources(), before);
  assert.equal(boardsOf(process.pid), []);
  const expected = ["transfers", "ERR_AXI_DMA_REFUSED", "ERR_AXI_GATE", "ERR_AXI_TRAP", "ERR_AXI_TIMEOUT"];
  const missing = expected.filter((what) => counts[what] === undefined);
  assert.equal(missing, [], JSON.stringify(counts));
});

test.run();
