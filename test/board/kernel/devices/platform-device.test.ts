import { mkdirSync, readdirSync, readFileSync, realpathSync, rmdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { cells, node, strings, writeDeviceTree } from "../../../../host/board/kernel/fpga/device-tree";
import { waitUntil } from "../../../../host/util/wait";
import { fuseBoard, testWithMount } from "../../../support/fuse-board";
import { onBoardWith, rootOverlay, uioNode } from "../../../support/overlays";

const test = suite("what udev and libraries look for at a UIO device");
const testMounted = testWithMount(test);

const LONG_MS = 30_000;
const BUS_NAME = "a0000000.sample";
const OVERLAY = rootOverlay([
  node("pl-bus", { compatible: strings("simple-bus"), ranges: Buffer.alloc(0), "#address-cells": cells(2) }, [
    uioNode("sample@a0000000", [[0xa0000000, 0x1000]], { compatible: strings("acme,sample-1.0", "generic-uio") }),
  ]),
]);

function requireLinks(sysroot: string): void {
  const sys = join(realpathSync(sysroot), "sys");
  const uio = join(sys, "class/uio/uio0");
  const platform = join(sys, "devices/platform", BUS_NAME);
  for (const [path, place] of [
    [join(uio, "device"), platform],
    [join(uio, "subsystem"), join(sys, "class/uio")],
    [join(uio, "device/subsystem"), join(sys, "bus/platform")],
    [join(uio, "device/driver"), join(sys, "bus/platform/drivers/uio_pdrv_genirq")],
    [join(sys, "bus/platform/devices", BUS_NAME), platform],
    [join(sys, "bus/platform/drivers/uio_pdrv_genirq", BUS_NAME), platform],
    [join(sys, "bus/platform/devices", BUS_NAME, "uio/uio0"), join(platform, "uio/uio0")],
  ] as const) {
    assert.is(realpathSync(path), place, path);
  }
}

function requireVariables(sysroot: string): void {
  const uio = join(sysroot, "sys/class/uio/uio0");
  const read = (name: string) => readFileSync(join(uio, name), "utf8");
  const [major, minor] = read("dev").trim().split(":");
  assert.is(read("uevent"), `MAJOR=${major}\nMINOR=${minor}\nDEVNAME=uio0\n`);
  const alias = "of:NsampleT(null)Cacme,sample-1.0Cgeneric-uio";
  assert.is(read("device/modalias"), `${alias}\n`);
  assert.equal(read("device/uevent").trim().split("\n"), [
    "DRIVER=uio_pdrv_genirq",
    "OF_NAME=sample",
    "OF_FULLNAME=/pl-bus/sample@a0000000",
    "OF_COMPATIBLE_0=acme,sample-1.0",
    "OF_COMPATIBLE_1=generic-uio",
    "OF_COMPATIBLE_N=2",
    `MODALIAS=${alias}`,
  ]);
}

/** What is left of a device. */
function entriesOf(sysroot: string): string[] {
  const places = ["class/uio", "bus/platform/devices", "bus/platform/drivers/uio_pdrv_genirq"];
  return places.flatMap((place) => readdirSync(join(sysroot, "sys", place)));
}

test("plain files have the links and variables, until the overlay goes", async () => {
  await onBoardWith(OVERLAY, (sysroot) => {
    requireLinks(sysroot);
    requireVariables(sysroot);
    const overlay = join(sysroot, "configfs/device-tree/overlays/x");
    // The directory's attributes are the kernel's on a system where it has a file system.
    for (const name of readdirSync(overlay)) rmSync(join(overlay, name));
    rmdirSync(overlay);
    assert.ok(
      waitUntil(() => entriesOf(sysroot).length === 0, LONG_MS),
      entriesOf(sysroot).join(),
    );
  });
});

testMounted("a file system has them, too", async () => {
  const { board, path, overlay } = fuseBoard();
  writeFileSync(path("lib/firmware/sample.dtbo"), writeDeviceTree(OVERLAY));
  mkdirSync(overlay("sample"));
  writeFileSync(overlay("sample", "path"), "sample.dtbo", { flag: "r+" });
  requireLinks(path(""));
  requireVariables(path(""));
  rmdirSync(overlay("sample"));
  assert.equal(entriesOf(path("")), []);
  await board.stop();
});

test.run();
