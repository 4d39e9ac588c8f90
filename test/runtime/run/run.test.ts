import { readdirSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { createRuntime, OPTIMIZATION_LEVELS } from "../../../host/index";
import { rejectsWith } from "../../support/expect";
import { runFile, runText, WITH_PROXY } from "../../support/run-script";
import { temporaryFile } from "../../support/temporary";
import { assemble } from "../../support/wasm";

const test = suite("running scripts");

test("console, arguments, environment and exit code go through", async () => {
  const source = `
    console.log(process.argv.slice(1).join("|"));
    console.log(process.env.get("FRUIT"));
    process.exit(7);`;
  const { stdout, exitCode } = await runText(source, {}, { args: ["a b", "--c", "é"], env: { FRUIT: "pear" } });
  assert.is(stdout, "a b|--c|é\npear\n");
  assert.is(exitCode, 7);
});

test("a script sees no environment that it was not given", async () => {
  assert.is((await runText("console.log(process.env.size.toString());")).stdout, "0\n");
});

for (const optimize of ["0", "2", "3"] as const) {
  test(`a trap and an abort show file and line of the script, at -O${optimize}`, async () => {
    const trap = `
function divide(a: i32, b: i32): i32 {
  return a / b;
}
console.log(divide(1, process.argv.length - 1).toString());`;
    const trapped = await rejectsWith("ERR_AXI_TRAP", () => runText(trap, { optimize }));
    assert.match(trapped.message, "divide by zero");
    assert.match(trapped.scriptStack[0]?.file ?? "", /script\.ts$/);
    assert.is(trapped.scriptStack[0]?.line, 3);

    const abort = `
console.log("before");
if (process.argv.length > 0) throw new Error("no way");`;
    const aborted = await rejectsWith("ERR_AXI_ABORT", () => runText(abort, { optimize }));
    assert.match(aborted.message, "no way");
    assert.match(aborted.scriptStack[0]?.file ?? "", /script\.ts$/);
    assert.is(aborted.scriptStack[0]?.line, 3);
  });
}

/** Each ends the script: the gate refuses the access, or the SDK an index. */
const MISTAKES = [
  ["device.read32(0x4000);", "ERR_AXI_GATE"],
  ["device.write32(0x10, 1);", "ERR_AXI_GATE"],
  ["device.poll32(0x4000, 1, 1, 10);", "ERR_AXI_GATE"],
  ["proxy.ADDR_HI = proxy.SCRATCH + device.read32(0x12);", "ERR_AXI_GATE"],
  ["while (proxy.STATUS.READY_RD) closed.read32(0);", "ERR_AXI_GATE"],
  ["proxy.readDATA_RD(7);", "ERR_AXI_ABORT"],
  ["device.idleWhen(0x4000, 1, 1);", "ERR_AXI_GATE"],
] as const;

/** Makes the mistake with the number that it is given, between accesses that are none. */
const MISTAKEN = `${WITH_PROXY}
const text = "kept on the stack";
const proxy = new AxiProxy(device);
const closed = UioDevice.open("AxiProxy", "hp");
closed.close();
${MISTAKES.map(
  ([statement], index) => `
function mistake${index}(): u32 {
  let sum = device.read32(0) + proxy.ID_REG;
  proxy.SCRATCH = sum;
  ${statement}
  proxy.SCRATCH = device.read32(0x0c);
  return proxy.SCRATCH + proxy.STATUS.value;
}`,
).join("")}
const mistakes: (() => u32)[] = [${MISTAKES.map((_, index) => `mistake${index}`).join(", ")}];
console.log(text + mistakes[<i32>parseInt(process.argv[1])]().toString());
console.log(text);`;

for (const optimize of OPTIMIZATION_LEVELS) {
  test(`a refused access is shown at its own line, among others like it, at -O${optimize}`, async () => {
    const script = temporaryFile("script.ts", MISTAKEN);
    for (const [index, [statement, code]] of MISTAKES.entries()) {
      const args = [String(index)];
      const { scriptStack } = await rejectsWith(code, () => runFile(script, { optimize }, { args }));
      const [place] = scriptStack;
      assert.match(place?.file ?? "", /script\.ts$/, statement);
      assert.is(place?.line, MISTAKEN.split("\n").indexOf(`  ${statement}`) + 1, statement);
      assert.not(place?.approximate, statement);
    }
  });

  test(`an error of the host shows the line that called the SDK, at the top level too, at -O${optimize}`, async () => {
    const source = `${WITH_PROXY}
const text = "kept on the stack";
device.read32(0x4000);
console.log(text);`;
    const { scriptStack } = await rejectsWith("ERR_AXI_GATE", () => runText(source, { optimize }));
    assert.match(scriptStack[0]?.file ?? "", /script\.ts$/);
    assert.is(scriptStack[0]?.line, source.split("\n").indexOf("device.read32(0x4000);") + 1);
    assert.not(scriptStack[0]?.approximate);
  });
}

test("recursion without end is a trap", async () => {
  const source = "function f(n: i32): i32 { return f(n + 1) + 1; } console.log(f(0).toString());";
  assert.match((await rejectsWith("ERR_AXI_TRAP", () => runText(source))).message, "call stack");
});

test("a script that never returns is stopped, also in its start function and in a poll", async () => {
  const spin = "let x = 1; while (x != 0) x += 2;";
  const polling = `${WITH_PROXY}device.poll32(0, 0xff, 0x00, 1000000);`;
  for (const source of [spin, polling]) {
    const started = performance.now();
    await rejectsWith("ERR_AXI_TIMEOUT", () => runText(source, {}, { timeoutMs: 300 }));
    assert.ok(performance.now() - started >= 300);
  }
  const loop = [0x03, 0x40, 0x0c, 0x00, 0x0b];
  const module = temporaryFile("loop.wasm", assemble({ importMemory: [1], start: loop }));
  await rejectsWith("ERR_AXI_TIMEOUT", () => runFile(module, {}, { timeoutMs: 300 }));
});

test("a time limit that makes no sense is refused", async () => {
  for (const timeoutMs of [0, -1, 1.5, Number.NaN, 2 ** 32]) {
    await rejectsWith("ERR_AXI_USAGE", () => runText("", {}, { timeoutMs }));
  }
});

test("after a failure the runtime runs the next script, and nothing stays open", async () => {
  const script = temporaryFile(
    "script.ts",
    `${WITH_PROXY}
const xs = new CacheLineArray<i32>(16);
const paddr = new VirtualToPhysical().getPhysicalAddress(virtualAddressOf(xs));
const proxy = new AxiProxy(device);
proxy.write(paddr, [1, 2, 3, 4]);
if (process.argv.length > 1) unreachable();
process.exit(xs[3]);`,
  );
  const runtime = await createRuntime({ board: "virtual" });
  // The board's thread opens and closes files all the time, and may lose its core while one is open: the fewest of many
  // counts, over a while, are those that stay.
  const descriptors = async () => {
    let fewest = Infinity;
    for (let look = 0; look < 30; look++) {
      fewest = Math.min(fewest, readdirSync("/proc/self/fd").length);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    return fewest;
  };
  assert.is((await runtime.run(script)).exitCode, 4);
  const before = await descriptors();
  for (let round = 0; round < 20; round++) {
    await rejectsWith("ERR_AXI_TRAP", () => runtime.run(script, { args: ["fail"] }));
    assert.is((await runtime.run(script)).exitCode, 4);
  }
  assert.is(await descriptors(), before);
  await runtime.close();
});

test("a runtime that was closed runs nothing, and can be closed again", async () => {
  const script = temporaryFile("exit.wasm", assemble({ importMemory: [1], start: [] }));
  const runtime = await createRuntime({ board: "virtual" });
  await runtime.close();
  await runtime.close();
  await rejectsWith("ERR_AXI_USAGE", () => runtime.run(script));
});

test("a script whose memory has grown gets addresses in the new part", async () => {
  const source = `${WITH_PROXY}
const proxy = new AxiProxy(device);
const vtp = new VirtualToPhysical();
for (let round = 0; round < 6; round++) {
  memory.grow(10);
  const xs = new CacheLineArray<i32>(100000);
  const at = 99984;
  for (let i = 0; i < 16; i++) xs[at + i] = i;
  const paddr = vtp.getPhysicalAddress(virtualAddressOf(xs) + at * 4);
  const words = proxy.read(paddr).words;
  assert(words[3] == 3);
  proxy.write(paddr, [9, 8, 7, 6]);
  assert(xs[at + 3] == 6 && xs[at + 4] == 0 && xs[at - 1] == 0);
}
console.log("fine");`;
  assert.is((await runText(source)).stdout, "fine\n");
});

test.run();
