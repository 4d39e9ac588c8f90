import { spawn } from "node:child_process";
import { closeSync, existsSync, rmSync, writeFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Sysroot } from "../../host/linux/sysroot";
import { awaitUioDevice, findUioDevice, listUioDevices, openUioWindow } from "../../host/linux/uio";
import { rejectsWith } from "../support/expect";
import { temporaryDirectory } from "../support/temporary";
import { addUioDevice, type FakeUioDevice } from "../support/uio-device";

const test = suite("UIO devices");

function sysrootWith(devices: Record<string, FakeUioDevice>): Sysroot {
  const root = temporaryDirectory();
  for (const [id, device] of Object.entries(devices)) addUioDevice(root, id, device);
  return new Sysroot(root);
}

test("lists devices by number, with what the kernel says of them", () => {
  const sysroot = sysrootWith({ uio10: { name: "B" }, uio2: { name: "A", note: "hp", offset: "0x40" } });
  const [first, second] = listUioDevices(sysroot);
  assert.equal(first, {
    id: "uio2",
    name: "A",
    note: "hp",
    unitAddress: "a0010040",
    maps: [{ index: 0, physicalAddress: 0xa0010040n, lengthBytes: 0xfc0, offsetBytes: 0x40 }],
  });
  assert.is(second?.id, "uio10");
});

test("a system without UIO has no devices", () => {
  assert.equal(listUioDevices(new Sysroot(temporaryDirectory())), []);
});

test("finds by name and note, by name alone, by number", () => {
  const sysroot = sysrootWith({ uio0: { name: "X", note: "a" }, uio1: { name: "X", note: "b" }, uio2: { name: "Y" } });
  assert.is(findUioDevice(sysroot, "X", "b").id, "uio1");
  assert.is(findUioDevice(sysroot, "Y", "").id, "uio2");
  assert.is(findUioDevice(sysroot, "uio0", "").note, "a");
});

test("a device that does not exist is refused with those that do", async () => {
  const sysroot = sysrootWith({ uio0: { name: "X", note: "a" }, uio1: { name: "Y" } });
  const { message } = await rejectsWith("ERR_AXI_NO_SUCH_DEVICE", () => findUioDevice(sysroot, "X", "nope"));
  assert.match(message, "X:nope");
  assert.match(message, "X:a (uio0), Y (uio1)");
});

test("a name that several devices have is refused with all of them", async () => {
  const sysroot = sysrootWith({ uio0: { name: "X", note: "a" }, uio1: { name: "X", note: "b" } });
  const { message } = await rejectsWith("ERR_AXI_AMBIGUOUS_DEVICE", () => findUioDevice(sysroot, "X", ""));
  assert.match(message, "X:a (uio0), X:b (uio1)");
});

test("a device without its file cannot be opened, one without maps has no registers", async () => {
  const sysroot = sysrootWith({ uio0: { name: "X", withoutMaps: true } });
  const { fd, lengthBytes } = openUioWindow(sysroot, findUioDevice(sysroot, "X", ""));
  assert.is(lengthBytes, 0);
  closeSync(fd);
  rmSync(sysroot.path("/dev/uio0"));
  await rejectsWith("ERR_AXI_DEVICE_ACCESS", () => openUioWindow(sysroot, findUioDevice(sysroot, "X", "")));
});

test("a file that is shorter than the registers it stands for is not mapped", async () => {
  const sysroot = sysrootWith({ uio0: { name: "X" } });
  writeFileSync(sysroot.path("/dev/uio0"), Buffer.alloc(100));
  await rejectsWith("ERR_AXI_DEVICE_ACCESS", () => openUioWindow(sysroot, findUioDevice(sysroot, "X", "")));
  for (const size of ["garbage", "-4", "", "0x2"]) {
    writeFileSync(sysroot.path("/sys/class/uio/uio0/maps/map0/size"), size);
    await rejectsWith("ERR_AXI_DEVICE_ACCESS", () => openUioWindow(sysroot, findUioDevice(sysroot, "X", "")));
  }
});

test("a device that became another one between finding and opening it is not mapped", async () => {
  const sysroot = sysrootWith({ uio0: { name: "X", note: "a" } });
  const found = findUioDevice(sysroot, "X", "a");
  addUioDevice(sysroot.directory, "uio0", { name: "X", note: "b" });
  const { message } = await rejectsWith("ERR_AXI_DEVICE_ACCESS", () => openUioWindow(sysroot, found));
  assert.match(message, "uio0 became another device");
});

test("a device that is about to appear is waited for, with its file, and no longer than allowed", async () => {
  const sysroot = sysrootWith({ uio0: { name: "X" } });
  const late = sysrootWith({ uio1: { name: "Late" } });
  const copy = `sleep 0.1; cp -r "${late.directory}/sys/class/uio/uio1" "${sysroot.directory}/sys/class/uio/";
    sleep 0.1; cp "${late.directory}/dev/uio1" "${sysroot.directory}/dev/"`;
  const child = spawn("sh", ["-c", copy]);
  assert.is(awaitUioDevice(sysroot, "Late", "", 10_000).id, "uio1");
  assert.ok(existsSync(sysroot.path("/dev/uio1")));
  await new Promise((resolve) => child.once("exit", resolve));
  const started = performance.now();
  await rejectsWith("ERR_AXI_NO_SUCH_DEVICE", () => awaitUioDevice(sysroot, "Never", "", 100));
  assert.ok(performance.now() - started >= 100);
});

test("a path does not lead out of the sysroot", () => {
  assert.is(new Sysroot("/a/b").path("/../../etc/passwd"), "/a/b/etc/passwd");
  assert.is(new Sysroot("/a/b").path("../../etc/passwd"), "/a/b/etc/passwd");
  assert.is(new Sysroot("/").path("/dev/uio0"), "/dev/uio0");
});

test.run();
