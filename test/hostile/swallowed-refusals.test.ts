import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { createRuntime, type ErrorCode, type Runtime } from "../../host/index";
import { parseTransfers, type RecordedTransfer } from "../support/bus-record";
import { rejectsWith } from "../support/expect";
import { tameScript } from "../support/random-modules";
import { opening, type Place } from "../support/random-script";
import { temporaryDirectory, temporaryFile } from "../support/temporary";

const test = suite("scripts that swallow a refusal and go on");

const PLACE: Place = { design: "axi_proxy", port: "hpc" };
const [SCRATCH, STATUS, CONTROL, ADDR_LO, ADDR_HI] = [0x0c, 0x10, 0x14, 0x40, 0x44] as const;
const READY = 0x300;
/** What the script writes before it is refused something, and what it tries to write afterwards. */
const [BEFORE, AFTER] = [0x11, 0x22] as const;
const ROUNDS = 200;
const TIMEOUT_MS = 20_000;
/** Of scripts that loop without end when they have tried everything. */
const SHORT_TIMEOUT_MS = 1000;
const WITHOUT_END = "(loop $ever (br $ever))";

const caught = (body: string) => `(try (do ${body}) (catch_all))`;
const write = (offset: number, value: number, window = 0) =>
  `(call $write32 (i32.const ${window}) (i32.const ${offset}) (i32.const ${value}))`;
const read = (offset: number) => `(drop (call $read32 (i32.const 0) (i32.const ${offset})))`;
const poll = (offset: number, mask: number, value: number) =>
  `(drop (call $poll32 (i32.const 0) (i32.const ${offset}) (i32.const ${mask}) (i32.const ${value}) (i32.const 5000)))`;
const transfer = (address: number, start: number) =>
  [write(ADDR_LO, address), write(ADDR_HI, 0), write(CONTROL, start)].join(" ");

/** What the gate refuses. */
const REFUSED: readonly (readonly [what: string, steps: string, code: ErrorCode])[] = [
  ["a write to a register that is read-only", write(0, AFTER), "ERR_AXI_GATE"],
  ["a write where no register is", write(0x30, AFTER), "ERR_AXI_GATE"],
  ["a read outside of the registers", read(0x1000), "ERR_AXI_GATE"],
  ["a read of a window that was never opened", "(drop (call $read32 (i32.const 7) (i32.const 0)))", "ERR_AXI_GATE"],
  ["a poll outside of the registers", poll(-4, 1, 1), "ERR_AXI_GATE"],
  [
    "a write of 64 bits to a register of 32",
    "(call $write64 (i32.const 0) (i32.const 12) (i64.const 34))",
    "ERR_AXI_GATE",
  ],
  ["a transfer from memory of others", transfer(0x1000, 2), "ERR_AXI_DMA_REFUSED"],
  ["a transfer to memory of others", transfer(0x1000, 1), "ERR_AXI_DMA_REFUSED"],
  ["both at once", transfer(0x1000, 3), "ERR_AXI_DMA_REFUSED"],
];

/** Everything with which a script might still reach a device; each would work, had nothing been refused. */
const ATTEMPTS = [
  write(SCRATCH, AFTER),
  read(SCRATCH),
  "(call $aim_0 (i32.const 0) (i32.const 0))",
  "(call $start_0 (i32.const 1))",
  "(call $start_0 (i32.const 0))",
  poll(CONTROL, 3, 0),
  poll(STATUS, READY, READY),
  "(drop (call $acquire (i32.const 0) (i32.const 1)))",
  "(drop (call $close (i32.const 0)))",
  opening(PLACE, "hp"),
  // The number of the window that was opened last.
  write(SCRATCH, AFTER, 256),
  "(drop (call $remove))",
].map(caught);

/** A script that is refused something, catches that, tries everything, and then does something last. */
function scriptThatIs(refused: string, last = ""): Promise<Uint8Array> {
  const rounds = `(loop $next ${ATTEMPTS.join(" ")}
    (local.set $at (i32.add (local.get $at) (i32.const 1)))
    (br_if $next (i32.lt_u (local.get $at) (i32.const ${ROUNDS}))))`;
  const steps = [write(SCRATCH, BEFORE), caught(refused), rounds, last];
  return tameScript(PLACE, steps.join("\n"));
}

/** The scratch registers of the cores at all ports, as the board's files show them. */
function scratchRegisters({ sysroot }: Runtime): number[] {
  return ["uio0", "uio1", "uio2"].map((id) => readFileSync(join(sysroot, "dev", id)).readUInt32LE(SCRATCH));
}

/** Runs `body` on a board; gives the transfers that its record has. */
async function onBoard(body: (runtime: Runtime) => Promise<void>): Promise<RecordedTransfer[]> {
  const record = join(temporaryDirectory(), "record.jsonl");
  const runtime = await createRuntime({ board: "virtual", record });
  try {
    await runtime.run(temporaryFile("program.wasm", await tameScript(PLACE, "")));
    await body(runtime);
  } finally {
    await runtime.close();
  }
  return parseTransfers(readFileSync(record, "utf8"));
}

for (const [what, steps, code] of REFUSED) {
  test(`${what}: nothing reaches a device afterwards, and the run ends with the refusal`, async () => {
    const script = temporaryFile("swallow.wasm", await scriptThatIs(steps));
    const transfers = await onBoard(async (runtime) => {
      const options = { timeoutMs: TIMEOUT_MS };
      for (const run of [() => runtime.run(script, options), () => runtime.runSync(script, options)]) {
        await rejectsWith(code, run);
        assert.equal(scratchRegisters(runtime), [0, BEFORE, 0]);
      }
    });
    assert.equal(transfers, []);
  });
}

test("a script that was refused something does go on, for as long as it may", async () => {
  const script = temporaryFile("endless.wasm", await scriptThatIs(transfer(0x1000, 2), WITHOUT_END));
  await onBoard(async (runtime) => {
    const started = performance.now();
    await rejectsWith("ERR_AXI_DMA_REFUSED", () => runtime.run(script, { timeoutMs: SHORT_TIMEOUT_MS }));
    assert.ok(performance.now() - started >= SHORT_TIMEOUT_MS, "it ended before");
  });
});

test("without a refusal the same attempts reach devices and FPGA", async () => {
  const script = temporaryFile("unrefused.wasm", await scriptThatIs("(nop)"));
  const transfers = await onBoard(async (runtime) => {
    // In the second round the window is closed.
    await rejectsWith("ERR_AXI_GATE", () => runtime.run(script, { timeoutMs: TIMEOUT_MS }));
    assert.equal(readdirSync(join(runtime.sysroot, "configfs/device-tree/overlays")), []);
  });
  assert.ok(transfers.some(({ response }) => response === "OKAY"));
});

test.run();
