import { spawnSync } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { axiscript, boardsOf, PACKAGE } from "../support/cli";
import { WITH_PROXY } from "../support/run-script";
import { temporaryFile } from "../support/temporary";

const test = suite("stopping");

const SPIN = `${WITH_PROXY}
const paddr = new VirtualToPhysical().getPhysicalAddress(virtualAddressOf(new CacheLineArray<i32>(16)));
console.log("running " + hex(paddr));
let x = 1;
while (x != 0) x += 2;`;

test("--timeout stops a script that never returns: exit code 124", async () => {
  const result = await axiscript(["run", "--board=virtual", "--timeout", "1s", temporaryFile("spin.ts", SPIN)]);
  assert.is(result.status, 124);
  assert.match(result.stdout, "running");
  assert.match(result.stderr, /^ERR_AXI_TIMEOUT: .*1000 ms/m);
  assert.equal(result.leftBehind, []);
});

for (const [signal, status] of [
  ["SIGINT", 130],
  ["SIGTERM", 143],
  ["SIGHUP", 129],
] as const) {
  test(`${signal} stops a script that never returns: exit code ${status}, nothing left`, async () => {
    // After a while the board's thread sleeps, and signals do not wait for a core until they are one.
    const source = SPIN.replace(
      "console.log",
      "const start = Date.now(); while (Date.now() < start + 300) {}; console.log",
    );
    let sent = false;
    const result = await axiscript(["run", "--board=virtual", temporaryFile("spin.ts", source)], {
      onOutput: (stdout, child) => {
        if (!stdout.includes("\n") || sent) return;
        sent = true;
        child.kill(signal);
      },
    });
    assert.is(result.status, status, result.stderr);
    assert.match(result.stderr, `ERR_AXI_INTERRUPTED: The script was stopped by ${signal}.`);
    assert.equal(result.leftBehind, []);
  });
}

for (const signal of ["SIGTERM", "SIGHUP"] as const) {
  test(`${signal} many times in a row has the effect of one`, async () => {
    // After a while the board's thread sleeps, and signals do not wait for a core until they are one.
    const source = SPIN.replace(
      "console.log",
      "const start = Date.now(); while (Date.now() < start + 300) {}; console.log",
    );
    let sent = false;
    const result = await axiscript(["run", "--board=virtual", temporaryFile("spin.ts", source)], {
      onOutput: (stdout, child) => {
        if (!stdout.includes("\n") || sent) return;
        sent = true;
        spawnSync("bash", ["-c", `for i in {1..300}; do kill -s ${signal} ${child.pid}; done`]);
      },
    });
    assert.match(result.stderr, `ERR_AXI_INTERRUPTED: The script was stopped by ${signal}.`);
    assert.equal(result.leftBehind, []);
  });
}

test("a signal at any moment before or while a script runs leaves nothing", async () => {
  const script = temporaryFile("spin.ts", SPIN);
  const wasm = script.replace(".ts", ".wasm");
  assert.is((await axiscript(["build", script, "-o", wasm])).status, 0);
  const pids = temporaryFile("pids", "");
  for (let delayMs = 30; delayMs <= 270; delayMs += 12) {
    const noting = ["sh", "-c", 'echo $$ >> "$0"; exec "$@"', pids];
    const through = ["timeout", "--preserve-status", "--kill-after=20", `${delayMs / 1000}`, ...noting];
    const { status, stderr } = await axiscript(["run", "--board=virtual", wasm], { through });
    assert.is(status, 143, `after ${delayMs} ms: ${stderr}`);
  }
  const started = readFileSync(pids, "utf8").trim().split("\n").map(Number);
  // On a busy machine the first are ended before they come to note their number, and have left nothing then.
  assert.ok(started.length > 10, `${started.length} processes were started`);
  assert.equal(started.flatMap(boardsOf), []);
});

test("output that nobody reads ends the script quietly: exit code 141", async () => {
  const script = temporaryFile("print.ts", 'while (true) console.log("y");');
  const main = join(PACKAGE, "dist/host/cli/main.js");
  const command = `"${process.execPath}" "${main}" run --board=virtual "${script}" | head -n 2; exit \${PIPESTATUS[0]}`;
  const { stdout, stderr, status } = spawnSync("bash", ["-c", command], { encoding: "utf8", timeout: 60_000 });
  assert.is(stdout, "y\ny\n");
  assert.is(stderr, "");
  assert.is(status, 141);
});

test("a full disk is an error of the script's, not a crash", () => {
  const script = temporaryFile("print.ts", 'console.log("y");');
  const full = openSync("/dev/full", "w");
  const main = join(PACKAGE, "dist/host/cli/main.js");
  const args = [main, "run", "--board=virtual", script];
  const { stderr, status } = spawnSync(process.execPath, args, { encoding: "utf8", stdio: ["ignore", full, "pipe"] });
  closeSync(full);
  assert.is(status, 134);
  assert.match(stderr, /ERR_AXI_ABORT: The script aborted: NOSPC/);
});

test("large output arrives whole, through a pipe that is read slowly", async () => {
  const script = temporaryFile("large.ts", 'console.log("0123456789abcdef".repeat(262144)); console.log("end");');
  const main = join(PACKAGE, "dist/host/cli/main.js");
  const command = `"${process.execPath}" "${main}" run --board=virtual "${script}" | (sleep 1; wc -c)`;
  const { stdout } = spawnSync("bash", ["-c", command], { encoding: "utf8", timeout: 60_000 });
  assert.is(Number(stdout), 16 * 262144 + 1 + 4);
});

test.run();
