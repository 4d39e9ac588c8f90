import { closeSync, openSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { randomNumbers } from "../../host/board/fabric/port-timing";
import { compileScript, createRuntime, type Runtime, type RuntimeOptions } from "../../host/index";
import { PACKAGE } from "../support/cli";
import { rejectsWith } from "../support/expect";
import { assertNothingKept, pinnedKilobytes, settledResources } from "../support/resources";

/** How many moments to stop a script at. */
const MOMENTS = Number(process.env["AXISCRIPT_STOPS"] ?? 1000);
/** So often a script must also run to its end. */
const WHOLE_RUN_EVERY = 20;
const SEED = 4;

const STATUS = 0x10;
const CONTROL = 0x14;
const READY = 0x300;
const START = 0x3;

const test = suite("stopping at any moment");

/** The registers of the core at a port, as the board's file shows them. */
function registersOf({ sysroot }: Runtime, port: string): Buffer {
  const path = (name: string) => join(sysroot, "sys/class/uio", name);
  const id = readdirSync(path("")).find((name) =>
    readFileSync(path(`${name}/device/of_node/jan-note`), "latin1").startsWith(`${port}\0`),
  );
  return readFileSync(join(sysroot, "dev", id ?? "none"));
}

interface Moments {
  readonly count: number;
  /** Later than a script needs for its first rounds. */
  readonly latestMs: number;
  readonly board: RuntimeOptions;
}

/** Stops a script that does all sorts of things, again and again, and looks each time at what is left. */
async function stopAtRandom({ count, latestMs, board }: Moments): Promise<void> {
  const random = randomNumbers(SEED);
  const script = await compileScript(join(PACKAGE, "test/scripts/endless.ts"));
  const stdout = openSync("/dev/null", "w");
  const runtime = await createRuntime({ board: "virtual", ...board });
  const whole = async () => assert.is((await runtime.run(script, { args: ["4"], stdout })).exitCode, 0);
  await whole();
  const pinned = pinnedKilobytes();
  const before = await settledResources();
  for (let moment = 0; moment < count; moment++) {
    const controller = new AbortController();
    const running = runtime.run(script, { stdout, signal: controller.signal });
    setTimeout(() => controller.abort(new Error("enough")), random() * latestMs);
    const { cause } = await rejectsWith("ERR_AXI_ABORTED", () => running);
    assert.is((cause as Error).message, "enough");
    assert.is(pinnedKilobytes(), pinned, `after stop ${moment}`);
    const registers = registersOf(runtime, "hpc");
    assert.is(registers.readUInt32LE(STATUS) & READY, READY, `the core is at work after stop ${moment}`);
    assert.is(registers.readUInt32LE(CONTROL) & START, 0);
    if (moment % WHOLE_RUN_EVERY === 0) await whole();
  }
  await whole();
  await assertNothingKept(before);
  await runtime.close();
  closeSync(stdout);
}

test(`a script that is stopped at any of ${MOMENTS} moments leaves nothing behind, and the next one runs`, () =>
  stopAtRandom({ count: MOMENTS, latestMs: 25, board: {} }));

test("the same, in the middle of transfers that take long", () =>
  stopAtRandom({ count: Math.ceil(MOMENTS / 20), latestMs: 200, board: { faults: { hpc: "slow" } } }));

test.run();
