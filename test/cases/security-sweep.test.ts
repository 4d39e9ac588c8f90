import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { VirtualBoard } from "../../host/board/board";
import { canBeNobody, runAsNobody, testWhere } from "../support/rights";
import { temporaryDirectory } from "../support/temporary";

const test = suite("what the next board removes of those before");
const testOthers = testWhere(test, canBeNobody(), "needs root, to be another user");

const SHM = "/dev/shm";
const AN_HOUR_AGO = new Date(Date.now() - 3_600_000);

/** Something that looks like a board's directory which was left behind, removed at the end of a test. */
async function withLeftover(body: (path: string) => void | Promise<void>): Promise<void> {
  const path = join(SHM, `axiscript-board-planted-${process.pid}`);
  try {
    await body(path);
  } finally {
    rmSync(path, { recursive: true, force: true });
  }
}

async function sweep(): Promise<void> {
  await new VirtualBoard().stop();
}

testOthers("a directory of another user is not entered, however old it is", async () => {
  await withLeftover(async (path) => {
    const planted = runAsNobody(
      'mkdir -m 700 "$1" "$1/d"; echo mine > "$1/d/important"; touch -d "1 hour ago" "$1"',
      path,
    );
    assert.is(planted.status, 0, planted.stderr);
    await sweep();
    assert.ok(existsSync(join(path, "d/important")));
  });
});

testOthers("a directory of another user is not entered when it holds a lock that nobody has", async () => {
  await withLeftover(async (path) => {
    const victim = join(temporaryDirectory(), "victim");
    writeFileSync(victim, "precious");
    const planted = runAsNobody('mkdir -p "$1/.board"; ln -s "$2" "$1/.board/lock"; mkdir "$1/d"', path, victim);
    assert.is(planted.status, 0, planted.stderr);
    await sweep();
    assert.ok(existsSync(join(path, "d")));
    assert.is(readFileSync(victim, "utf8"), "precious");
  });
});

test("a symbolic link is not followed", async () => {
  await withLeftover(async (path) => {
    const victim = temporaryDirectory();
    mkdirSync(join(victim, ".board"));
    writeFileSync(join(victim, ".board/lock"), "");
    writeFileSync(join(victim, "important"), "precious");
    utimesSync(victim, AN_HOUR_AGO, AN_HOUR_AGO);
    symlinkSync(victim, path);
    await sweep();
    assert.is(readFileSync(join(victim, "important"), "utf8"), "precious");
  });
});

test("a directory that others may enter is no board's", async () => {
  await withLeftover(async (path) => {
    mkdirSync(path, { mode: 0o755 });
    writeFileSync(join(path, "important"), "");
    utimesSync(path, AN_HOUR_AGO, AN_HOUR_AGO);
    await sweep();
    assert.ok(existsSync(join(path, "important")));
  });
});

test("what is this user's alone is removed, and links in it lead nowhere", async () => {
  const victim = temporaryDirectory();
  writeFileSync(join(victim, "important"), "precious");
  const path = mkdtempSync(join(SHM, "axiscript-board-planted-"));
  mkdirSync(join(path, "lib/firmware"), { recursive: true });
  symlinkSync(victim, join(path, "lib/firmware/link"));
  symlinkSync(join(victim, "important"), join(path, "file"));
  utimesSync(path, AN_HOUR_AGO, AN_HOUR_AGO);
  await sweep();
  assert.not(existsSync(path));
  assert.is(readFileSync(join(victim, "important"), "utf8"), "precious");
});

test.run();
