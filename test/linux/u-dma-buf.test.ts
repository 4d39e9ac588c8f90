import { chmodSync, mkdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Sysroot } from "../../host/linux/sysroot";
import { listUDmaBufs, UDmaBuf } from "../../host/linux/u-dma-buf";
import { rejectsWith } from "../support/expect";
import { testWhere } from "../support/rights";
import { temporaryDirectory } from "../support/temporary";

const test = suite("u-dma-buf");
/** Root may write all files. */
const testAsUser = testWhere(test, process.getuid?.() !== 0, "root may write every file");

const BYTES = 0x10000;
const DIRECTORY = "/sys/class/u-dma-buf/buffer";

/** The files of a buffer, with attributes that only its owner may write; no driver is behind them. */
function bufferFiles(attributes: Record<string, string>): Sysroot {
  const sysroot = new Sysroot(temporaryDirectory());
  for (const directory of [DIRECTORY, "/dev"]) mkdirSync(sysroot.path(directory), { recursive: true });
  writeFileSync(sysroot.path("/dev/buffer"), "");
  truncateSync(sysroot.path("/dev/buffer"), BYTES);
  const all = { phys_addr: "0x10000000", size: `${BYTES}`, sync_mode: "0", sync_for_cpu: "0", sync_for_device: "0" };
  for (const [name, text] of Object.entries({
    ...all,
    sync_offset: "0",
    sync_size: "0",
    sync_direction: "0",
    ...attributes,
  })) {
    writeFileSync(sysroot.path(`${DIRECTORY}/${name}`), `${text}\n`);
  }
  return sysroot;
}

function open(sysroot: Sysroot) {
  const [info] = listUDmaBufs(sysroot);
  if (!info) throw new Error("no buffer");
  const buffer = new UDmaBuf(sysroot, info);
  const piece = buffer.allocate(BYTES, 1);
  if (!piece) throw new Error("no room");
  return { buffer, piece };
}

/** Attributes that only root may write. */
function protect(sysroot: Sysroot): void {
  for (const name of ["sync_mode", "sync_offset", "sync_size", "sync_direction", "sync_for_cpu", "sync_for_device"]) {
    chmodSync(sysroot.path(`${DIRECTORY}/${name}`), 0o444);
  }
}

testAsUser("a coherent buffer needs no attribute that this user may not write", () => {
  const sysroot = bufferFiles({ dma_coherent: "1", sync_mode: "4" });
  protect(sysroot);
  const { buffer, piece } = open(sysroot);
  buffer.sync(piece, "device");
  buffer.sync(piece, "cpu");
  buffer.open("uncached").close();
  assert.is(readFileSync(sysroot.path(`${DIRECTORY}/sync_mode`), "utf8"), "4\n");
  buffer.close();
});

testAsUser("one that is not coherent does, and the error says how to get the right", async () => {
  const sysroot = bufferFiles({ dma_coherent: "0" });
  protect(sysroot);
  const { buffer, piece } = open(sysroot);
  for (const body of [() => buffer.sync(piece, "device"), () => buffer.open("uncached")]) {
    const { message } = await rejectsWith("ERR_AXI_DEVICE_ACCESS", body);
    assert.match(message, /EACCES.*udev rule.*not coherent/);
  }
  buffer.close();
});

test("another failure than that of rights is an error of a coherent buffer, too", async () => {
  const sysroot = bufferFiles({ dma_coherent: "1" });
  const { buffer, piece } = open(sysroot);
  rmSync(sysroot.path(DIRECTORY), { recursive: true });
  await rejectsWith("ERR_AXI_DEVICE_ACCESS", () => buffer.sync(piece, "device"));
  buffer.close();
});

test.run();
