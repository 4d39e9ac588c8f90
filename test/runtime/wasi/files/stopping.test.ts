import { readdirSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { randomNumbers } from "../../../../host/board/fabric/port-timing";
import { compileScript, createRuntime } from "../../../../host/index";
import { rejectsWith } from "../../../support/expect";
import { treeOf } from "../../../support/machine";
import { temporaryFile } from "../../../support/temporary";

const test = suite("files of scripts that are stopped");

const ROUNDS = 40;

function openBelow(directory: string): string[] {
  return readdirSync("/proc/self/fd").flatMap((fd) => {
    try {
      const path = readlinkSync(`/proc/self/fd/${fd}`);
      return path.startsWith(directory) ? [path] : [];
    } catch {
      return [];
    }
  });
}

test("a script that is stopped at any moment leaves no file open", async () => {
  const root = treeOf({ "data/a.txt": "a".repeat(1000) });
  const source = `
import { readText, writeText } from "axiscript/assembly";
for (let i = 0; ; i++) {
  writeText("${root}/data/b" + (i % 10).toString(), "text");
  readText("${root}/data/a.txt");
}`;
  const script = await compileScript(temporaryFile("script.ts", source));
  const permissions = { allow: { read: [join(root, "data")], write: [join(root, "data")] } };
  const runtime = await createRuntime({ board: "virtual", permissions });
  const audit = join(root, "audit");
  const random = randomNumbers(3);
  try {
    for (let round = 0; round < ROUNDS; round++) {
      const controller = new AbortController();
      const timer = setTimeout(() => controller.abort(), 1 + random() * 60);
      await rejectsWith("ERR_AXI_ABORTED", () => runtime.run(script, { audit, signal: controller.signal }));
      clearTimeout(timer);
      assert.equal(openBelow(root), []);
    }
  } finally {
    await runtime.close();
  }
  assert.ok(readdirSync(join(root, "data")).length > 1);
});

test.run();
