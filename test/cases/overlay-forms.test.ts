import { suite } from "uvu";
import * as assert from "uvu/assert";
import { cells, type DeviceTreeNode, node, strings } from "../../host/board/kernel/fpga/device-tree";
import { OverlayError } from "../../host/board/kernel/fpga/device-tree-bus";
import { readOverlay } from "../../host/board/kernel/fpga/overlay-devices";
import { Sysroot } from "../../host/linux/sysroot";
import { listUioDevices } from "../../host/linux/uio";
import { applyOverlay, onBoardWith, rootOverlay, uioNode } from "../support/overlays";

const test = suite("case: forms of overlays");

const core = (name: string, address: number, more = {}) => uioNode(name, [[address, 0x1000]], more);
const fragment = (name: string, target: Record<string, Buffer>, children: DeviceTreeNode[]) =>
  node(name, target, [node("__overlay__", {}, children)]);
const EMPTY = Buffer.alloc(0);
const bus = (name: string, properties: Record<string, Buffer>, children: DeviceTreeNode[]) =>
  node(name, { compatible: strings("simple-bus"), ...properties }, children);
/** Where an overlay's devices are, as the kernel would find them. */
const devicesOf = (root: DeviceTreeNode) =>
  readOverlay(root).devices.map(({ busName, ranges }) =>
    [busName, ...ranges.map(({ address }) => address.toString(16))].join(" "),
  );

test("every child with __overlay__ is a fragment, whatever its name; others are not", () => {
  const root = node("", {}, [
    fragment("uio-irq-test@0", { "target-path": strings("/") }, [core("a@a0010000", 0xa0010000)]),
    fragment("x", { "target-path": strings("/axi") }, [core("b@a0020000", 0xa0020000)]),
    node("fragment@7", { "target-path": strings("/") }, [core("c@a0030000", 0xa0030000)]),
  ]);
  assert.equal(devicesOf(root), ["a0010000.a a0010000", "a0020000.b a0020000"]);
  assert.throws(() => readOverlay(node("", {}, [node("fragment@0", {}, [])])), /no fragment/);
});

test("a target is a label of the board or a path; what is not there is refused", () => {
  const label = (name: string) => [
    node("__fixups__", { [name]: strings("/other@1:target:0", "/f:target:0") }),
    fragment("f", { target: cells(0xffffffff) }, [core("h@a0050000", 0xa0050000)]),
  ];
  for (const name of ["amba", "axi", "fpga_full", "amba_pl"]) {
    assert.equal(devicesOf(node("", {}, label(name))), ["a0050000.h a0050000"]);
  }
  for (const path of ["/", "/axi", "/amba", "/fpga-full"]) {
    const root = node("", {}, [fragment("f", { "target-path": strings(path) }, [core("h@1000", 0x1000)])]);
    assert.equal(devicesOf(root), ["1000.h 1000"]);
  }
  for (const children of [
    label("nosuch"),
    label("amba").slice(1),
    [fragment("f", {}, [])],
    [fragment("f", { "target-path": strings("/nosuch") }, [])],
    [fragment("f", { target: cells(3), "target-path": strings("/") }, [])],
  ]) {
    assert.throws(
      () => readOverlay(node("", {}, children)),
      (error: Error) => error instanceof OverlayError && error.message.includes("&amba"),
    );
  }
});

test("children of buses are devices, and their addresses go through every bus above", () => {
  const at = (address: number) => node("d", { compatible: strings("generic-uio"), reg: cells(address, 0x1000) });
  const narrow = { "#address-cells": cells(1), "#size-cells": cells(1) };
  const window = (from: number, to: number) => cells(from, 0, to, 0x10000);
  const inner = { ...narrow, ranges: cells(0x100000, 0x0, 0x1000) };
  const root = rootOverlay([
    bus("plain", { ranges: EMPTY }, [core("b@a0020000", 0xa0020000)]),
    bus("mapped@0", { ...narrow, ranges: Buffer.concat([window(0, 0xa0100000), window(0x20000, 0xb0000000)]) }, [
      at(0x1000),
      at(0x2f000),
      at(0x10000),
      bus("inner", inner, [at(0x100800)]),
    ]),
    bus("closed", narrow, [at(0x1000)]),
    node("no-bus", { ranges: EMPTY }, [core("e@a0030000", 0xa0030000)]),
  ]);
  assert.equal(devicesOf(root), [
    "a0020000.b a0020000",
    "a0101000.d a0101000",
    "b000f000.d b000f000",
    "mapped@0:d",
    "a0100800.d a0100800",
    "closed:d",
  ]);
});

test("disabled nodes are no devices, and neither is what is in a disabled bus", () => {
  const status = (text: string) => ({ status: strings(text) });
  const root = rootOverlay([
    core("a@a0010000", 0xa0010000, status("disabled")),
    core("b@a0020000", 0xa0020000, status("okay")),
    core("c@a0030000", 0xa0030000, status("ok")),
    core("d@a0040000", 0xa0040000, status("fail")),
    bus("e", { ranges: EMPTY, ...status("disabled") }, [core("f@a0050000", 0xa0050000)]),
  ]);
  assert.equal(devicesOf(root), ["a0020000.b a0020000", "a0030000.c a0030000"]);
});

test("registers that are not aligned, too few or too many are refused", () => {
  for (const [address, lengthBytes] of [
    [0xa0010002, 0x1000],
    [0xa0010000, 2],
    [0xa0010000, 2 ** 25],
  ] as const) {
    assert.throws(
      () => readOverlay(rootOverlay([uioNode("x", [[address, lengthBytes]])])),
      (error: Error) => error instanceof OverlayError,
    );
  }
});

test("a node without unit address, and one with its controller beside its interrupt", () => {
  const root = rootOverlay([
    core("foo", 0xa0030000),
    uioNode("irq", [], { "interrupts-extended": cells(9, 0, 104, 4) }),
  ]);
  const { devices } = readOverlay(root);
  assert.equal(
    devices.map(({ name, busName, interrupt }) => [name, busName, interrupt]),
    [
      ["foo", "a0030000.foo", undefined],
      ["irq", "irq", 104],
    ],
  );
});

test("an overlay can be for a bus of an overlay that is applied, and not for one that is gone", async () => {
  const below = node("", {}, [fragment("f", { "target-path": strings("/pl") }, [core("g@a0060000", 0xa0060000)])]);
  await onBoardWith(rootOverlay([bus("pl", { ranges: EMPTY }, [core("b@a0020000", 0xa0020000)])]), (sysroot) => {
    assert.ok(applyOverlay(sysroot, "below", below));
    assert.equal(
      listUioDevices(new Sysroot(sysroot)).map(({ name }) => name),
      ["b", "g"],
    );
  });
  await onBoardWith(rootOverlay([]), (sysroot) => assert.not(applyOverlay(sysroot, "below", below)));
});

test.run();
