import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { PACKAGE } from "./support/cli";
import { temporaryFile } from "./support/temporary";
import { assemble } from "./support/wasm";

const test = suite("a program that ends while its threads start");

const LIBRARY = JSON.stringify(join(PACKAGE, "dist/host/index.js"));
const CREATE = `require(${LIBRARY}).createRuntime({ board: "virtual" })`;
/** Longer than a thread that has started may take to end. */
const SLOW_MS = 4000;

/** Runs a program of whose threads one loads its native module slowly, and says when it has. */
function withSlowThread(thread: string, program: string): string {
  const slow = temporaryFile(
    "slow.cjs",
    `const dlopen = process.dlopen;
    process.dlopen = (...args) => {
      const isSlow = process.argv[1]?.endsWith("/${thread}.js");
      if (isSlow) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ${SLOW_MS});
      dlopen.apply(process, args);
      if (isSlow) require("node:fs").writeSync(1, "loaded\\n");
    };`,
  );
  const env = { ...process.env, NODE_OPTIONS: `--require ${slow}` };
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, ["-e", program], { env, encoding: "utf8" });
  assert.is(status, 0, signal ?? stderr);
  return stdout;
}

test("the board's thread has loaded its native module before the program ends", () => {
  const program = `${CREATE}.catch(() => {}); setTimeout(() => process.exit(0), 1000);`;
  assert.is(withSlowThread("board/worker", program), "loaded\n");
});

test("so has a script's", () => {
  const nothing = JSON.stringify(temporaryFile("nothing.wasm", assemble({ importMemory: [1], start: [] })));
  const program = `
    ${CREATE}.then((runtime) => {
      const running = runtime.run(${nothing});
      running.catch(() => {});
      setTimeout(() => process.exit(0), 1000);
    });`;
  assert.is(withSlowThread("runtime/worker", program), "loaded\n");
});

test.run();
