import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { removeTree } from "../../host/files/remove";
import { PACKAGE } from "../support/cli";
import { mayMount, testWhere } from "../support/rights";
import { temporaryDirectory } from "../support/temporary";

const test = suite("removal of what is ours");

test("a tree goes, and what its links lead to stays", () => {
  const outside = temporaryDirectory();
  writeFileSync(join(outside, "precious"), "");
  const tree = join(temporaryDirectory(), "tree");
  mkdirSync(join(tree, "a/b"), { recursive: true });
  writeFileSync(join(tree, "a/b/file"), "");
  symlinkSync(outside, join(tree, "a/link"));
  removeTree(tree);
  assert.not(existsSync(tree));
  assert.equal(readdirSync(outside), ["precious"]);
  removeTree(tree);
});

testWhere(
  test,
  mayMount(),
  "needs mount namespaces (CAP_SYS_ADMIN)",
)("what is mounted in a tree is not entered, and stays", () => {
  const tree = join(temporaryDirectory(), "tree");
  mkdirSync(join(tree, "mount"), { recursive: true });
  writeFileSync(join(tree, "file"), "");
  const script = `const { removeTree } = require(${JSON.stringify(join(PACKAGE, "dist/host/files/remove.js"))});
    try { removeTree(process.argv[1]); } catch (error) { console.log(error.code); }`;
  const shell = `mount -t tmpfs none "$1/mount"; touch "$1/mount/precious"; "$2" -e "$3" "$1"; ls -R "$1" | tail -n 1`;
  const command = ["--mount", "--propagation=private", "sh", "-ec", shell, "sh", tree, process.execPath, script];
  const { stdout, stderr } = spawnSync("unshare", command, { encoding: "utf8" });
  assert.is(stdout, "ENOTEMPTY\nprecious\n", stderr);
  assert.equal(readdirSync(tree), ["mount"]);
});

test.run();
