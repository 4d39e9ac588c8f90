import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { pageSizeBytes } from "../host/native/libc";
import { Pagemap } from "../host/memory/pagemap";
import { axiscript, PACKAGE } from "./support/cli";
import { canDropSysAdmin, seesPageFrames, testWhere, WITHOUT_SYS_ADMIN } from "./support/rights";
import { WITH_PROXY } from "./support/run-script";
import { temporaryDirectory, temporaryFile } from "./support/temporary";

const test = suite("examples");

const EXAMPLE = join(PACKAGE, "examples/numpy-acceleration.ts");
const PROGRAMMING = ["Programming FPGA...", "Programming done."];
const ALREADY_PROGRAMMED = ["FPGA already programmed."];

/** The notebook's output, line by line. */
function assertNotebook(stdout: string, programming: readonly string[]): void {
  const address = "0x[0-9a-f]+";
  const patterns = [
    ...programming.map((line) => line.replaceAll(".", "\\.")),
    "INFO:AxiProxy:id  = a8122081",
    "INFO:AxiProxy:ver = 00000301",
    `\\[${Array.from({ length: 16 }, (_, i) => i).join(", ")}\\]`,
    `Data virtual addr = (${address})`,
    `(${address}) -> (${address})`,
    "Read duration (4[0-3]) cycles",
    "\\[0, 1, 2, 3\\]",
    "Write duration (4[67]) cycles",
    `\\[100, 200, 300, 400${", 0".repeat(12)}\\]`,
  ];
  const lines = stdout.trimEnd().split("\n");
  assert.is(lines.length, patterns.length, stdout);
  for (const [index, pattern] of patterns.entries()) assert.match(lines[index] ?? "", new RegExp(`^${pattern}$`));
  const [virtual, mapping] = lines.slice(programming.length + 3);
  assert.is(mapping?.split(" -> ")[0], virtual?.split(" = ")[1]);
}

test("dma-buffers: the device reaches the last line of every kind", async () => {
  const script = join(PACKAGE, "examples/dma-buffers.ts");
  const { stdout, stderr, status } = await axiscript(["run", "--board=virtual", script]);
  assert.is(status, 0, stderr);
  const lines = stdout.trimEnd().split("\n");
  assert.is(lines.filter((line) => line === "1").length, 4, stdout);
  assert.match(stdout, /^one piece: 8388608 bytes, segments: 1, first at 0x[0-9a-f]+$/m);
  assert.match(lines.slice(-1).join(), /^\[0, 1, .* 15, 1, 2, 3, 4, 0, /);
});

test("numpy-acceleration says what the notebook says; again in the same sysroot it finds the FPGA programmed", async () => {
  const sysroot = join(temporaryDirectory(), "board");
  for (const programming of [PROGRAMMING, ALREADY_PROGRAMMED, ALREADY_PROGRAMMED]) {
    const result = await axiscript(["run", "--board=virtual", "--sysroot", sysroot, EXAMPLE], { cwd: PACKAGE });
    assert.is(result.status, 0, result.stderr);
    assertNotebook(result.stdout, programming);
  }
});

const withoutRights = testWhere(test, process.getuid?.() !== 0 || canDropSysAdmin(), "setpriv is missing");
withoutRights("numpy-acceleration runs without the right to see page frame numbers", async () => {
  const options = process.getuid?.() === 0 ? { through: WITHOUT_SYS_ADMIN } : {};
  const result = await axiscript(["run", "--board=virtual", EXAMPLE], { cwd: PACKAGE, ...options });
  assert.is(result.status, 0, result.stderr);
  assertNotebook(result.stdout, PROGRAMMING);
});

const withFrames = testWhere(test, seesPageFrames(), "this process may not see page frame numbers");
withFrames("the physical address is the one that the kernel gives from outside", async () => {
  const source = `${WITH_PROXY}
const xs = CacheLineArray.arange<i32>(16);
const vaddr = virtualAddressOf(xs);
console.log(hex(vaddr) + " " + hex(new VirtualToPhysical().getPhysicalAddress(vaddr)));
let x = 1;
while (x != 0) x += 2;`;
  let seen = 0n;
  const result = await axiscript(["run", "--board=virtual", temporaryFile("script.ts", source)], {
    onOutput: (stdout, child) => {
      if (seen !== 0n || !stdout.includes("\n")) return;
      const virtual = BigInt(stdout.split(" ")[0] ?? 0);
      const pagemap = new Pagemap(`/proc/${child.pid}/pagemap`);
      seen = BigInt(pagemap.frameOf(virtual)) * BigInt(pageSizeBytes) + (virtual % BigInt(pageSizeBytes));
      pagemap.close();
      child.kill("SIGINT");
    },
  });
  assert.is(result.status, 130);
  assert.is(BigInt(result.stdout.trim().split(" ")[1] ?? 0), seen);
});

test("every example runs, and is described", async () => {
  const scripts = readdirSync(join(PACKAGE, "examples")).filter((name) => name.endsWith(".ts"));
  assert.ok(scripts.length > 0);
  const description = readFileSync(join(PACKAGE, "examples/README.md"), "utf8");
  for (const script of scripts) {
    assert.ok(description.includes(`(${script})`), `${script} is not in examples/README.md`);
    const { status, stderr } = await axiscript(["run", "--board=virtual", join(PACKAGE, "examples", script)]);
    assert.is(status, 0, stderr);
  }
});

test.run();
