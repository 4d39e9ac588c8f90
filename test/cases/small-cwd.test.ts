import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { PACKAGE } from "../support/cli";
import { temporaryDirectory, temporaryFile } from "../support/temporary";

const test = suite("a working directory that is gone");

/** Far below the half minute that a thread which cannot start was waited for. */
const DEADLINE_MS = 20_000;

/** Runs Node in a directory that is removed before. */
function runNowhere(...args: string[]) {
  const gone = join(temporaryDirectory(), "gone");
  const command = ["-ec", 'mkdir "$0"; cd "$0"; rmdir "$0"; exec "$@"', gone, process.execPath, ...args];
  return spawnSync("sh", command, { encoding: "utf8", timeout: DEADLINE_MS });
}

test("is said at once by every command", () => {
  const main = join(PACKAGE, "dist/host/cli/main.js");
  const script = temporaryFile("hello.ts", 'console.log("ran");');
  for (const command of [["run", "--board=virtual", "--timeout", "3s", script], ["board"], ["devices"]]) {
    const { status, stderr } = runNowhere(main, ...command);
    assert.is(status, 2, stderr);
    assert.match(stderr, /^ERR_AXI_USAGE: .*the working directory does not exist any more/);
  }
});

test("is an error of the library", () => {
  const library = JSON.stringify(join(PACKAGE, "dist/host/index.js"));
  for (const call of ['createRuntime({ board: "virtual" })', "startBoard()"]) {
    const { stdout, stderr } = runNowhere(
      "-e",
      `require(${library}).${call}.catch((error) => console.log(error.code));`,
    );
    assert.is(stdout, "ERR_AXI_USAGE\n", stderr);
  }
});

test.run();
