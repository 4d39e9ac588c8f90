import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { PATHS } from "./paths";

/** Where the build puts the firmware files of the designs: made anew for each board, they would cost its start 5 ms. */
const BUILT = join(__dirname, "../board/firmware");

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
    const directory = join(sysroot, PATHS.firmware, "xilinx", name.replace(/\..*/, ""));
    const path = join(directory, name);
    if (existsSync(path)) continue;
    mkdirSync(directory, { recursive: true });
    writeFileSync(path, readFileSync(join(BUILT, name)));
  }
}
