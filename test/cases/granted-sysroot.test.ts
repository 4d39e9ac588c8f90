import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { VirtualBoard } from "../../host/board/board";
import { compileScript, writeScript } from "../../host/index";
import { axiscript } from "../support/cli";
import { ERRNO, FILE_SCRIPT } from "../support/file-script";
import { temporaryDirectory, temporaryFile } from "../support/temporary";

const test = suite("file grants and boards");

const script = join(temporaryDirectory(), "files.wasm");
test.before(async () => {
  writeScript(await compileScript(temporaryFile("files.ts", FILE_SCRIPT)), script);
});

/** Runs a script that was granted a directory, on a board of its own if no other is named; the errnos that it got. */
async function errnos(
  granted: string,
  operations: readonly string[],
  options: readonly string[] = [],
): Promise<string[]> {
  const grants = [`--allow-read=${granted}`, `--allow-write=${granted}`];
  const result = await axiscript(["run", "--board=virtual", ...options, ...grants, script, ...operations]);
  assert.is(result.status, 0, result.stderr);
  return result.stdout.trim().split("\n");
}

test("nothing below a board's directory is opened, made, moved or removed, nor the directory itself", async () => {
  const granted = temporaryDirectory();
  const sysroot = join(granted, "board");
  const board = new VirtualBoard({ sysroot });
  writeFileSync(join(granted, "mine"), "");
  symlinkSync("board/dev", join(granted, "link"));
  const device = "board/dev/axi:udmabuf@0x0";
  const refused = [
    ...["read", device, "write", device, "truncate", device, "write", "link/axi:udmabuf@0x0"],
    ...["list", "board", "list", "board/dev", "create", "board/new", "mkdir", "board/dev/new", "unlink", device],
    ...["rename", "mine", "board/mine", "rename", device, "mine", "read", "board/.board/lock"],
  ];
  const answers = await errnos(granted, refused);
  assert.equal(new Set(answers.map((line) => line.split(" ")[1])), new Set([`${ERRNO.notSupported}`]), answers.join());
  assert.equal(await errnos(granted, ["rename", "board", "elsewhere", "mkdir", ".board"]), [
    `rename ${ERRNO.notPermitted}`,
    `mkdir ${ERRNO.notSupported}`,
  ]);
  assert.equal(await errnos(granted, ["write", "mine", "create", "new", "rename", "new", "newer"]), [
    ...["write 0", "create 0", "rename 0"],
  ]);
  assert.ok(existsSync(join(sysroot, device.replace("board/", ""))));
  await board.stop();
});

test("what leads to the board that the script runs on stays where it is", async () => {
  const granted = temporaryDirectory();
  mkdirSync(join(granted, "above"));
  const sysroot = join(granted, "above/board");
  await new VirtualBoard({ sysroot }).stop();
  const options = ["--sysroot", sysroot];
  assert.equal(await errnos(granted, ["rename", "above", "elsewhere"], options), [`rename ${ERRNO.notPermitted}`]);
});

test("a directory of a board, or below one, cannot be granted", async () => {
  const sysroot = join(temporaryDirectory(), "board");
  const board = new VirtualBoard({ sysroot });
  for (const granted of [sysroot, join(sysroot, "dev")]) {
    const { status, stderr } = await axiscript(["run", "--board=virtual", `--allow-read=${granted}`, script]);
    assert.is(status, 2);
    assert.match(stderr, /^ERR_AXI_USAGE: .*a board lies in it or above it/m);
  }
  await board.stop();
});

test("nothing is opened below a sysroot that is no board's, which may hold device files, too", async () => {
  const granted = temporaryDirectory();
  const sysroot = join(granted, "target");
  mkdirSync(join(sysroot, "dev"), { recursive: true });
  writeFileSync(join(sysroot, "dev/uio0"), "registers");
  writeFileSync(join(granted, "mine"), "");
  const grants = [`--allow-read=${granted}`, `--allow-write=${granted}`];
  const operations = ["read", "target/dev/uio0", "write", "target/dev/uio0", "create", "target/new", "write", "mine"];
  const options = ["run", "--board=linux", "--sysroot", sysroot, ...grants, script, ...operations];
  const { status, stdout, stderr } = await axiscript(options);
  assert.is(status, 0, stderr);
  const no = ERRNO.notSupported;
  assert.equal(stdout.trim().split("\n"), [`read ${no}`, `write ${no}`, `create ${no}`, "write 0"]);
  assert.is(readFileSync(join(sysroot, "dev/uio0"), "utf8"), "registers");
});

test("the directories above the audit file, and links on the way to it, stay in place", async () => {
  const granted = temporaryDirectory();
  mkdirSync(join(granted, "a/b"), { recursive: true });
  symlinkSync("a/b", join(granted, "link"));
  const audit = ["--audit", join(granted, "link/audit.jsonl")];
  const operations = [
    ...["rename", "a", "hidden", "rename", "a/b", "hidden", "rename", "link", "hidden", "unlink", "link"],
    ...["unlink", "a/b/audit.jsonl", "rename", "a/b/audit.jsonl", "hidden", "truncate", "a/b/audit.jsonl"],
  ];
  const answers = await errnos(granted, operations, audit);
  assert.equal(new Set(answers.map((line) => line.split(" ")[1])), new Set([`${ERRNO.notPermitted}`]), answers.join());
  assert.match(readFileSync(join(granted, "a/b/audit.jsonl"), "utf8"), /"permission":"run"/);
});

test.run();
