import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { VirtualBoard, type VirtualBoardOptions } from "../../host/board/board";
import { FpgaManager } from "../../host/linux/fpga-manager";
import { Sysroot } from "../../host/linux/sysroot";
import { canMount } from "../support/fuse-board";
import { firmwareOf } from "../support/host-instance";
import { startBoardProcess } from "../support/standalone-board";
import { temporaryDirectory } from "../support/temporary";

const test = suite("users' files in a board's directory");

/** Files that a user may put there, and one that takes the place of the board's. */
const MINE = ["mine", "lib/mine", "lib/firmware/mine.bin", "var/log/mine", "etc/deep/mine"];
/** Also there, where devices are not a file system of the board's own. */
const AMONG_DEVICES = "dev/mine";
const REPLACED = "lib/firmware/xilinx/axi_proxy/axi_proxy.dtbo";

/** Gives the paths of what was put there. */
function putMine(sysroot: string, kernelFiles: VirtualBoardOptions["kernelFiles"]): string[] {
  mkdirSync(join(sysroot, "etc/deep"), { recursive: true });
  const paths = [...MINE, REPLACED, ...(kernelFiles === "plain" ? [AMONG_DEVICES] : [])];
  for (const path of paths) writeFileSync(join(sysroot, path), path);
  return paths;
}

function checkMine(sysroot: string, paths: readonly string[]): void {
  for (const path of paths) assert.is(readFileSync(join(sysroot, path), "utf8"), path);
}

const KINDS: NonNullable<VirtualBoardOptions["kernelFiles"]>[] = canMount() ? ["plain", "fuse"] : ["plain"];
for (const kernelFiles of KINDS) {
  test(`stay when a board with ${kernelFiles} files ends that was programmed, and nothing else does`, async () => {
    const sysroot = temporaryDirectory();
    const board = new VirtualBoard({ sysroot, keep: false, kernelFiles });
    new FpgaManager(new Sysroot(sysroot)).program(...firmwareOf("axi_timer"));
    const mine = putMine(sysroot, kernelFiles);
    await board.stop();
    checkMine(sysroot, mine);
    const left = readdirSync(sysroot, { recursive: true, withFileTypes: true }).filter((entry) => !entry.isDirectory());
    const names = left.map((entry) => join(entry.parentPath, entry.name).slice(sysroot.length + 1));
    const users = [...mine, "lib/firmware/axi_timer.dtbo", "lib/firmware/axi_timer.bit.bin"];
    assert.equal(names.filter((name) => !name.startsWith(".board/")).sort(), users.sort());

    // The directory is a board's still, and nothing stays of it once the user's files are gone.
    const again = new VirtualBoard({ sysroot, keep: false, kernelFiles });
    checkMine(sysroot, mine);
    for (const path of users) rmSync(join(sysroot, path));
    rmSync(join(sysroot, "etc"), { recursive: true });
    await again.stop();
    assert.equal(readdirSync(sysroot), []);
  });
}

test("stay when the next board takes a directory whose board was killed", async () => {
  const sysroot = join(temporaryDirectory(), "board");
  const killed = await startBoardProcess(["--sysroot", sysroot]);
  const mine = putMine(sysroot, canMount() ? "fuse" : "plain");
  await killed.end("SIGKILL");
  writeFileSync(join(sysroot, "later"), "");
  const board = new VirtualBoard({ sysroot });
  checkMine(sysroot, mine);
  assert.ok(existsSync(join(sysroot, "later")));
  await board.stop();
});

test.run();
