import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { makeDirectories } from "../../../files/own-directories";
import { PATHS } from "../paths";
import { HOST_DIRECTORY } from "../../../util/host-directory";

/** Where the build puts the firmware files of the designs: made anew for each board, they would cost its start 5 ms. */
const BUILT = join(HOST_DIRECTORY, "board/firmware");

/**
 * Puts firmware files beside this one, in place of those of an earlier build. The last step of `npm run build`.
 *
 * @param files contents by name, `DESIGN.bit.bin` or `DESIGN.dtbo`
 */
export function buildFirmware(files: ReadonlyMap<string, Uint8Array>): void {
  rmSync(BUILT, { recursive: true, force: true });
  mkdirSync(BUILT);
  for (const [name, content] of files) writeFileSync(join(BUILT, name), content);
}

/** Gives a board the files that were built, in `/lib/firmware/xilinx/DESIGN`. Those that exist stay. */
export function installFirmware(sysroot: string): void {
  for (const name of readdirSync(BUILT)) {
    const path = firmwarePath(sysroot, name);
    if (!existsSync(path)) writeFileSync(path, readFileSync(join(BUILT, name)), { mode: 0o644 });
  }
}

/** Gives a board files of other designs, in place of those of their names. */
export function addFirmware(sysroot: string, files: ReadonlyMap<string, Uint8Array>): void {
  for (const [name, content] of files) writeFileSync(firmwarePath(sysroot, name), content, { mode: 0o644 });
}

/** Where a design's file is, in a directory that is there. */
function firmwarePath(sysroot: string, name: string): string {
  const directory = join(sysroot, PATHS.firmware, "xilinx", name.replace(/\..*/, ""));
  makeDirectories(directory);
  return join(directory, name);
}
