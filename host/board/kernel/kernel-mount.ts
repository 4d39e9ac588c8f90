import { existsSync, readSync, realpathSync, renameSync, rmdirSync, writeSync } from "node:fs";
import { join } from "node:path";
import { makeDirectories } from "../../files/own-directories";
import { removeTree } from "../../files/remove";
import { closeBacking, deviceNumberOf, mountFuse, openBacking, unmountBelow, unmountFuse } from "../../native/fuse";
import { closeDescriptor, createSealedFile, pageSizeBytes, SystemCallError } from "../../native/libc";
import type { DeviceMount } from "./fuse/fuse-device-files";
import {
  decodeRequest,
  encodeDeviceInit,
  encodeReply,
  knowsPassthrough,
  MAX_REQUEST_BYTES,
} from "./fuse/fuse-protocol";
import { PATHS } from "./paths";
import { buildTreeBesideMount } from "./tree";

/** What came of mounting a board's file system: all of it, or a note. */
export interface KernelMount {
  /** Who serves it, by this descriptor, closes it at the end. */
  readonly fd?: number;
  /** Of another one at `dev`, where the kernel can do that (Linux 6.9). */
  readonly devices?: DeviceMount;
  readonly unmount?: () => void;
  /** Why there is none. */
  readonly note?: string;
}

/**
 * Mounts the file system for the kernel's files at `sys`, and lays out the plain files beside it. Where that cannot be
 * done everything is left as it is.
 *
 * @param sysroot a directory that this board has locked
 */
export function mountKernelFiles(sysroot: string): KernelMount {
  const directory = realpathSync(sysroot);
  const mountPoint = join(directory, "sys");
  const before = join(directory, PATHS.private, "plain-sys");
  removeTree(before);
  if (existsSync(mountPoint)) renameSync(mountPoint, before);
  makeDirectories(mountPoint);
  let fd: number;
  try {
    fd = mountFuse(mountPoint);
  } catch (error) {
    if (!(error instanceof SystemCallError)) throw error;
    rmdirSync(mountPoint);
    if (existsSync(before)) renameSync(before, mountPoint);
    return {
      note:
        `the kernel's files are plain ones, since no file system can be mounted here (${error.message}): what a ` +
        "program asks for takes effect a moment later, and it is not told of errors",
    };
  }
  removeTree(before);
  buildTreeBesideMount(directory);
  const devices = mountDeviceFiles(join(directory, PATHS.devices));
  return { fd, ...(devices && { devices }), unmount: () => unmountBelow(directory) };
}

/** Mounts the file system for device files, unless the kernel cannot let other files take the place of its own. */
function mountDeviceFiles(mountPoint: string): DeviceMount | undefined {
  let fd: number;
  try {
    fd = mountFuse(mountPoint);
  } catch (error) {
    if (error instanceof SystemCallError) return undefined;
    throw error;
  }
  if (answerInit(fd) && canMapOthers(fd)) return { fd, deviceNumber: deviceNumberOf(mountPoint) };
  unmountFuse(mountPoint);
  closeDescriptor(fd);
  return undefined;
}

/** Answers the kernel's first request, which is there from the mount on. False if it knows too little. */
function answerInit(fd: number): boolean {
  const message = Buffer.alloc(MAX_REQUEST_BYTES);
  const { unique, body } = decodeRequest(message.subarray(0, readSync(fd, message)));
  if (!knowsPassthrough(body)) return false;
  writeSync(fd, encodeReply(unique, encodeDeviceInit()));
  return true;
}

/** Knowing of it and doing it are two things: it takes rights, too. */
function canMapOthers(fd: number): boolean {
  const file = createSealedFile("probe", pageSizeBytes);
  try {
    closeBacking(fd, openBacking(fd, file));
    return true;
  } catch {
    return false;
  } finally {
    closeDescriptor(file);
  }
}
