import {
  closeSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readlinkSync,
  renameSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { BoardFiles } from "../../../../host/board/directory/files";
import { PATHS } from "../../../../host/board/kernel/paths";
import { SealedDeviceFiles } from "../../../../host/board/kernel/plain/sealed-device-files";
import { fileIdentity } from "../../../../host/native/file-identity";
import { temporaryDirectory } from "../../../support/temporary";

const test = suite("device files in memory");

const LENGTH_BYTES = 8192;

function device() {
  const files = new BoardFiles(temporaryDirectory());
  for (const directory of [PATHS.devices, PATHS.private]) mkdirSync(files.path(directory));
  const devices = new SealedDeviceFiles(files);
  devices.add("uio0", { lengthBytes: LENGTH_BYTES, uio: { hasInterrupt: false } });
  return { devices, path: files.path(join(PATHS.devices, "uio0")) };
}

test("they keep their size, whatever is tried", () => {
  const { devices, path } = device();
  for (const flags of ["w", "w+"]) assert.throws(() => openSync(path, flags), /EPERM/);
  const fd = openSync(path, "r+");
  for (const sizeBytes of [0, 1, LENGTH_BYTES - 1, LENGTH_BYTES + 1]) {
    assert.throws(() => ftruncateSync(fd, sizeBytes), /EPERM/);
  }
  assert.throws(() => writeSync(fd, Buffer.alloc(16), 0, 16, LENGTH_BYTES), /EPERM/);
  assert.is(statSync(path).size, LENGTH_BYTES);
  closeSync(fd);
  devices.close();
});

test("a file that somebody puts in the place of one is not the board's", () => {
  const { devices, path } = device();
  const own = fileIdentity(path);
  writeFileSync(`${path}.other`, "");
  renameSync(`${path}.other`, path);
  assert.ok(devices.keys.has(own));
  assert.not(devices.keys.has(fileIdentity(path)));
  devices.remove("uio0");
  assert.is(statSync(path).size, 0);
  assert.not(devices.keys.has(own));
  devices.close();
});

test("a link leads to the board's process, and a board that follows replaces it", () => {
  const { devices, path } = device();
  assert.match(readlinkSync(path), new RegExp(`^/proc/${process.pid}/fd/\\d+$`));
  devices.add("uio0", { lengthBytes: LENGTH_BYTES, uio: { hasInterrupt: true } });
  assert.is(statSync(path).size, LENGTH_BYTES + 4096);
  devices.close();
  assert.is(statSync(path, { throwIfNoEntry: false }), undefined);
});

test.run();
