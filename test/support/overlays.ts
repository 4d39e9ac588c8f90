import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { VirtualBoard, type VirtualBoardOptions } from "../../host/board/board";
import { cells, type DeviceTreeNode, node, strings, writeDeviceTree } from "../../host/board/kernel/fpga/device-tree";
import { waitUntil } from "../../host/util/wait";
import { temporaryDirectory } from "./temporary";

const LONG_MS = 30_000;

/** A node that becomes a UIO device, with register ranges of 64-bit addresses and lengths. */
export function uioNode(
  name: string,
  ranges: readonly (readonly [address: number, lengthBytes: number])[],
  more: Record<string, Buffer> = {},
): DeviceTreeNode {
  const reg = cells(...ranges.flatMap(([address, lengthBytes]) => [0, address, 0, lengthBytes]));
  return node(name, { compatible: strings("generic-uio"), ...(ranges.length > 0 && { reg }), ...more });
}

/** An overlay for the root of the device tree. */
export function rootOverlay(
  children: readonly DeviceTreeNode[],
  properties: Record<string, Buffer> = {},
): DeviceTreeNode {
  return node("", {}, [
    node("fragment@0", { "target-path": strings("/") }, [
      node("__overlay__", { "#address-cells": cells(2), "#size-cells": cells(2), ...properties }, children),
    ]),
  ]);
}

/** Applies an overlay as a program does that has never heard of axiscript; whether the kernel took it. */
export function applyOverlay(sysroot: string, name: string, root: DeviceTreeNode): boolean {
  const directory = join(sysroot, "configfs/device-tree/overlays", name);
  writeFileSync(join(sysroot, "lib/firmware", `${name}.dtbo`), writeDeviceTree(root));
  mkdirSync(directory);
  const path = join(directory, "path");
  const read = () => {
    try {
      return readFileSync(path, "latin1");
    } catch {
      return undefined;
    }
  };
  if (!waitUntil(() => read() !== undefined, LONG_MS)) throw new Error(`${path} did not appear`);
  writeFileSync(path, `${name}.dtbo`, { flag: "r+" });
  if (!waitUntil(() => read() === "" || read()?.endsWith("\n") === true, LONG_MS)) throw new Error("no answer");
  return read() !== "" && read() !== "\n";
}

/** A board in a directory, and that an overlay was applied on it. */
export async function onBoardWith(
  root: DeviceTreeNode,
  body: (sysroot: string) => void | Promise<void>,
  options: VirtualBoardOptions = {},
): Promise<void> {
  const board = new VirtualBoard(options);
  try {
    if (!applyOverlay(board.sysroot, "x", root)) {
      throw new Error(`refused: ${readFileSync(join(board.sysroot, "var/log/kern.log"), "utf8")}`);
    }
    await body(board.sysroot);
  } finally {
    await board.stop();
  }
}

/** A directory with the files of a board that has ended: the next one there has the same devices. */
export async function boardDirectoryWith(root: DeviceTreeNode, options: VirtualBoardOptions = {}): Promise<string> {
  const sysroot = join(temporaryDirectory(), "board");
  await onBoardWith(root, () => {}, { ...options, sysroot });
  return sysroot;
}
