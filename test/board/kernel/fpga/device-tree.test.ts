import { suite } from "uvu";
import * as assert from "uvu/assert";
import { BUILT_IN_DESIGNS, firmware } from "../../../../host/board/fabric/designs";
import {
  cells,
  DeviceTreeError,
  node,
  readDeviceTree,
  strings,
  stringsOf,
  writeDeviceTree,
} from "../../../../host/board/kernel/fpga/device-tree";
import { OverlayError } from "../../../../host/board/kernel/fpga/device-tree-bus";
import { readOverlay } from "../../../../host/board/kernel/fpga/overlay-devices";
import { randomNumbers } from "../../../../host/board/fabric/port-timing";

const test = suite("device tree");

const shipped = firmware(BUILT_IN_DESIGNS).get("axi_proxy.dtbo") ?? Buffer.alloc(0);

test("what was written is read back", () => {
  const tree = node("", { model: strings("a board"), odd: Buffer.from([1, 2, 3]) }, [
    node("axi", { "#address-cells": cells(2) }, [
      node("x@1000", { reg: cells(0, 0x1000, 0, 0x10), flag: Buffer.alloc(0) }),
    ]),
    node("chosen", {}),
  ]);
  assert.equal(readDeviceTree(writeDeviceTree(tree)), tree);
  assert.equal(stringsOf(strings("a", "bc")), ["a", "bc"]);
});

test("the shipped overlay names its bitstream and three devices", () => {
  const { firmwareName, devices } = readOverlay(readDeviceTree(shipped));
  assert.is(firmwareName, "axi_proxy.bit.bin");
  assert.equal(
    devices.map(({ name, ranges: [range], properties }) => [
      name,
      range?.address,
      range?.lengthBytes,
      ...stringsOf(properties.get("jan-note")),
    ]),
    [
      ["AxiProxy", 0xa0000000, 0x1000, "hp"],
      ["AxiProxy", 0xa0010000, 0x1000, "hpc"],
      ["AxiProxy", 0xa0020000, 0x1000, "acp"],
    ],
  );
});

test("a blob that is cut off anywhere is refused", () => {
  for (let length = 0; length < shipped.length; length++) {
    assert.throws(
      () => readDeviceTree(shipped.subarray(0, length)),
      (error: Error) => error instanceof DeviceTreeError,
    );
  }
});

test("a blob with wrong bytes is read or refused, and nothing worse", () => {
  const random = randomNumbers(11);
  for (let round = 0; round < 20_000; round++) {
    const blob = Buffer.from(shipped);
    for (let i = 0; i <= round % 4; i++) blob[Math.floor(random() * blob.length)] = Math.floor(random() * 256);
    try {
      const { devices } = readOverlay(readDeviceTree(blob));
      assert.ok(devices.every(({ nodeName }) => !nodeName.includes("/") && !nodeName.startsWith("..")));
    } catch (error) {
      if (!(error instanceof DeviceTreeError) && !(error instanceof OverlayError)) throw error;
    }
  }
});

test("an overlay does not name files outside the firmware directory", () => {
  for (const name of ["../x", "/etc/passwd", "a/../../b", "..", ""]) {
    const tree = node("", {}, [
      node("fragment@0", { "target-path": strings("/") }, [
        node("__overlay__", { "firmware-name": Buffer.from(`${name}\0`) }),
      ]),
    ]);
    if (name === "") assert.is(readOverlay(tree).firmwareName, undefined);
    else
      assert.throws(
        () => readOverlay(tree),
        (error: Error) => error instanceof OverlayError,
      );
  }
});

test.run();
