import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { readmeBlock } from "./support/readme";
import { testWhere } from "./support/rights";
import { temporaryDirectory } from "./support/temporary";

const test = suite("the README's unit");

/** What systemd has to say of a unit; its program is one that is there. */
function verify(unit: string): string {
  const path = join(temporaryDirectory(), "accelerator.service");
  writeFileSync(path, unit.replace(/^ExecStart=\S+/m, "ExecStart=/usr/bin/env"));
  const { stdout, stderr } = spawnSync("systemd-analyze", ["verify", "--man=no", path], { encoding: "utf8" });
  return stdout + stderr;
}

testWhere(
  test,
  spawnSync("systemd-analyze", ["--version"]).status === 0,
  "there is no systemd-analyze",
)("systemd knows all of its settings", () => {
  const unit = readmeBlock("ini");
  assert.is(verify(unit), "");
  assert.match(verify(unit.replace("LimitMEMLOCK", "LimitNothing")), "LimitNothing");
});

test.run();
