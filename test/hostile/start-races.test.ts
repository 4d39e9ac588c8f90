import { closeSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { compileScript, type CompiledScript, createRuntime, type Runtime } from "../../host/index";
import { parseTransfers } from "../support/bus-record";
import { axiscript } from "../support/cli";
import { rejectsWith } from "../support/expect";
import { WITH_PROXY } from "../support/run-script";
import { temporaryDirectory, temporaryFile } from "../support/temporary";

const test = suite("races for one device");

const TIMEOUT_MS = 120_000;
const TRANSFERS_OF_A_VICTIM = 200;
const LEAST_ATTACKS = 5;
const FOREIGN_ATTACKS = 3;
const LINE_BYTES = 64;

/** Tells where its line is; then writes and reads it, again and again, and checks each. */
const VICTIM = `
import { AxiProxy, CacheLineArray, UioDevice, VirtualToPhysical, virtualAddressOf } from "axiscript/assembly";
const proxy = new AxiProxy(UioDevice.openShared("AxiProxy", "hpc"));
proxy.timeoutMs = 20000;
const lines = new CacheLineArray<i32>(48);
for (let i = 0; i < 48; i++) lines[i] = 0x5a5a5a5a;
const paddr = new VirtualToPhysical().getPhysicalAddress(virtualAddressOf(lines)) + 64;
console.log(paddr.toString());
for (let i = 0; i < ${TRANSFERS_OF_A_VICTIM}; i++) {
  proxy.write(paddr, [1, i, 2, 3]);
  assert(lines[16] == 1 && lines[17] == i && lines[18] == 2 && lines[19] == 3, "a write");
  const words = proxy.read(paddr).words;
  assert(words[0] == 1 && words[1] == u32(i), "a read");
  for (let j = 0; j < 16; j++) assert(lines[j] == 0x5a5a5a5a && lines[32 + j] == 0x5a5a5a5a, "beside");
}`;

/** Starts transfers of its own; the last aims at the address that it was given. It prints its own first, if it may know it. */
const ATTACKER = `
import { AxiProxy, CacheLineArray, UioDevice, VirtualToPhysical, virtualAddressOf } from "axiscript/assembly";
const target = U64.parseInt(process.argv[1]);
const start = <u32>parseInt(process.argv[2]);
const own = <i32>parseInt(process.argv[3]);
const takesTurn = process.argv[4] == "turn";
const device = UioDevice.openShared("AxiProxy", "hpc");
if (own > 0) {
  const proxy = new AxiProxy(device);
  proxy.timeoutMs = 20000;
  const xs = new CacheLineArray<i32>(16);
  const paddr = new VirtualToPhysical().getPhysicalAddress(virtualAddressOf(xs));
  console.log(paddr.toString());
  for (let i = 0; i < own; i++) proxy.write(paddr, [-1, -2, -3, -4]);
}
if (takesTurn) device.acquire(20000);
device.write32(0x40, <u32>target);
device.write32(0x44, <u32>(target >> 32));
for (let i: u32 = 0; i < 4; i++) device.write32(0x60 + 4 * i, 0xbad);
device.write32(0x14, start);
console.log("not refused");`;

let compiled: Promise<readonly [victim: CompiledScript, attacker: CompiledScript]> | undefined;
function scripts(): Promise<readonly [CompiledScript, CompiledScript]> {
  const compile = (name: string, source: string) =>
    compileScript(temporaryFile(name, source), { cacheDirectory: false });
  compiled ??= Promise.all([compile("victim.ts", VICTIM), compile("attacker.ts", ATTACKER)]);
  return compiled;
}

/** A run whose output can be read while it runs. */
function start(runtime: Runtime, script: CompiledScript, args: readonly string[] = []) {
  const output = join(temporaryDirectory(), "stdout");
  const stdout = openSync(output, "w");
  let isOver = false;
  const running = runtime.run(script, { args, stdout, timeoutMs: TIMEOUT_MS }).finally(() => {
    isOver = true;
    closeSync(stdout);
  });
  // Asked for later.
  running.catch(() => {});
  return { running, lines: () => readFileSync(output, "utf8").split("\n").slice(0, -1), isOver: () => isOver };
}

/** On a board that is programmed: `attack` is called with the victim's address until the victim is done, and some times at least. */
async function underAttack(attack: (runtime: Runtime, target: string, round: number) => Promise<string[]>) {
  const [victimScript] = await scripts();
  const record = join(temporaryDirectory(), "record.jsonl");
  const runtime = await createRuntime({ board: "virtual", record });
  const allowed = new Set<number>();
  let attacks = 0;
  try {
    await runtime.run(temporaryFile("program.ts", WITH_PROXY));
    const victim = start(runtime, victimScript);
    const deadline = performance.now() + TIMEOUT_MS;
    while (victim.lines().length === 0 && !victim.isOver()) {
      assert.ok(performance.now() < deadline, "the victim does not begin");
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    const [target = ""] = victim.lines();
    allowed.add(Number(target));
    // On a busy machine the victim may be done before; its memory is not the attackers' then, either.
    for (; !victim.isOver() || attacks < LEAST_ATTACKS; attacks++) {
      for (const own of await attack(runtime, target, attacks)) allowed.add(Number(own));
    }
    await victim.running;
  } finally {
    await runtime.close();
  }
  const transfers = parseTransfers(readFileSync(record, "utf8"));
  const astray = transfers.filter(
    ({ physicalAddress, lengthBytes, response }) =>
      !allowed.has(physicalAddress) || lengthBytes !== LINE_BYTES || response !== "OKAY",
  );
  assert.equal(astray, []);
  assert.ok(transfers.length >= 2 * TRANSFERS_OF_A_VICTIM);
}

for (const turn of ["turn", "no turn"]) {
  test(`of two runs in one process, one that aims at the other's memory is refused (${turn})`, async () => {
    const [, attackerScript] = await scripts();
    await underAttack(async (runtime, target, round) => {
      const attacker = start(runtime, attackerScript, [target, String(1 + (round % 3)), "20", turn]);
      await rejectsWith("ERR_AXI_DMA_REFUSED", () => attacker.running);
      return attacker.lines();
    });
  });
}

test("a run in another process that aims at the memory of this one's is refused", async () => {
  const attacker = temporaryFile("attacker.ts", ATTACKER);
  await underAttack(async ({ sysroot }, target, round) => {
    if (round >= FOREIGN_ATTACKS) {
      await new Promise((resolve) => setTimeout(resolve, 1));
      return [];
    }
    const flags = ["run", "-A", "--board=linux", "--sysroot", sysroot];
    const turn = round % 2 === 0 ? "turn" : "no turn";
    const { status, stdout, stderr } = await axiscript([
      ...flags,
      attacker,
      target,
      String(1 + (round % 3)),
      "0",
      turn,
    ]);
    assert.match(stderr, /^ERR_AXI_DMA_REFUSED: /m);
    assert.is(status, 134);
    assert.is(stdout, "");
    return [];
  });
});

test.run();
