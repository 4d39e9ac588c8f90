import { closeSync, mkdirSync, openSync, readFileSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { BoardFiles } from "../../host/board/directory/files";
import { Attribute, KernelError } from "../../host/board/kernel/kernel-tree";
import { PATHS } from "../../host/board/kernel/paths";
import { buildTree } from "../../host/board/kernel/tree";
import {
  BoardUDmaBuf,
  commandIn,
  createUDmaBufDevice,
  createUDmaBufFiles,
  numberIn,
  type Synchronisation,
  U_DMA_BUF_ATTRIBUTES,
} from "../../host/board/kernel/devices/u-dma-buf";
import { uDmaBufAttributes } from "../../host/board/kernel/devices/u-dma-buf-attributes";
import { temporaryDirectory } from "../support/temporary";

const test = suite("case: command words of u-dma-buf");

const SETTINGS = { offset: 0x8000, lengthBytes: 64, direction: 2 };
const command = (word: bigint, bytes = 2 ** 25) => {
  const { offset, lengthBytes, direction } = commandIn(word, SETTINGS, bytes);
  return [offset, lengthBytes, direction];
};

test("numbers are those of kstrtoull", () => {
  for (const [text, value] of [
    ["0", 0n],
    ["1\n", 1n],
    ["0x10", 16n],
    ["010", 8n],
    ["18446744073709551615", 2n ** 64n - 1n],
    ["0X0040000000010005\n", 0x0040000000010005n],
  ] as const) {
    assert.is(numberIn(text), value, text);
  }
  for (const text of ["", "\n", "x", "0x", "-1", "1 ", "1\n\n", "08", "18446744073709551616", "1.5"]) {
    assert.is(numberIn(text), undefined, text);
  }
});

test("a word has its offset in bits 63 to 32, its size in 31 to 4, its direction in 3 and 2", () => {
  assert.equal(command(0x0000_1000_0000_1009n), [0x1000, 0x1000, 2]);
  assert.equal(command(0x0040_0000_0001_0005n), [0x40_0000, 0x1_0000, 1]);
  assert.equal(command(0x0000_0000_0200_0001n), [0, 2 ** 25, 0]);
  assert.equal(command(0x0000_1000_0000_100dn), [0x1000, 0x1000, 0]);
  assert.equal(command(0x0000_1000_0000_1000n), [0x1000, 0x1000, 0]);
});

test("a word without them goes by the attributes", () => {
  for (const word of [1n, 2n, 0xfn]) assert.equal(command(word), [0x8000, 64, 2]);
});

test("a range behind the end is refused, whoever names it", () => {
  const refused = (body: () => unknown) =>
    assert.throws(body, (error: Error) => error instanceof KernelError && error.code === "EINVAL");
  refused(() => command(0x0200_0000_0000_0019n));
  refused(() => command(0x01ff_fff0_0000_0021n));
  refused(() => command(0xffff_ffff_ffff_fff1n));
  refused(() => command(1n, 0x8000));
  assert.equal(command(0x01ff_fff0_0000_0011n), [0x1ff_fff0, 16, 0]);
});

/** A buffer that is not coherent, and what was synchronised in it. */
function buffer() {
  const sysroot = temporaryDirectory();
  buildTree(sysroot);
  mkdirSync(join(sysroot, PATHS.private), { recursive: true });
  createUDmaBufDevice(sysroot);
  createUDmaBufFiles(sysroot, 0x10000000, false);
  const opened = new BoardUDmaBuf(new BoardFiles(sysroot), { physicalAddress: 0x10000000, coherent: false });
  const seen: Synchronisation[] = [];
  opened.onSync((synchronisation) => seen.push(synchronisation));
  const path = (name: string) => join(sysroot, U_DMA_BUF_ATTRIBUTES, name);
  return { opened, seen, path, log: join(sysroot, PATHS.kernelLog) };
}

test("plain files: words are obeyed, and what is refused stays and is in the log, once", () => {
  const { opened, seen, path, log } = buffer();
  const write = (name: string, text: string) => {
    const fd = openSync(path(name), "w");
    writeSync(fd, text);
    closeSync(fd);
    opened.serve();
    return readFileSync(path(name), "utf8").trim();
  };
  assert.is(write("sync_for_cpu", "0x0000100000001009\n"), "0");
  assert.is(write("sync_for_device", "0x0040000000010005"), "0");
  assert.equal(seen.splice(0), [
    { side: "cpu", offset: 0x1000, lengthBytes: 0x1000, direction: 2 },
    { side: "device", offset: 0x400000, lengthBytes: 0x10000, direction: 1 },
  ]);
  assert.is(write("sync_for_cpu", "0x0200000000000011"), "0x0200000000000011");
  opened.serve();
  assert.is(readFileSync(log, "utf8").match(/do not lie in a buffer/g)?.length, 1);
  writeFileSync(path("sync_offset"), "0x1fffff0");
  assert.is(write("sync_for_device", "1"), "1");
  assert.equal(seen, []);
  writeFileSync(path("sync_size"), "16");
  assert.is(write("sync_for_device", "1"), "0");
  assert.is(seen.length, 1);
  opened.close();
});

test("a file system: a write is obeyed, or fails with EINVAL", () => {
  const { opened, seen } = buffer();
  const attributes = uDmaBufAttributes(opened).entries;
  const store = (name: string, text: string) => {
    const attribute = attributes.get(name);
    if (!(attribute instanceof Attribute)) throw new Error(name);
    attribute.operations.store?.(Buffer.from(text));
  };
  store("sync_for_cpu", "0x0000100000001009\n");
  store("sync_for_device", "0x0040000000010005\n");
  store("sync_for_device", "0\n");
  assert.equal(seen, [
    { side: "cpu", offset: 0x1000, lengthBytes: 0x1000, direction: 2 },
    { side: "device", offset: 0x400000, lengthBytes: 0x10000, direction: 1 },
  ]);
  for (const word of ["0x0200000000000011", "0x10000000000000000", "one", "-1"]) {
    assert.throws(
      () => store("sync_for_cpu", word),
      (error: Error) => error instanceof KernelError && error.code === "EINVAL",
    );
  }
  assert.is(seen.length, 2);
  opened.close();
});

test.run();
