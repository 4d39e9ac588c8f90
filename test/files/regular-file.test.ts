import { appendFileSync } from "node:fs";
import { createRequire } from "node:module";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { readRegularFile } from "../../host/files/regular-file";
import { temporaryDirectory, temporaryFile } from "../support/temporary";

const test = suite("regular files");
/** The one that the host calls, too. */
const fs = createRequire(__filename)("node:fs") as { fstatSync: typeof import("node:fs").fstatSync };

test("a file is read up to its end, and refused when it is longer than it may be", () => {
  const path = temporaryFile("file", "12345678");
  assert.is(readRegularFile(path, 8).toString(), "12345678");
  assert.throws(() => readRegularFile(path, 7), /more than/);
  assert.is(readRegularFile(temporaryFile("empty", ""), 0).length, 0);
});

test("what is written after the file was opened is read as a whole", () => {
  const path = temporaryFile("file", "");
  const original = fs.fstatSync;
  const text = "a name that another program writes in one piece";
  // Between the look at its size and the first read.
  fs.fstatSync = ((fd: number) => {
    const stat = original(fd);
    appendFileSync(path, text);
    return stat;
  }) as typeof original;
  try {
    assert.is(readRegularFile(path, 1000).toString(), text);
  } finally {
    fs.fstatSync = original;
  }
});

test("a directory, a pipe and a device are refused at once", () => {
  assert.throws(() => readRegularFile(temporaryDirectory(), 10), /directory/);
  assert.throws(() => readRegularFile("/dev/zero", 10), /pipe or a device/);
});

test.run();
