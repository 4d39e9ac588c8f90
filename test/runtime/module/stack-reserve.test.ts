import { closeSync, openSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { AxiscriptError, compileScript, createRuntime } from "../../../host/index";
import { reserveStack } from "../../../host/runtime/module/stack-reserve";
import { assertNothingKept, settledResources } from "../../support/resources";
import { temporaryFile } from "../../support/temporary";

const test = suite("room on the stack");

/** Goes down, and has the host do something there that takes a descriptor, a lock, a mapping and a pin. */
const SOURCE = `
import { Backing, DmaBuffer, FpgaManager, UioDevice } from "axiscript/assembly";
const fpga = new FpgaManager();
const firmware = "/lib/firmware/xilinx/axi_proxy/axi_proxy";
if (!fpga.isProgrammed()) fpga.programBitstream(firmware + ".bit.bin", firmware + ".dtbo");
function work(): i32 {
  const device = UioDevice.open("AxiProxy", "hpc");
  DmaBuffer.alloc(4096, { backing: Backing.UDmaBuf }).free();
  DmaBuffer.alloc(4096).free();
  device.close();
  return 0;
}
// Without references, which AssemblyScript keeps on a stack of its own.
function dive(depth: i32): i32 {
  return depth > 0 ? dive(depth - 1) + 1 : work();
}
dive(<i32>parseInt(process.argv[1]));`;
/** More calls than fit on any stack here. */
const DEEPEST = 2 ** 18;
const STEP = 16;
const BEYOND = 1000;

for (const way of ["run", "runSync"] as const) {
  test(`a script that calls the host when its stack is nearly exhausted traps, and nothing is lost: ${way}`, async () => {
    const script = await compileScript(temporaryFile("deep.ts", SOURCE), { optimize: "0" });
    const stdout = openSync("/dev/null", "w");
    const runtime = await createRuntime({ board: "virtual" });
    const fits = async (depth: number): Promise<boolean> => {
      try {
        await runtime[way](script, { args: [`${depth}`], stdout });
        return true;
      } catch (error) {
        assert.is(error instanceof AxiscriptError && error.code, "ERR_AXI_TRAP", String(error));
        assert.match(String(error), "call stack is exhausted");
        return false;
      }
    };
    assert.ok(await fits(0));
    const before = await settledResources();
    const findLimit = async () => {
      let limit = 1;
      for (let step = DEEPEST; step >= STEP; step /= 2) if (await fits(limit + step)) limit += step;
      return limit;
    };
    // V8 optimises the script as it goes, and frames become smaller.
    let limit = await findLimit();
    for (let last = 0; Math.abs(limit - last) > STEP;) [last, limit] = [limit, await findLimit()];
    let refused = 0;
    for (let depth = limit - 5 * STEP; depth < limit + BEYOND; depth += STEP) if (!(await fits(depth))) refused++;
    assert.ok(refused > 0);
    await assertNothingKept(before);
    assert.ok(await fits(0));
    await runtime.close();
    closeSync(stdout);
  });
}

test("there is room, or a RangeError, also when V8 has optimised what asks for it", () => {
  const roomAt = (depth: number): number => {
    try {
      reserveStack();
    } catch (error) {
      assert.instance(error, RangeError);
      return count(0);
    }
    return roomAt(depth + 1);
  };
  const all = count(0);
  const cold = roomAt(0);
  for (let call = 0; call < 200_000; call++) reserveStack();
  const warm = roomAt(0);
  for (const left of [cold, warm]) assert.ok(left > 200 && left < all / 2, `${left} of ${all}`);
});

/** How many calls of this function the stack has room for. */
function count(depth: number): number {
  try {
    return count(depth + 1);
  } catch {
    return depth;
  }
}

test.run();
