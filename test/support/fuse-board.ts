import { copyFileSync, mkdirSync, realpathSync } from "node:fs";
import { join } from "node:path";
import type * as uvu from "uvu";
import { VirtualBoard, type VirtualBoardOptions } from "../../host/board/board";
import { mountKernelFiles } from "../../host/board/kernel/kernel-mount";
import { PATHS } from "../../host/board/kernel/paths";
import { errnoCode } from "../../host/util/errors";
import { mountFuse, unmountBelow } from "../../host/native/fuse";
import { closeDescriptor } from "../../host/native/libc";
import { testWhere } from "./rights";
import { temporaryDirectory } from "./temporary";

/** Whether a board can serve a file system here. */
export function canMount(): boolean {
  const parent = realpathSync(temporaryDirectory());
  const directory = join(parent, "sys");
  mkdirSync(directory);
  try {
    const fd = mountFuse(directory);
    unmountBelow(parent);
    closeDescriptor(fd);
    return true;
  } catch {
    return false;
  }
}

/** Whether it can also serve one for device files. */
export function canServeDevices(): boolean {
  const sysroot = temporaryDirectory();
  mkdirSync(join(sysroot, PATHS.private));
  const { fd, devices, unmount } = mountKernelFiles(sysroot);
  unmount?.();
  for (const open of [fd, devices?.fd]) if (open !== undefined) closeDescriptor(open);
  return devices !== undefined;
}

/** Defines tests that need a file system of the board's own. */
export function testWithMount(test: uvu.Test) {
  return testWhere(test, canMount(), "no FUSE file system can be mounted here");
}

/** A board whose kernel files are a file system, with one design's files in its firmware directory. */
export function fuseBoard(options: VirtualBoardOptions = {}, design = "axi_proxy") {
  const board = new VirtualBoard({ ...options, kernelFiles: "fuse" });
  const path = (relative: string) => join(board.sysroot, relative);
  for (const type of ["bit.bin", "dtbo"]) {
    copyFileSync(path(`lib/firmware/xilinx/${design}/${design}.${type}`), path(`lib/firmware/${design}.${type}`));
  }
  return {
    board,
    path,
    manager: (attribute: string) => path(`sys/class/fpga_manager/fpga0/${attribute}`),
    overlay: (name: string, attribute = "") => path(`configfs/device-tree/overlays/${name}/${attribute}`),
  };
}

/** The errno with which something fails; `none` if it does not. */
export function errnoOf(body: () => unknown): string {
  try {
    body();
    return "none";
  } catch (error) {
    const code = errnoCode(error);
    if (code === undefined) throw error;
    return code;
  }
}
